"""The tasks that run turns: exactly one for each open turn that can proceed."""

import asyncio
from collections.abc import Callable

import structlog

from everruns.domain.events import EventType
from everruns.domain.turns import OpenTurn
from everruns.domain.waits import NEVER_MS
from everruns.ids import now_ms
from everruns.log import error_kind, no_ids, working_on
from everruns.runtime.environment import Environment
from everruns.runtime.held import HeldSessions
from everruns.runtime.session import LiveSession
from everruns.runtime.turn import Turn, end_turn
from everruns.telemetry.turn_ids import turn_ids

CANCEL_PATIENCE_S = 0.5

log = structlog.get_logger(__name__)


class TurnTasks:
    """Runs the turns of a host's sessions.

    Args:
        environment: The environment that the turns share.
        held: Returns the host's sessions.
    """

    def __init__(self, environment: Environment, held: Callable[[], HeldSessions]) -> None:
        self._environment = environment
        self._held = held

    def run(self, session: LiveSession) -> None:
        """Make sure that exactly one task runs the session's open turn, once it can proceed."""
        running = session.task is not None and not session.task.done()
        turn = session.state.turn
        if self._held().is_closed or session.closed or running:
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
            session.alarm = loop.call_later(waits_ms / 1000, self.run, session)
            return
        session.task = asyncio.create_task(self._run_turn(session, turn), name=session.id)
        session.task.add_done_callback(lambda task: self._left(session, task), context=no_ids())

    async def cancel(
        self, session: LiveSession, turn_id: str, reason: str | None, *, is_repeated: bool
    ) -> bool:
        """End a turn of the session now; return whether this call ended it.

        Args:
            session: The session.
            turn_id: The turn. If it has already ended, nothing changes.
            reason: Why, for the log.
            is_repeated: Whether a lost host may already have ended it.
        """
        turn = session.state.turn
        if turn is None or turn.id != turn_id:
            return is_repeated and session.state.cancelled_turn == turn_id
        await halt(session)
        data = {"reason": reason or "cancelled"}
        ended = await end_turn(session, turn_id, EventType.SESSION_CANCELLED, data)
        self.run(session)
        return ended

    async def _run_turn(self, session: LiveSession, turn: OpenTurn) -> None:
        # Not with the ids of the request that started it: it outlives that, and serves others.
        with working_on(turn_ids(session.resource, turn.id)):
            await Turn(session, self._environment).run()

    def _left(self, session: LiveSession, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.warning("turn interrupted", session_id=session.id, error=error_kind(error))
            session.close()
        held = self._held()
        held.write_snapshot(session)
        if session.closed:
            held.release(session)
        elif not task.cancelled():
            # A message may have started the next turn while this one's task was ending.
            self.run(session)
            held.trim()


async def halt(session: LiveSession) -> None:
    """Stop the session's open turn, which is not to continue here or elsewhere."""
    session.stopped_turn = session.state.turn.id if session.state.turn else None
    await stop(session)


async def stop(session: LiveSession) -> None:
    """Stop the task that runs a session's turn, waiting briefly for it to finish."""
    if session.task is not None and not session.task.done():
        session.task.cancel()
        await asyncio.wait([session.task], timeout=CANCEL_PATIENCE_S)
