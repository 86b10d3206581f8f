"""The logs of sessions, and where sessions are placed: what session hosts ask the registry for."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from everruns.domain.base import Page
from everruns.domain.events import Event, EventType, NewEvent
from everruns.domain.messages import Message
from everruns.domain.retries import Ranges, disjoint, is_superseded
from everruns.domain.sessions import Session, SessionSummary
from everruns.domain.state import message_of
from everruns.errors import (
    Conflict,
    EverrunsError,
    PlacedElsewhere,
    SessionNotFound,
    SessionUnreadable,
)
from everruns.ids import format_time, now_ms
from everruns.registry.database import Database
from everruns.registry.event_log import EventLog
from everruns.registry.placement import Placement
from everruns.registry.revision import Revision
from everruns.remote import Repeat, remote
from everruns.storage.logs import Append, EventQuery, Verdict
from everruns.storage.pages import is_last

MESSAGE_EVENTS = (EventType.MESSAGE_CREATED, EventType.TOOL_RESULT)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LoadedSession:
    """What a host needs to load a session.

    Attributes:
        session: Its row.
        events: Its whole log.
        revision: The revision now.
        lost_with: How many open turns, this session's included, lost their host with it; 0 if the
            session comes from no host that was lost.
        is_budgeted: Whether the session itself has active budgets.
    """

    session: Session
    events: Sequence[Event]
    revision: int
    lost_with: int = 0
    is_budgeted: bool = False


@dataclass(frozen=True)
class Appended:
    """The answer to a batch of appends.

    Attributes:
        verdicts: One for each append.
        revision: The revision now.
        budgeted: The sessions among them with active budgets of their own.
    """

    verdicts: Sequence[Verdict]
    revision: int
    budgeted: frozenset[str] = frozenset()


async def _no_relief(_host: str) -> int:
    return 0


class SessionLogs:
    """Reads and extends the logs of sessions, and places sessions on hosts.

    Attributes:
        relieve: Asks a host, by name, to release its idle sessions; returns how many it released.
            Set by the code that can reach hosts.
    """

    def __init__(self, database: Database, placement: Placement, revision: Revision) -> None:
        self._database = database
        self._store = database.store
        self._placement = placement
        self._revision = revision
        self._making_room = asyncio.Lock()
        self._lost_with: dict[str, int] = {}
        # Created but not yet loaded or appended to: their logs are empty and need no read.
        self._new: dict[str, Session] = {}
        self.relieve: Callable[[str], Awaitable[int]] = _no_relief
        self._log: EventLog[tuple[str, Append]] = EventLog(self._commit)

    @remote(Repeat.YES)
    async def get(self, session_id: str) -> Session:
        """Return a session.

        Raises:
            SessionNotFound: There is none with this id.
        """
        session = self._new.get(session_id)
        if session is None:
            session = await self._database.read(self._store.sessions.find, session_id)
        if session is None:
            raise SessionNotFound(f"Session {session_id} not found")
        return session

    @remote(Repeat.YES)
    async def messages(
        self, session_id: str, offset: int, limit: int, *, include_superseded: bool = False
    ) -> Page[Message]:
        """Return a page of a session's messages, oldest first.

        Args:
            session_id: The session.
            offset: Number of messages to skip.
            limit: Maximum number of messages.
            include_superseded: Whether to include what retries took out of the conversation,
                marked as such.

        Raises:
            SessionNotFound: There is none with this id.
        """
        superseded = await self.superseded(session_id)
        without = () if include_superseded else superseded
        query = EventQuery(types=MESSAGE_EVENTS, offset=offset, limit=limit, without=without)
        events = await self.events(session_id, query)
        if is_last(events, query) and (events or offset == 0):
            total = offset + len(events)
        else:
            total = await self._database.read(self._store.logs.count, session_id, query)
        page = [
            message.model_copy(update={"superseded": True})
            if is_superseded(message.sequence, superseded)
            else message
            for message in map(message_of, events)
        ]
        return Page(data=page, total=total, offset=offset, limit=limit)

    @remote(Repeat.YES)
    async def events(self, session_id: str, query: EventQuery) -> Sequence[Event]:
        """Return events of a session's log.

        Raises:
            SessionNotFound: There is none with this id.
        """
        events = await self._database.read(self._store.logs.read, session_id, query)
        if not events:
            await self.get(session_id)
        return events

    @remote(Repeat.YES)
    async def superseded(self, session_id: str) -> Ranges:
        """Return the sequences that retries took out of a session's conversation.

        Raises:
            SessionNotFound: There is none with this id.
        """
        starts = await self.events(session_id, EventQuery(types=(EventType.SESSION_STARTED,)))
        return disjoint(
            (first, last) for event in starts for first, last in event.data.get("superseded", ())
        )

    # Calls from session hosts

    @remote(Repeat.YES)
    async def append(self, appends: Sequence[Append], host: str) -> Appended:
        """Store events of several sessions, merged with those of other hosts.

        Args:
            appends: What to store.
            host: The calling host. Appends to sessions placed elsewhere are refused with
                ``PlacedElsewhere``.

        Raises:
            StoreOverloaded: Too many appends are waiting.
        """
        for append in appends:
            self._new.pop(append.session_id, None)
        verdicts = await self._log.append_all([(host, append) for append in appends])
        budgeted = frozenset(
            append.session_id
            for append in appends
            if self._store.budgets.is_budgeted(append.session_id)
        )
        return Appended(verdicts, self._revision.number, budgeted)

    async def _commit(self, batch: Sequence[tuple[str, Append]]) -> Sequence[Verdict]:
        """Store the appends of hosts that own their session.

        A load waits for all earlier appends, and later appends of a previous owner are refused
        here. So the loaded log is complete, and only the new owner continues it.
        """
        owned = [self._placement.find(append.session_id) == host for host, append in batch]
        appends = [append for (_, append), own in zip(batch, owned, strict=True) if own]
        stored = iter(await self._database.append(appends) if appends else ())
        return [
            next(stored)
            if own
            else PlacedElsewhere(f"Session {append.session_id} has left host {host}.")
            for (host, append), own in zip(batch, owned, strict=True)
        ]

    @remote(Repeat.YES)
    async def load(self, session_id: str, host: str) -> LoadedSession:
        """Return a session to the host that will hold it.

        Raises:
            PlacedElsewhere: Another host holds it, or this one has no room.
            SessionNotFound: There is none with this id.
        """
        if not self._placement.claim(session_id, host):
            raise PlacedElsewhere(f"Session {session_id} is placed on another host, not on {host}.")
        try:
            session, events = await self._load(session_id)
        except BaseException:
            # Whatever failed, the session must be free for its next host.
            self._placement.release(session_id, host)
            raise
        lost_with = self._lost_with.pop(session_id, 0)
        is_budgeted = self._store.budgets.is_budgeted(session_id)
        return LoadedSession(session, events, self._revision.number, lost_with, is_budgeted)

    async def _load(self, session_id: str) -> tuple[Session, Sequence[Event]]:
        if new := self._new.pop(session_id, None):
            return new, []
        await self._log.settle()
        loaded = await self._database.read(self._store.sessions.load, session_id)
        if loaded is None:
            raise SessionNotFound(f"Session {session_id} not found")
        return loaded

    async def behind(self, known: Mapping[str, int]) -> set[str]:
        """Return the sessions whose log has events that a host does not know.

        Args:
            known: The last event that the host knows, by session.
        """
        lengths = await self._database.read(self._store.logs.lengths, list(known))
        return {identity for identity, length in lengths.items() if length > known[identity]}

    async def note_lost(self, session_ids: set[str]) -> None:
        """Record which open turns lost their host together."""
        unfinished = await self._database.read(self._store.sessions.unfinished, now_ms())
        interrupted = session_ids.intersection(unfinished)
        self._lost_with.update(dict.fromkeys(interrupted, len(interrupted)))

    async def quarantine(self, session_id: str) -> str | None:
        """End the open turn of a session that cannot be loaded, without folding its log.

        Afterwards the session's events can be listed and it can be deleted, but nothing else.

        Returns:
            The turn that was ended; ``None`` if none was open.

        Raises:
            SessionNotFound: There is none with this id.
            Conflict: A host holds the session or has appended to it in the meantime.
        """
        if self._placement.find(session_id) is not None:
            raise Conflict(f"Session {session_id} has been loaded in the meantime.")
        await self._log.settle()
        session = await self.get(session_id)
        if session.status not in {"active", "waitingfortoolresults"}:
            return None
        began = EventQuery(types=(EventType.SESSION_STARTED,), newest_first=True, limit=1)
        (started,) = await self.events(session_id, began)
        (last,) = await self.events(session_id, EventQuery(newest_first=True, limit=1))
        unreadable = SessionUnreadable.of(session_id)
        error = {"message": unreadable.message, "code": unreadable.code}
        data = {"turn_id": started.turn_id, "error": error}
        sequence, now = last.sequence + 1, max(now_ms(), last.ts)
        failed = NewEvent(EventType.SESSION_FAILED, data, {"turn_id": started.turn_id})
        summary = SessionSummary(
            status="idle",
            sequence=sequence,
            usage=session.usage,
            preview=session.preview,
            output_preview=session.output_preview,
            started_at=session.started_at,
            finished_at=format_time(now),
            updated_at=format_time(now),
        )
        append = Append(session_id, sequence, [failed.at(session_id, sequence, now)], summary)
        (refused,) = await self._database.append([append])
        if refused is not None:
            raise refused
        return started.turn_id

    @remote(Repeat.YES)
    async def release(self, session_id: str, host: str) -> None:
        """Record that a host has released a session."""
        self._placement.release(session_id, host)

    # Placement

    @remote(Repeat.YES)
    async def place(self, session_id: str) -> str:
        """Return the name of the host that holds the session, choosing one if none does.

        Raises:
            SessionNotFound: There is none with this id.
            CapacityExhausted: Every host is full.
        """
        host = self._placement.find(session_id)
        if host is None:
            await self._check_exists(session_id)
            if not self._placement.has_room:
                await self._make_room()
            host = self._placement.place(session_id)
        return host

    async def _check_exists(self, session_id: str) -> None:
        # The store knows the lengths of most logs without a query.
        known = session_id in self._new
        if not known and not await self._database.read(self._store.logs.lengths, [session_id]):
            raise SessionNotFound(f"Session {session_id} not found")

    async def _make_room(self) -> None:
        """Ask a full host to release its idle sessions early."""
        async with self._making_room:
            for host in list(self._placement.hosts):
                # A concurrent caller may have taken the room that was just freed.
                if self._placement.has_room:
                    return
                try:
                    await self.relieve(host)
                except EverrunsError as error:
                    # A lost host has nothing to release; the watch handles it.
                    log.warning("host not relieved", host=host, code=error.code)

    @remote(Repeat.YES)
    async def holder(self, session_id: str) -> str | None:
        """Return the host that holds the session, if one does."""
        return self._placement.find(session_id)

    async def abandoned(self) -> Sequence[str]:
        """Return the sessions whose turn can proceed and that no host holds."""
        unfinished = await self._database.read(self._store.sessions.unfinished, now_ms())
        return [identity for identity in unfinished if self._placement.find(identity) is None]
