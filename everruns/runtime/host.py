"""A session host: holds the sessions placed on it and runs their turns.

On a cluster each session actor is one host; in one process there is one.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

import structlog

from everruns.capabilities.base import Capabilities
from everruns.domain.approvals import Decider
from everruns.domain.controls import Controls
from everruns.domain.events import EventType, NewEvent
from everruns.domain.idempotency import Idempotency
from everruns.domain.messages import Message, SendMessage
from everruns.domain.retries import RetriedTurn
from everruns.domain.snapshots import SnapshotUnusable
from everruns.domain.state import SessionState
from everruns.domain.waits import NEVER_MS
from everruns.errors import (
    CapacityExhausted,
    EverrunsError,
    IdempotencyKeyReused,
    Overloaded,
    PlacedElsewhere,
    SessionUnreadable,
)
from everruns.ids import now_ms
from everruns.providers.local import LocalModel
from everruns.registry.group_commit import GroupCommit
from everruns.registry.hosting import HostReport, LoadedSession
from everruns.registry.registry import Registry
from everruns.remote import Repeat, remote
from everruns.runtime.cursor import Reading, Want
from everruns.runtime.environment import Environment
from everruns.runtime.outcomes import received
from everruns.runtime.reads import Reads, is_loaded
from everruns.runtime.retrying import controls_of, retried
from everruns.runtime.session import LiveSession
from everruns.runtime.taking import Given, Taken, taken
from everruns.runtime.turn import Turn, end_turn
from everruns.runtime.unreadable import UnreadableSessions
from everruns.runtime.waiting import discarded
from everruns.settings import Settings
from everruns.storage.store import Append

CANCEL_PATIENCE_S = 0.5
# A full host releases every session that has neither turn nor reader.
RELIEF_QUIET_S = 0.0
SNAPSHOTS_AT_ONCE = 2


log = structlog.get_logger(__name__)


class SessionHost:
    """Holds live sessions.

    Args:
        name: The host's name in placement.
        registry: The registry, or its proxy on another node.
        capabilities: All known capabilities.
        settings: The deployment's settings.
        local_model: Starts the local model if necessary and returns its base URL; ``None`` if there
            is no local model.

    Attributes:
        name: The host's name in placement.
        environment: The environment that the turns of its sessions share.
    """

    def __init__(
        self,
        name: str,
        registry: Registry,
        capabilities: Capabilities,
        settings: Settings,
        local_model: LocalModel | None = None,
    ) -> None:
        self.name = name
        self.environment = Environment(registry, capabilities, settings, local_model)
        self._registry = registry
        self._settings = settings
        self._log = GroupCommit[Append](lambda batch: self.environment.append(batch, name))
        self._reads = Reads(self._hold, registry.logs.events, settings.delta_pace_ms / 1000)
        self._sessions: dict[str, asyncio.Future[LiveSession]] = {}
        self._unreadable = UnreadableSessions()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing_snapshots = asyncio.Semaphore(SNAPSHOTS_AT_ONCE)
        self._closed = False

    # Requests from the edge

    @remote(Repeat.KEYED)
    async def send(
        self,
        session_id: str,
        sent: SendMessage,
        idempotency: Idempotency,
        loaded: LoadedSession | None = None,
    ) -> Message:
        """Store a user message and make sure that a turn reads it: a new one or the running one.

        Args:
            session_id: The session.
            sent: The message.
            idempotency: Gives a retry the message of the first attempt.
            loaded: The session as it was placed here, so that it need not be loaded. Should it
                have gone on elsewhere meanwhile, the append is refused.

        Returns:
            The stored message; for a retry, the message that the first attempt stored.

        Raises:
            IdempotencyKeyReused: The key was used with a different body.
            InvalidRequest: The model does not take one of the controls.
            Overloaded: The running turn has too many unread messages.
            UnknownModel: No active provider offers the model that the controls name.
            PlacedElsewhere: The session is not on this host.
            SessionNotFound: The session does not exist.
            SessionTooLarge: The session has reached its size limit.
        """
        session = await self._session(session_id, loaded)
        if sent.controls is not None and idempotency.key not in session.state.idempotency:
            await self.environment.check_wanted(session, sent.controls)

        def build(state: SessionState, now: int) -> list[NewEvent]:
            if earlier := state.idempotency.get(idempotency.key):
                request, _ = earlier
                if request != idempotency.request:
                    raise IdempotencyKeyReused(
                        "This Idempotency-Key was used with a different request body. "
                        "Use a new key."
                    )
                return []
            if len(state.unread) >= self._settings.max_queued_messages:
                raise Overloaded(
                    "The session has too many unread messages. Try again shortly.",
                    None,
                    1.0,
                )
            self.environment.check_size(state)
            # The message supersedes the answers that the turn is waiting for.
            instead = discarded(state.turn, now) if state.turn else []
            return [*received(state, sent, idempotency, now), *instead]

        await session.append(build)
        self._run(session)
        _, sequence = session.state.idempotency[idempotency.key]
        return await session.message(sequence, self._registry.logs.events)

    @remote(Repeat.KEYED)
    async def retry(
        self, session_id: str, wanted: Controls | None, idempotency: Idempotency
    ) -> RetriedTurn:
        """Start the last turn again with the same input; what it said leaves the conversation.

        Returns:
            The new turn; for a retry of the call, the turn that the first attempt started.

        Raises:
            Conflict: A turn is open, or there is none to retry.
            IdempotencyKeyReused: The key was used with a different body.
            InvalidRequest: The model does not take one of the controls.
            UnknownModel: No active provider offers the model that the controls name.
            PlacedElsewhere: The session is not on this host.
            SessionNotFound: The session does not exist.
            SessionTooLarge: The session has reached its size limit.
        """
        session = await self._session(session_id)
        if wanted is not None and idempotency.key not in session.state.retries:
            controls = controls_of(session.state, wanted)
            await self.environment.check_wanted(session, controls or wanted)

        def build(state: SessionState, _now: int) -> list[NewEvent]:
            new = retried(state, wanted, idempotency)
            if new:
                self.environment.check_size(state)
            return new

        await session.append(build)
        self._run(session)
        return session.state.retries[idempotency.key][1]

    @remote(Repeat.YES)
    async def take(
        self, session_id: str, given: Given, by: Decider, *, is_repeated: bool = False
    ) -> Taken:
        """Store input that the turn waits for; when all of it is there, the turn continues.

        Args:
            session_id: The session.
            given: The input. Parts that are already stored are skipped.
            by: Who gives it.
            is_repeated: Whether a lost host may already have stored it.

        Raises:
            NotWaiting: The session is not waiting for this yet.
            CallClosed: A call got its result in another way, and takes no more input.
            Conflict: Different input is stored in its place.
            MayNotDecide: Somebody else decides about the call.
            InvalidRequest: It does not match what was requested.
            PlacedElsewhere: The session is not on this host.
            SessionNotFound: The session does not exist.
        """
        session = await self._session(session_id)
        # The input may repeat what was given long ago.
        await session.complete(self._registry.logs.events)
        outcome: Taken | None = None

        def build(state: SessionState, now: int) -> list[NewEvent]:
            nonlocal outcome
            events, outcome = taken(state, given, by, now, is_repeated=is_repeated)
            return events

        await session.append(build)
        self._run(session)
        assert outcome is not None  # noqa: S101
        return outcome

    @remote(Repeat.YES)
    async def cancel(
        self,
        session_id: str,
        turn_id: str,
        reason: str | None = None,
        *,
        is_repeated: bool = False,
    ) -> bool:
        """End a turn of the session now; return whether this call ended it.

        Args:
            session_id: The session.
            turn_id: The turn. If it has already ended, nothing changes.
            reason: Why, for the log.
            is_repeated: Whether a lost host may already have ended it.

        Raises:
            PlacedElsewhere: The session is not on this host.
            SessionNotFound: The session does not exist.
        """
        session = await self._session(session_id)
        turn = session.state.turn
        if turn is None or turn.id != turn_id:
            return is_repeated and session.state.cancelled_turn == turn_id
        session.stopped_turn = turn.id
        await _stop(session)
        data = {"reason": reason or "cancelled"}
        ended = await end_turn(session, turn.id, EventType.SESSION_CANCELLED, data)
        self._run(session)
        return ended

    @remote(Repeat.YES)
    async def refresh(self, session_id: str) -> None:
        """Let the next step of a session's turn see what a client has changed of the session.

        Raises:
            PlacedElsewhere: The session is not on this host.
            SessionNotFound: The session does not exist.
        """
        session = await self._session(session_id)
        # One after another, so that what was read first does not replace what was read later.
        async with session.refreshing:
            session.resource = await self._registry.sessions.get(session_id)

    @remote(Repeat.YES)
    async def activate(self, session_id: str) -> None:
        """Load a session and resume its turn if one is open."""
        await self._session(session_id)

    @remote(Repeat.YES)
    async def delete(self, session_id: str) -> None:
        """Delete a session: end its turn and streams, and free its resources.

        Raises:
            PlacedElsewhere: The session is not on this host.
            SessionNotFound: The session does not exist.
        """
        session = await self._session(session_id)
        session.stopped_turn = session.state.turn.id if session.state.turn else None
        await _stop(session)
        try:
            # Held until it is deleted from the store, so that nobody loads it in between.
            await self._registry.sessions.delete(session_id)
        finally:
            session.close()
            await self._let_go(session)

    @remote(Repeat.YES)
    async def read(self, reader: str, wants: Sequence[Want], wait_s: float) -> list[Reading]:
        """Return news for each want, or wait for some; see ``Reads.read``."""
        return await self._reads.read(reader, wants, wait_s)

    @remote(Repeat.YES)
    async def nudge(self, reader: str) -> None:
        """Make a reader's pending call return, so that it can ask for more sessions."""
        self._reads.nudge(reader)

    # Holding sessions

    async def _session(self, session_id: str, loaded: LoadedSession | None = None) -> LiveSession:
        """Return a live session, loading it if it is not in memory.

        Raises:
            PlacedElsewhere: Another host holds it, or this one has just released it or is stopping.
            SessionNotFound: The session does not exist.
            SessionUnreadable: Its log cannot be read.
        """
        session = await asyncio.shield(self._hold(session_id, loaded))
        if session.closed:
            await self._let_go(session)
            raise PlacedElsewhere(f"Session {session_id} has left this host.")
        return session

    def _hold(
        self, session_id: str, loaded: LoadedSession | None = None
    ) -> "asyncio.Future[LiveSession]":
        """Return a session that is in memory, or the future of one that is loading.

        Raises:
            PlacedElsewhere: This host is stopping.
        """
        if self._closed:
            raise PlacedElsewhere(f"Session {session_id} is on a host that is stopping.")
        held = self._sessions.get(session_id)
        if held is None:
            loading = asyncio.ensure_future(self._load(session_id, loaded))
            held = self._sessions[session_id] = loading
            held.add_done_callback(lambda loaded: self._forget_failed(session_id, loaded))
        elif is_loaded(held):
            session = held.result()
            session.touched = asyncio.get_running_loop().time()
            if session.closed:
                self._release(session)
        return held

    async def _load(self, session_id: str, loaded: LoadedSession | None) -> LiveSession:
        await self._check_room(session_id)
        try:
            session = await self._made_live(session_id, loaded)
        except SessionUnreadable:
            await self._registry.hosting.release(session_id, self.name)
            raise
        self._trim()
        turn = session.state.turn
        if turn is not None and turn.waiting_for and not session.resource.waiting_for:
            # An older version did not store for what a turn waits, by which lists find it.
            await session.note_suspicion(session.suspicion)
        self._run(session)
        return session

    async def _made_live(self, session_id: str, loaded: LoadedSession | None) -> LiveSession:
        self._unreadable.check(session_id)
        load = self._registry.hosting.load
        loaded = loaded or await load(session_id, self.name)
        try:
            try:
                session = self._live(loaded)
            except SnapshotUnusable as error:
                log.warning("snapshot not used", session_id=session_id, reason=str(error))
                whole = await load(session_id, self.name, whole=True)
                session = self._live(replace(whole, lost_with=loaded.lost_with))
        except EverrunsError:
            raise
        except Exception as error:  # Folding a damaged log can raise anything.
            raise self._unreadable.note(session_id, error) from error
        self.environment.heed(loaded.revision)
        self.environment.heed_budgets((), [session_id] if loaded.is_budgeted else ())
        return session

    def _live(self, loaded: LoadedSession) -> LiveSession:
        return LiveSession(
            loaded.session, loaded.events, self._log, loaded.lost_with, loaded.snapshot
        )

    def _forget_failed(self, session_id: str, loaded: asyncio.Future[LiveSession]) -> None:
        """Let the next caller retry a failed load, whether or not anyone still waits for it."""
        if loaded.cancelled() or loaded.exception():
            del self._sessions[session_id]

    def _run(self, session: LiveSession) -> None:
        """Make sure that exactly one task runs the session's open turn, once it can proceed."""
        running = session.task is not None and not session.task.done()
        turn = session.state.turn
        if self._closed or session.closed or running:
            return
        if turn is None or turn.id == session.stopped_turn:
            return
        if session.alarm is not None:
            session.alarm.cancel()
        if turn.waits_until_ms == NEVER_MS:
            return
        waits_ms = (turn.waits_until_ms or 0) - now_ms()
        if waits_ms > 0:
            loop = asyncio.get_running_loop()
            session.alarm = loop.call_later(waits_ms / 1000, self._run, session)
            return
        session.task = asyncio.create_task(Turn(session, self.environment).run(), name=session.id)
        session.task.add_done_callback(lambda task: self._turn_left(session, task))

    def _turn_left(self, session: LiveSession, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.warning("turn interrupted", session_id=session.id, error=str(error))
            session.close()
        self._start(self._write_snapshot(session))
        if session.closed:
            self._release(session)
        elif not task.cancelled():
            # A message may have started the next turn while this one's task was ending.
            self._run(session)
            self._trim()

    async def _write_snapshot(self, session: LiveSession) -> None:
        """Store a snapshot of a session if one is due; without it, loading only takes longer."""
        snapshot = await session.due_snapshot()
        if snapshot is None:
            return
        try:
            async with self._writing_snapshots:
                await self._registry.logs.put_snapshot(snapshot)
        except EverrunsError as error:
            log.warning("snapshot not stored", session_id=session.id, code=error.code)

    def _release(self, session: LiveSession) -> None:
        self._start(self._let_go(session))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in a task that nobody waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _let_go(self, session: LiveSession) -> None:
        """Forget a closed session, so that it can be placed and loaded again."""
        held = self._sessions.get(session.id)
        if held is not None and is_loaded(held) and held.result() is session:
            del self._sessions[session.id]
            self.environment.heed_budgets([session.id], ())
            await self._registry.hosting.release(session.id, self.name)

    @property
    def _loaded(self) -> dict[str, LiveSession]:
        """The sessions that are in memory, without those still loading."""
        return {
            session_id: held.result()
            for session_id, held in self._sessions.items()
            if is_loaded(held)
        }

    @remote(Repeat.YES)
    async def report(self, wait_s: float) -> HostReport:
        """Report, after a delay, what this host holds; see ``HostWatch``."""
        await asyncio.sleep(wait_s)
        known = {
            session_id: held.result().state.sequence if is_loaded(held) else 0
            for session_id, held in self._sessions.items()
        }
        return HostReport(known, self._size_bytes)

    @property
    def _size_bytes(self) -> int:
        return sum(held.size_bytes for held in self._loaded.values() if not held.closed)

    @property
    def _has_room(self) -> bool:
        return self._size_bytes < self._settings.session_actor_bytes

    def _trim(self) -> None:
        """Release the quietest sessions while all together are larger than allowed."""
        if self._has_room:
            return
        quiet = [session for session in self._loaded.values() if session.is_quiet]
        for session in sorted(quiet, key=lambda session: session.touched):
            session.close()
            self._release(session)
            if self._has_room:
                return

    async def _check_room(self, session_id: str) -> None:
        """Check that a session may be loaded; any session may be where there is no other.

        Raises:
            CapacityExhausted: The sessions with turns or readers fill the host.
        """
        self._trim()
        if not self._has_room:
            await self._registry.hosting.release(session_id, self.name)
            raise CapacityExhausted(
                f"Host {self.name} holds as many bytes as session_actor_bytes allows. "
                "Try again shortly.",
                None,
                1.0,
            )

    @remote(Repeat.YES, timeout_s=30)
    async def leave(self, session_ids: Sequence[str]) -> None:
        """Release sessions that are placed elsewhere, whatever they are doing."""
        loaded = self._loaded
        leaving = [loaded[held] for held in session_ids if held in loaded]
        for session in leaving:
            session.close()
        await asyncio.gather(*map(self._let_go, leaving))

    async def tidy(self) -> None:
        """Release idle sessions while the host runs."""
        interval = min(5.0, self._settings.hibernate_after_s / 2)
        while True:
            await asyncio.sleep(interval)
            try:
                await self.hibernate(self._settings.hibernate_after_s)
            except EverrunsError as error:
                log.warning("sessions not released", host=self.name, code=error.code)

    @remote(Repeat.YES, timeout_s=30)
    async def hibernate(self, quiet_s: float) -> int:
        """Release sessions that had no turn or reader for so many seconds; return how many."""
        quiet_since = asyncio.get_running_loop().time() - quiet_s
        quiet = [
            session
            for session in self._loaded.values()
            if session.is_quiet and session.touched <= quiet_since
        ]
        for session in quiet:
            session.close()
        await asyncio.gather(*map(self._let_go, quiet))
        return len(quiet)

    @remote(Repeat.YES)
    async def close(self) -> None:
        """Stop every turn where it stands, permanently, and close connections.

        The turns stay open and resume on the next host.
        """
        self._closed = True
        sessions = list(self._loaded.values())
        await asyncio.gather(*map(_stop, sessions))
        for session in sessions:
            session.close()
        await self.environment.close()


async def _stop(session: LiveSession) -> None:
    """Stop the task that runs a session's turn, waiting briefly for it to finish."""
    if session.task is not None and not session.task.done():
        session.task.cancel()
        await asyncio.wait([session.task], timeout=CANCEL_PATIENCE_S)
