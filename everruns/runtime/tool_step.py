"""The tools' step of a turn: the calls of the model's last answer, run here or answered outside.

Source: docs/contract.md, "Turns", "Client-side tools" and "Approvals".
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any

from everruns.domain.events import NewEvent
from everruns.domain.state import OpenTurn, SessionState
from everruns.domain.tools import ToolCall, ToolResult
from everruns.runtime.context import TurnContext
from everruns.runtime.environment import Environment
from everruns.runtime.outcomes import called, returned
from everruns.runtime.session import LiveSession
from everruns.runtime.waiting import REJECTED, asked, expired, held
from everruns.tools.toolbox import Toolbox

UNKNOWN_OUTCOME = (
    "The outcome of this call is unknown: the process that ran it was lost. It may have taken "
    "effect. Check before calling it again."
)


class TurnOver(Exception):
    """The turn was ended from outside; its loop has nothing left to do."""


def still_open(state: SessionState, turn_id: str) -> OpenTurn:
    """Return the open turn.

    Raises:
        TurnOver: The open turn is a different one, or none.
    """
    if state.turn is None or state.turn.id != turn_id:
        raise TurnOver
    return state.turn


class ToolStep:
    """Handles the open calls of one turn.

    Args:
        session: The session.
        environment: Provides the context of tools.
        turn_id: The turn.
        context: The turn's current context.
    """

    def __init__(
        self, session: LiveSession, environment: Environment, turn_id: str, context: TurnContext
    ) -> None:
        self._session = session
        self._environment = environment
        self._turn_id = turn_id
        self._context = context

    async def run(self) -> bool:
        """Run the server-side calls, then request the others.

        Returns:
            Whether all calls have their results, so that the turn continues.

        Raises:
            TurnOver: The turn was ended in the meantime.
        """
        toolbox = self._context.toolbox
        await self._session.append(lambda state, now: expired(self._turn(state), now, toolbox))
        turn = self._turn(self._session.state)
        open_calls = [
            call
            for call in turn.pending.values()
            if call.id not in turn.asked and call.id not in turn.held
        ]
        to_hold = [call for call in open_calls if self._needs_approval(call, turn)]
        patience_s = self._asked_outside(open_calls, turn)
        await self._run_here(
            [call for call in open_calls if call not in to_hold and call.id not in patience_s], turn
        )

        def ask(state: SessionState, _now: int) -> list[NewEvent]:
            turn, approval_s = self._turn(state), self._context.approval.timeout_s
            return [
                *(held(turn, call, self._answer_id, approval_s) for call in to_hold),
                *(
                    asked(turn, turn.pending[call_id], self._answer_id, seconds)
                    for call_id, seconds in patience_s.items()
                ),
            ]

        await self._session.append(ask)
        return not self._turn(self._session.state).pending

    def _turn(self, state: SessionState) -> OpenTurn:
        return still_open(state, self._turn_id)

    def _needs_approval(self, call: ToolCall, turn: OpenTurn) -> bool:
        decided = call.id in turn.allowed or call.name in self._session.state.always
        # Started calls were allowed or needed no approval.
        begun = call.id in turn.started_calls or call.id in turn.refused
        return not decided and not begun and self._context.needs_approval(call)

    def _asked_outside(self, calls: Sequence[ToolCall], turn: OpenTurn) -> Mapping[str, float]:
        """Return the timeouts in seconds of the calls that are answered from outside."""
        return {
            call.id: patience
            for call in calls
            if call.id not in turn.refused
            and (patience := self._context.patience_s(call)) is not None
        }

    async def _run_here(self, calls: Sequence[ToolCall], turn: OpenTurn) -> None:
        # A call that had already started was started by a process that is now lost.
        interrupted = set(turn.started_calls)
        one_by_one = self._context.parallel_tool_calls is False
        for group in [[call] for call in calls] if one_by_one else [calls]:
            await self._announce([call for call in group if call.id not in interrupted])
            await _all_or_none(
                self._run_one(call, interrupted=call.id in interrupted) for call in group
            )

    @property
    def _answer_id(self) -> str:
        """The id of the message with the open calls."""
        history = self._session.state.history
        return next(said.id for said in reversed(history) if said.role == "agent")

    async def _announce(self, calls: Sequence[ToolCall]) -> None:
        await self._session.append(
            lambda state, _now: [called(self._turn(state), call, self._answer_id) for call in calls]
        )

    async def _run_one(self, call: ToolCall, *, interrupted: bool) -> None:
        started = asyncio.get_running_loop().time()
        state = self._session.state
        if interrupted and not _is_repeatable(self._context.toolbox, call.name):
            result = ToolResult(tool_call_id=call.id, error=UNKNOWN_OUTCOME)
        elif reason := self._turn(state).refused.get(call.id):
            result = ToolResult(tool_call_id=call.id, error=reason)
        elif self._context.needs_approval(call) and state.always.get(call.name) is False:
            result = ToolResult(tool_call_id=call.id, error=REJECTED)
        else:
            tool_context = self._environment.tool_context(self._session)
            result = (await self._context.toolbox.call(call, tool_context)).result
        duration_ms = round((asyncio.get_running_loop().time() - started) * 1000)
        await self._session.append(
            lambda state, _now: [returned(self._turn(state), call, result, duration_ms)]
        )


async def _all_or_none(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run several awaitables concurrently; if one fails, the others are cancelled.

    A tool must stop when its session has left the host: its result would not be stored, and the
    next host reports its outcome as unknown.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


def _is_repeatable(toolbox: Toolbox, name: str) -> bool:
    tool = toolbox.find(name)
    return tool is not None and tool.repeatable
