"""Which host holds which session: placing and loading sessions, and what becomes of lost ones."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from everruns.domain.base import KIB
from everruns.domain.events import Event, EventType, NewEvent, body_bytes
from everruns.domain.sessions import OPEN_STATUSES, Session, SessionSummary
from everruns.domain.snapshots import DUE_EVENTS, Snapshot
from everruns.errors import Conflict, EverrunsError, PlacedElsewhere, SessionUnreadable
from everruns.ids import format_time, now_ms
from everruns.registry.database import Database
from everruns.registry.logs import Logs
from everruns.registry.placement import Placement
from everruns.registry.revision import Revision
from everruns.remote import Repeat, remote
from everruns.storage.logs import Append, EventQuery

MAX_HANDED_BYTES = 256 * KIB

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LoadedSession:
    """What a host needs to load a session.

    Attributes:
        session: Its row.
        events: Its log; from the snapshot's event on, if there is a snapshot.
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
    snapshot: Snapshot | None = None

    @property
    def size_bytes(self) -> int:
        """The size of the events and the snapshot."""
        snapshot_bytes = len(self.snapshot.content) if self.snapshot else 0
        return snapshot_bytes + body_bytes(self.events)


@dataclass(frozen=True)
class HostReport:
    """What a host holds.

    Attributes:
        sequences: The last event that it knows, by session; 0 for one that is loading.
        size_bytes: The size of its sessions; see ``LiveSession.size_bytes``.
        node: The node that it is on; empty where there are no nodes.
    """

    sequences: Mapping[str, int]
    size_bytes: int
    node: str = ""


async def _no_relief(_host: str) -> int:
    return 0


class Hosting:
    """Places sessions on hosts and hands them over.

    Attributes:
        relieve: Asks a host, by name, to release its idle sessions; returns how many it released.
            Set by the code that can reach hosts.

    Args:
        database: Knows which turns are open.
        logs: The logs of sessions.
        placement: Which host holds which session.
        revision: Passed on to hosts.
    """

    def __init__(
        self, database: Database, logs: Logs, placement: Placement, revision: Revision
    ) -> None:
        self._database = database
        self._logs = logs
        self._placement = placement
        self._revision = revision
        self._making_room = asyncio.Lock()
        self._lost_with: dict[str, int] = {}
        self.relieve: Callable[[str], Awaitable[int]] = _no_relief

    @remote(Repeat.YES, timeout_s=30)
    async def place(self, session_id: str) -> str:
        """Return the name of the host that holds the session, choosing one if none does.

        Raises:
            SessionNotFound: There is none with this id.
            CapacityExhausted: Every host is full.
        """
        if host := self._placement.find(session_id):
            return host
        await self._logs.length(session_id)
        return await self._choose_host(session_id)

    async def _choose_host(self, session_id: str) -> str:
        if not self._placement.has_room:
            await self._make_room()
        return self._placement.place(session_id)

    @remote(Repeat.YES, timeout_s=30)
    async def place_loaded(self, session_id: str) -> tuple[str, LoadedSession | None]:
        """Place a session, and return what its host needs to load it, to be passed on.

        It saves the host a call if the session is new there, short, and has no open turn. Nothing
        is appended to its log between this and the host's own append, or that append is refused:
        only the host may append, and the log must be as long as the host believes.

        Raises:
            SessionNotFound: There is none with this id.
            CapacityExhausted: Every host is full.
        """
        if host := self._placement.find(session_id):
            return host, None
        length = await self._logs.length(session_id)
        host = await self._choose_host(session_id)
        if length >= DUE_EVENTS:
            return host, None
        loaded = await self._read(session_id)
        is_open = loaded.session.status in OPEN_STATUSES
        if is_open or loaded.size_bytes > MAX_HANDED_BYTES:
            return host, None
        self._placement.note_growth(host, loaded.size_bytes)
        return host, loaded

    @remote(Repeat.YES)
    async def note_size(self, host: str, size_bytes: int) -> None:
        """Take note of the size of what a host holds, between its reports."""
        self._placement.note_size(host, size_bytes)

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

    @remote(Repeat.YES, timeout_s=60)
    async def load(self, session_id: str, host: str, *, whole: bool = False) -> LoadedSession:
        """Return a session to the host that will hold it.

        Args:
            session_id: The session.
            host: The host.
            whole: Whether its whole log is wanted, because its snapshot cannot be used.

        Raises:
            PlacedElsewhere: Another host holds it, or this one has no room.
            SessionNotFound: There is none with this id.
        """
        if not self._placement.claim(session_id, host):
            raise PlacedElsewhere(f"Session {session_id} is placed on another host, not on {host}.")
        try:
            loaded = await self._read(session_id, whole=whole)
        except BaseException:
            # Whatever failed, the session must be free for its next host.
            self._placement.release(session_id, host)
            raise
        self._placement.note_growth(host, loaded.size_bytes)
        return replace(loaded, lost_with=self._lost_with.pop(session_id, 0))

    async def _read(self, session_id: str, *, whole: bool = False) -> LoadedSession:
        log = await self._logs.load(session_id, whole=whole)
        return LoadedSession(
            log.session,
            log.events,
            self._revision.number,
            is_budgeted=self._logs.is_budgeted(session_id),
            snapshot=log.snapshot,
        )

    @remote(Repeat.YES)
    async def release(self, session_id: str, host: str) -> None:
        """Record that a host has released a session."""
        self._placement.release(session_id, host)

    @remote(Repeat.YES)
    async def holder(self, session_id: str) -> str | None:
        """Return the host that holds the session, if one does."""
        return self._placement.find(session_id)

    def forget(self, session_id: str) -> None:
        """Forget where a deleted session was."""
        self._placement.release(session_id)
        self._lost_with.pop(session_id, None)

    # Hosts that are lost, and sessions that cannot be loaded

    async def behind(self, known: Mapping[str, int]) -> set[str]:
        """Return the sessions whose log has events that a host does not know.

        Args:
            known: The last event that the host knows, by session.
        """
        lengths = await self._logs.lengths(list(known))
        return {identity for identity, length in lengths.items() if length > known[identity]}

    async def note_lost(self, session_ids: set[str]) -> None:
        """Record which open turns lost their host together."""
        interrupted = session_ids.intersection(await self._unfinished())
        self._lost_with.update(dict.fromkeys(interrupted, len(interrupted)))

    async def abandoned(self) -> Sequence[str]:
        """Return the sessions whose turn can proceed and that no host holds."""
        unfinished = await self._unfinished()
        return [identity for identity in unfinished if self._placement.find(identity) is None]

    async def _unfinished(self) -> Sequence[str]:
        database = self._database
        return await database.control.read(database.store.sessions.unfinished, now_ms())

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
        await self._logs.settle()
        session = await self._logs.get(session_id)
        if session.status not in OPEN_STATUSES:
            return None
        began = EventQuery(types=(EventType.SESSION_STARTED,), newest_first=True, limit=1)
        (started,) = await self._logs.events(session_id, began)
        (last,) = await self._logs.events(session_id, EventQuery(newest_first=True, limit=1))
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
        events = [failed.at(session_id, sequence, now)]
        await self._logs.end(Append(session_id, sequence, events, summary))
        return started.turn_id
