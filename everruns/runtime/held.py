"""The sessions that a host holds in memory: loading, releasing and bounding them."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import structlog

from everruns.domain.snapshots import SnapshotUnusable
from everruns.errors import CapacityExhausted, EverrunsError, PlacedElsewhere, SessionUnreadable
from everruns.log import error_kind, no_ids
from everruns.registry.group_commit import GroupCommit
from everruns.registry.logs import LoadedSession
from everruns.registry.registry import Registry
from everruns.registry.reports import Digest
from everruns.runtime.environment import Environment
from everruns.runtime.loading import Loading
from everruns.runtime.session import LiveSession
from everruns.runtime.unreadable import UnreadableSessions
from everruns.settings import Settings
from everruns.storage.logs import Append, LogHead, Verdict
from everruns.telemetry.labels import SUCCESS, error_label
from everruns.telemetry.meters import Meters
from everruns.telemetry.metrics import (
    ACTIVATION_DURATION,
    ACTIVATIONS,
    APPEND_WAIT,
    LIVE_BYTES,
    SESSIONS_LIVE,
    TURNS_RUNNING,
)

log = structlog.get_logger(__name__)


class HeldSessions:
    """The sessions of one host.

    Args:
        name: The host's name in placement.
        registry: The registry, or its stub in another process.
        loading: Where it gets sessions from.
        environment: Learns what each load and append tells of the configuration.
        settings: The deployment's settings.
        on_loaded: Receives each session that has been loaded.
        meters: Take what is measured.

    Attributes:
        digest: The digest of all that are here or loading.
        is_closed: Set when the host stops; nothing is loaded afterwards.
    """

    def __init__(
        self,
        name: str,
        registry: Registry,
        loading: Loading,
        environment: Environment,
        settings: Settings,
        on_loaded: Callable[[LiveSession], None],
        meters: Meters,
    ) -> None:
        self._name = name
        self._registry = registry
        self._loading = loading
        self._environment = environment
        self._settings = settings
        self._on_loaded = on_loaded
        self._meters = meters
        self._log = GroupCommit[Append](self._append)
        self._sessions: dict[str, asyncio.Future[LiveSession]] = {}
        self.digest = Digest()
        self._unreadable = UnreadableSessions()
        self._tasks: set[asyncio.Task[None]] = set()
        # One at a time: a snapshot takes as much memory as what it keeps.
        self._writing_snapshot = asyncio.Lock()
        self.is_closed = False

    async def _append(self, appends: Sequence[Append]) -> Sequence[Verdict]:
        """Store events; the answer tells what has changed for turns."""
        started_s = time.perf_counter()
        appended = await self._registry.logs.append(appends)
        self._meters.observe(APPEND_WAIT, time.perf_counter() - started_s)
        self._environment.heed(appended.revision)
        self._environment.heed_budgets([one.session_id for one in appends], appended.budgeted)
        return appended.verdicts

    async def get(self, session_id: str, loaded: LoadedSession | None = None) -> LiveSession:
        """Return a live session, loading it if it is not in memory.

        Raises:
            PlacedElsewhere: Another host holds it, or this one has just released it or is stopping.
            SessionNotFound: The session does not exist.
            SessionUnreadable: Its log cannot be read.
        """
        session = await asyncio.shield(self.hold(session_id, loaded))
        if loaded is not None:
            # Two who asked for it at once can both have made the registry take it for this host.
            session.holder = max(session.holder, loaded.holder)
        if session.closed:
            await self.let_go(session)
            raise PlacedElsewhere(f"Session {session_id} has left this host.")
        return session

    def hold(
        self, session_id: str, loaded: LoadedSession | None = None
    ) -> "asyncio.Future[LiveSession]":
        """Return a session that is in memory, or the future of one that is loading.

        Raises:
            PlacedElsewhere: This host is stopping.
        """
        if self.is_closed:
            raise PlacedElsewhere(f"Session {session_id} is on a host that is stopping.")
        held = self._sessions.get(session_id)
        if held is None:
            loading = asyncio.create_task(self._load(session_id, loaded), context=no_ids())
            held = self._sessions[session_id] = loading
            self.digest = self.digest.plus(session_id)
            held.add_done_callback(lambda loaded: self._forget_failed(session_id, loaded))
        elif is_loaded(held):
            session = held.result()
            session.touched = asyncio.get_running_loop().time()
            if session.closed:
                self.release(session)
        return held

    async def _load(self, session_id: str, loaded: LoadedSession | None) -> LiveSession:
        try:
            session = await self._activate(session_id, loaded)
        except EverrunsError as error:
            self._meters.add(ACTIVATIONS, error_label(error.code))
            raise
        self._meters.add(ACTIVATIONS, SUCCESS)
        self.trim()
        turn = session.state.turn
        if turn is not None and turn.waiting_for and not session.resource.waiting_for:
            # An older version did not store for what a turn waits, by which lists find it.
            await session.note_suspicion(session.suspicion)
        self._on_loaded(session)
        return session

    async def _activate(self, session_id: str, loaded: LoadedSession | None) -> LiveSession:
        await self._check_room(session_id)
        try:
            return await self._made_live(session_id, loaded)
        except SessionUnreadable:
            await self._registry.hosting.release(session_id, self._name)
            raise

    async def _made_live(self, session_id: str, loaded: LoadedSession | None) -> LiveSession:
        self._unreadable.check(session_id)
        load = self._loading.load
        started_s = time.perf_counter()
        is_handed = loaded is not None
        loaded = loaded or await load(session_id, self._name)
        session = self._folded(loaded)
        if session is None:
            whole = await load(session_id, self._name, whole=True)
            session = self._folded(replace(whole, lost_with=loaded.lost_with))
        if session is None:
            raise SessionUnreadable.of(session_id)
        if not is_handed:
            self._meters.observe(ACTIVATION_DURATION, time.perf_counter() - started_s)
        self._environment.heed(loaded.revision)
        self._environment.heed_budgets((), [session_id] if loaded.is_budgeted else ())
        return session

    def _folded(self, loaded: LoadedSession) -> LiveSession | None:
        """Return a live session; ``None`` if its snapshot cannot be used."""
        session_id = loaded.session.id
        try:
            return LiveSession(
                loaded.session,
                loaded.events,
                self._log,
                loaded.holder,
                loaded.lost_with,
                loaded.snapshot,
            )
        except SnapshotUnusable as error:
            log.warning("snapshot not used", session_id=session_id, error=error_kind(error))
            return None
        except Exception as error:  # Folding a damaged log can raise anything.
            raise self._unreadable.note(session_id, error) from error

    def _forget_failed(self, session_id: str, loaded: asyncio.Future[LiveSession]) -> None:
        """Let the next caller retry a failed load, whether or not anyone still waits for it."""
        if loaded.cancelled() or loaded.exception():
            self._forget(session_id)

    def _forget(self, session_id: str) -> None:
        del self._sessions[session_id]
        self.digest = self.digest.minus(session_id)

    def write_snapshot(self, session: LiveSession) -> None:
        """Store a snapshot of a session if one is due; without it, loading only takes longer."""
        self._start(self._write_snapshot(session))

    async def _write_snapshot(self, session: LiveSession) -> None:
        try:
            async with self._writing_snapshot:
                await session.write_snapshot(self._registry.logs.put_snapshot)
        except EverrunsError as error:
            log.warning("snapshot not stored", session_id=session.id, error=error_kind(error))

    def release(self, session: LiveSession) -> None:
        """Let go of a closed session, without waiting for it."""
        self._start(self.let_go(session))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in a task that nobody waits for."""
        task = asyncio.create_task(work, context=no_ids())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def let_go(self, session: LiveSession) -> None:
        """Forget a closed session, so that it can be placed and loaded again."""
        held = self._sessions.get(session.id)
        if held is not None and is_loaded(held) and held.result() is session:
            self._forget(session.id)
            self._environment.heed_budgets([session.id], ())
            await self._registry.hosting.release(session.id, self._name)

    @property
    def loaded(self) -> dict[str, LiveSession]:
        """The sessions that are in memory, without those still loading."""
        return {
            session_id: held.result()
            for session_id, held in self._sessions.items()
            if is_loaded(held)
        }

    @property
    def quiet(self) -> list[LiveSession]:
        """The sessions that have neither turn nor reader."""
        return [session for session in self.loaded.values() if session.is_quiet]

    @property
    def turns(self) -> tuple[int, int]:
        """How many open turns can proceed, and how many wait for somebody or for a time."""
        open_turns = [session for session in self.loaded.values() if session.state.turn is not None]
        running = sum(session.is_busy for session in open_turns)
        return running, len(open_turns) - running

    def refresh_gauges(self) -> None:
        """Set the gauges of what this host holds."""
        running, _ = self.turns
        self._meters.set(TURNS_RUNNING, running)
        self._meters.set(SESSIONS_LIVE, self.digest.count)
        self._meters.set(LIVE_BYTES, self.size_bytes)

    async def close_all(self, sessions: Sequence[LiveSession]) -> None:
        """Close sessions and let go of them."""
        for session in sessions:
            session.close()
        await asyncio.gather(*map(self.let_go, sessions))

    @property
    def heads(self) -> dict[str, LogHead]:
        """Where the log of each session stands; all 0 for one that is loading."""
        return {
            session_id: held.result().head if is_loaded(held) else LogHead(0, 0)
            for session_id, held in self._sessions.items()
        }

    @property
    def size_bytes(self) -> int:
        """The size of all together; see ``LiveSession.size_bytes``."""
        return sum(held.size_bytes for held in self.loaded.values() if not held.closed)

    @property
    def _has_room(self) -> bool:
        return self.size_bytes < self._settings.session_actor_bytes

    def trim(self) -> None:
        """Release the quietest sessions while all together are larger than allowed."""
        if self._has_room:
            return
        # One that still needs a snapshot would take long to load again.
        for session in sorted(self.quiet, key=lambda quiet: (quiet.needs_snapshot, quiet.touched)):
            session.close()
            self.release(session)
            if self._has_room:
                return

    async def _check_room(self, session_id: str) -> None:
        """Check that a session may be loaded; any session may be where there is no other.

        Raises:
            CapacityExhausted: The sessions with turns or readers fill the host.
        """
        self.trim()
        if not self._has_room:
            await self._registry.hosting.release(session_id, self._name)
            # Placement knew another size, or it would not have chosen this host.
            await self._registry.hosting.note_size(self._name, self.size_bytes)
            raise CapacityExhausted(
                f"Host {self._name} holds as many bytes as session_actor_bytes allows. "
                "Try again shortly.",
                None,
                1.0,
            )


def is_loaded(loading: asyncio.Future[LiveSession]) -> bool:
    """Tell whether a session was loaded, and not still is or could not be."""
    return loading.done() and not loading.cancelled() and loading.exception() is None
