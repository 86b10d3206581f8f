"""Which host holds which session: placing and loading sessions, and what becomes of lost ones."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import structlog

from everruns.address import Address
from everruns.domain.base import KIB
from everruns.domain.events import EventType, NewEvent
from everruns.domain.sessions import OPEN_STATUSES, SessionSummary
from everruns.domain.snapshots import DUE_EVENTS
from everruns.errors import (
    CapacityExhausted,
    Conflict,
    EverrunsError,
    PlacedElsewhere,
    RegistryReplaced,
    SessionUnreadable,
)
from everruns.ids import format_time, now_ms
from everruns.log import error_kind
from everruns.registry.database import Database
from everruns.registry.life import Life
from everruns.registry.logs import LoadedSession, Logs
from everruns.registry.placement import Placement
from everruns.remote import Repeat, remote
from everruns.storage.logs import Append, LogHead
from everruns.telemetry.meters import Meters
from everruns.telemetry.metrics import PLACEMENTS_REFUSED, TURNS, TURNS_RESUMED

MAX_HANDED_BYTES = 256 * KIB

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Claim:
    """What a host needs to take a session that is placed on it.

    Attributes:
        life: The life of the registry that placed it.
        revision: The revision now.
        lost_with: See ``LoadedSession``.
    """

    life: int
    revision: int
    lost_with: int


class Location(NamedTuple):
    """Where a session is.

    Attributes:
        host: The name of the host that holds it.
        address: Where the host takes calls, if that is known.
    """

    host: str
    address: Address | None = None


async def _no_relief(_host: str) -> int:
    return 0


class Hosting:
    """Places sessions on hosts and hands them over.

    Attributes:
        relieve: Asks a host, by name, to release its idle sessions; returns how many it released.
            Set by the code that can reach hosts.
        all_known: Set unless hosts of an earlier life of the registry have not said yet which
            sessions they hold. A session that is not placed waits for it, unless it is new.
        hands_over_new_only: Whether hosts have the store open themselves. Reading a log is most of
            the work of placing a session, so then it is theirs. Set by the code that starts hosts.

    Args:
        database: Knows which turns are open.
        logs: The logs of sessions.
        placement: Which host holds which session.
        life: The registry's, in which sessions are taken.
        meters: Count what is refused and what is resumed.
    """

    def __init__(
        self, database: Database, logs: Logs, placement: Placement, life: Life, meters: Meters
    ) -> None:
        self._database = database
        self._logs = logs
        self._placement = placement
        self._life = life
        self._meters = meters
        self._making_room = asyncio.Lock()
        self._lost_with: dict[str, int] = {}
        self.all_known = asyncio.Event()
        self.all_known.set()
        self.hands_over_new_only = False
        self.relieve: Callable[[str], Awaitable[int]] = _no_relief

    @remote(Repeat.YES, timeout_s=30)
    async def place(self, session_id: str) -> Location:
        """Return which host holds the session, choosing one if none does.

        Raises:
            SessionNotFound: There is none with this id.
            CapacityExhausted: Every host is full.
        """
        if host := await self._find(session_id):
            return self._location(host)
        await self._logs.length(session_id)
        return self._location(await self._choose_host(session_id))

    async def place_known(self, session_id: str) -> str:
        """Return the host of a session that was just found in the store, choosing one if none does.

        Raises:
            CapacityExhausted: Every host is full.
        """
        return await self._find(session_id) or await self._choose_host(session_id)

    async def _find(self, session_id: str) -> str | None:
        """Return the host that holds a session, when it is known whether one does."""
        host = self._placement.find(session_id)
        if host is not None or self.all_known.is_set() or self._logs.is_new(session_id):
            return host
        await self.all_known.wait()
        return self._placement.find(session_id)

    def is_up(self, host: str) -> bool:
        """Tell whether a host is up, as far as known."""
        return host in self._placement.hosts

    def _location(self, host: str) -> Location:
        return Location(host, self._placement.addresses.get(host))

    async def _choose_host(self, session_id: str) -> str:
        if not self._placement.has_room:
            await self._make_room()
        try:
            return self._placement.place(session_id)
        except CapacityExhausted:
            self._meters.add(PLACEMENTS_REFUSED)
            raise

    @remote(Repeat.YES, timeout_s=30)
    async def place_loaded(self, session_id: str) -> tuple[Location, LoadedSession | None]:
        """Place a session, and return what its host needs to load it, to be passed on.

        It saves the host a call if the session is new there, short, and has no open turn. Nothing
        is appended to its log between this and the host's own append, or that append is refused:
        whoever appends has taken it since, or the log is longer than the host believes.

        Raises:
            SessionNotFound: There is none with this id, and its host would not find out by itself.
            CapacityExhausted: Every host is full.
        """
        if host := await self._find(session_id):
            return self._location(host), None
        length = await self._length(session_id)
        host = await self._choose_host(session_id)
        if length is None or length >= (1 if self.hands_over_new_only else DUE_EVENTS):
            return self._location(host), None
        loaded = await self._take(session_id)
        is_open = loaded.session.status in OPEN_STATUSES
        if is_open or loaded.size_bytes > MAX_HANDED_BYTES:
            return self._location(host), None
        self._placement.note_growth(host, loaded.size_bytes)
        return self._location(host), loaded

    async def _length(self, session_id: str) -> int | None:
        """Return how many events the log of a session has, unless that is left to its host.

        A host that takes the session from the store finds out whether there is one, and frees its
        place if there is none. If every host is full, the log is asked first, so that no host makes
        room for a session that does not exist.
        """
        is_left = self.hands_over_new_only and self._placement.has_room
        if is_left and not self._logs.is_new(session_id):
            return None
        return await self._logs.length(session_id)

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
                    log.warning("host not relieved", host=host, error=error_kind(error))

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
        await self._find(session_id)
        claim = self._claim(session_id, host)
        try:
            loaded = await self._take(session_id, whole=whole)
        except BaseException:
            # Whatever failed, the session must be free for its next host.
            self._placement.release(session_id, host)
            raise
        self._placement.note_growth(host, loaded.size_bytes)
        return replace(loaded, lost_with=claim.lost_with)

    @remote(Repeat.YES)
    async def claim(self, session_id: str, host: str) -> Claim:
        """Place a session on the host that asks; it takes the session from the store by itself.

        Raises:
            PlacedElsewhere: Another host holds it, or this one has no room.
        """
        await self._find(session_id)
        claim = self._claim(session_id, host)
        # Whoever was given its row from memory from now on could no longer append.
        self._logs.forget(session_id)
        return claim

    def _claim(self, session_id: str, host: str) -> Claim:
        if not self._placement.claim(session_id, host):
            raise PlacedElsewhere(f"Session {session_id} is placed on another host, not on {host}.")
        lost_with = self._lost_with.pop(session_id, 0)
        return Claim(self._life.number, self._logs.revision, lost_with)

    async def _take(self, session_id: str, *, whole: bool = False) -> LoadedSession:
        try:
            return await self._logs.take(session_id, self._life.number, whole=whole)
        except RegistryReplaced:
            self._life.end()
            raise

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

    async def behind(self, known: Mapping[str, LogHead]) -> set[str]:
        """Return the sessions that were taken from a host, or whose logs have more than it knows.

        Args:
            known: Where the host believes the log of each session to stand.
        """
        heads = await self._logs.heads(list(known))
        return {
            identity
            for identity, head in heads.items()
            if head.length > known[identity].length or head.holder > known[identity].holder
        }

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

    def note_resumed(self) -> None:
        """Record that an open turn which no host held was taken up again."""
        self._meters.add(TURNS_RESUMED)

    async def quarantine(self, session_id: str) -> str | None:
        """End the open turn of a session that cannot be loaded, without folding its log.

        Afterwards the session's events can be listed and it can be deleted, but nothing else.

        Returns:
            The turn that was ended; ``None`` if none was open.

        Raises:
            SessionNotFound: There is none with this id.
            Conflict: A host holds the session or has taken it in the meantime.
        """
        if self._placement.find(session_id) is not None:
            raise Conflict(f"Session {session_id} has been loaded in the meantime.")
        session = await self._logs.get(session_id)
        if session.status not in OPEN_STATUSES:
            return None
        taken = await self._take(session_id, whole=True)
        begun = [event for event in taken.events if event.type == EventType.SESSION_STARTED]
        started, last = begun[-1], taken.events[-1]
        session = taken.session
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
            last_outcome="failed",
            updated_at=format_time(now),
        )
        events = [failed.at(session_id, sequence, now)]
        await self._logs.end(Append(session_id, sequence, events, summary, taken.holder))
        # No host has stored this, so nobody else measures it.
        self._meters.add(TURNS, "failed", unreadable.code)
        return started.turn_id
