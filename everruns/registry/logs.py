"""The logs of sessions: they are appended to, loaded and read here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from everruns.domain.base import Page
from everruns.domain.events import MESSAGE_EVENTS, Event, EventType
from everruns.domain.messages import Message
from everruns.domain.retries import Ranges, disjoint, is_superseded
from everruns.domain.sessions import Session
from everruns.domain.snapshots import FORMAT, Snapshot
from everruns.domain.state import message_of
from everruns.errors import PlacedElsewhere, SessionNotFound
from everruns.registry.database import Database
from everruns.registry.group_commit import GroupCommit
from everruns.registry.revision import Revision
from everruns.remote import Repeat, remote
from everruns.storage.logs import Append, EventQuery, Verdict
from everruns.storage.pages import is_last
from everruns.storage.sessions import StoredLog

REMEMBERED_NEW = 2048

FindHolder = Callable[[str], str | None]
"""Returns the host that may append to a session's log, if any."""


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


class Logs:
    """Extends and reads the logs of sessions, for the host that holds each.

    Args:
        database: Keeps the logs.
        revision: Passed on to hosts with each answer.
        find_holder: Tells which host may append. A load waits for all earlier appends, and later
            appends of a previous holder are refused; so a loaded log is complete, and only its
            new holder continues it.
    """

    def __init__(self, database: Database, revision: Revision, find_holder: FindHolder) -> None:
        self._database = database
        self._store = database.store
        self._revision = revision
        self._find_holder = find_holder
        # Created but not yet loaded or appended to: their logs are empty and need no read.
        self._new: dict[str, Session] = {}
        self._commits: GroupCommit[tuple[str, Append]] = GroupCommit(self._commit)

    @remote(Repeat.YES)
    async def get(self, session_id: str) -> Session:
        """Return a session with the summary of its log.

        Raises:
            SessionNotFound: There is none with this id.
        """
        session = self._new.get(session_id)
        if session is None:
            session = await self._database.control.read(self._store.sessions.find, session_id)
        if session is None:
            raise SessionNotFound(f"Session {session_id} not found")
        return session

    @remote(Repeat.YES, timeout_s=60)
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
            total = await self._database.bulk.read(self._store.logs.count, session_id, query)
        page = [
            message.model_copy(update={"superseded": True})
            if is_superseded(message.sequence, superseded)
            else message
            for message in map(message_of, events)
        ]
        return Page(data=page, total=total, offset=offset, limit=limit)

    @remote(Repeat.YES, timeout_s=60)
    async def events(self, session_id: str, query: EventQuery) -> Sequence[Event]:
        """Return events of a session's log.

        Raises:
            SessionNotFound: There is none with this id.
        """
        events = await self._database.bulk.read(self._store.logs.read, session_id, query)
        if not events:
            await self.get(session_id)
        return events

    @remote(Repeat.YES, timeout_s=60)
    async def superseded(self, session_id: str) -> Ranges:
        """Return the sequences that retries took out of a session's conversation.

        Raises:
            SessionNotFound: There is none with this id.
        """
        starts = await self.events(session_id, EventQuery(types=(EventType.SESSION_STARTED,)))
        return disjoint(
            (first, last) for event in starts for first, last in event.data.get("superseded", ())
        )

    @remote(Repeat.YES, timeout_s=60)
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
        verdicts = await self._commits.append_all([(host, append) for append in appends])
        budgeted = frozenset(
            append.session_id
            for append in appends
            if self._store.budgets.is_budgeted(append.session_id)
        )
        return Appended(verdicts, self._revision.number, budgeted)

    @remote(Repeat.YES, timeout_s=30)
    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Store a session's newest snapshot; nothing is stored if the session was deleted.

        Raises:
            StoreOverloaded: Too many snapshots are waiting.
        """
        await self._database.bulk.write(self._store.sessions.put_snapshot, snapshot)

    async def _commit(self, batch: Sequence[tuple[str, Append]]) -> Sequence[Verdict]:
        owned = [self._find_holder(append.session_id) == host for host, append in batch]
        appends = [append for (_, append), own in zip(batch, owned, strict=True) if own]
        stored = iter(await self._database.append(appends) if appends else ())
        return [
            next(stored)
            if own
            else PlacedElsewhere(f"Session {append.session_id} has left host {host}.")
            for (host, append), own in zip(batch, owned, strict=True)
        ]

    # Calls within the registry

    async def load(self, session_id: str, *, whole: bool = False) -> StoredLog:
        """Return a session with its log, including all appends up to now.

        Args:
            session_id: The session.
            whole: Whether the log is wanted from its start, rather than from its snapshot on.

        Raises:
            SessionNotFound: There is none with this id.
        """
        if new := self._new.pop(session_id, None):
            return StoredLog(new, [])
        await self._commits.settle()
        format_ = None if whole else FORMAT
        loaded = await self._database.control.read(self._store.sessions.load, session_id, format_)
        if loaded is None:
            raise SessionNotFound(f"Session {session_id} not found")
        return loaded

    async def end(self, append: Append) -> None:
        """Append to the log of a session that no host holds.

        Raises:
            SequenceConflict: Somebody else has appended.
        """
        (refused,) = await self._database.append([append])
        if refused is not None:
            raise refused

    async def settle(self) -> None:
        """Return when all appends up to now have their verdicts."""
        await self._commits.settle()

    async def length(self, session_id: str) -> int:
        """Return how many events the log of a session has; mostly without a query.

        Raises:
            SessionNotFound: There is none with this id.
        """
        if session_id in self._new:
            return 0
        lengths = await self.lengths([session_id])
        if session_id not in lengths:
            raise SessionNotFound(f"Session {session_id} not found")
        return lengths[session_id]

    async def lengths(self, session_ids: Sequence[str]) -> Mapping[str, int]:
        """Return how many events the log of each session has, for those that exist."""
        return await self._database.control.read(self._store.logs.lengths, session_ids)

    def is_budgeted(self, session_id: str) -> bool:
        """Tell whether a session has active budgets of its own."""
        return self._store.budgets.is_budgeted(session_id)

    def remember_new(self, session: Session) -> None:
        """Remember the row of a session that was created, so that it need not be read."""
        if len(self._new) >= REMEMBERED_NEW:
            del self._new[next(iter(self._new))]
        self._new[session.id] = session

    def forget(self, session_id: str) -> bool:
        """Forget the row of a session that is being changed or deleted; return whether it was new.

        A new session has an empty log, so its row is all there is of it.
        """
        return self._new.pop(session_id, None) is not None
