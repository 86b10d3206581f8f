"""The tools' step of a turn: the calls of the model's last answer, run here or answered outside.

Source: docs/contract.md, "Turns", "Client-side tools" and "Approvals".
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from everruns.domain.events import NewEvent
from everruns.domain.questions import Question
from everruns.domain.state import SessionState
from everruns.domain.suspensions import Suspension
from everruns.domain.tools import ToolCall, ToolResult
from everruns.domain.turns import OpenTurn
from everruns.runtime.asking import Asked
from everruns.runtime.context import TurnContext
from everruns.runtime.environment import Environment
from everruns.runtime.outcomes import called, returned
from everruns.runtime.session import LiveSession
from everruns.runtime.submitted_decisions import rejection
from everruns.runtime.waiting import approval_requested, result_requested, suspended

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
        turn = self._turn(self._session.state)
        waiting = turn.waiting.keys() | turn.asleep.keys()
        open_calls = [call for call in turn.pending.values() if call.id not in waiting]
        kinds = {call.id: self._kind(call, turn) for call in open_calls}
        await self._run_here([call for call in open_calls if kinds[call.id] == "here"], turn)

        def ask(state: SessionState, _now: int) -> list[NewEvent]:
            turn = self._turn(state)
            return [
                self._asked(call, turn, to_hold=kinds[call.id] == "held")
                for call in open_calls
                if kinds[call.id] != "here"
            ]

        await self._session.append(ask)
        return not self._turn(self._session.state).pending

    def _turn(self, state: SessionState) -> OpenTurn:
        return still_open(state, self._turn_id)

    def _kind(self, call: ToolCall, turn: OpenTurn) -> Literal["here", "held", "asked"]:
        """Decide whether a call runs here, is held for approval, or is answered from outside."""
        begun = call.id in turn.started_calls or call.id in turn.suspended
        if begun or call.id in turn.refused:
            return "here"
        may_run = self._may_run(call, turn)
        if may_run is None:
            kind = "held"
        else:
            kind = "asked" if may_run and self._context.wait_of(call) else "here"
        # Nobody is asked about a call that cannot run.
        return "here" if self._context.offered.problem_with(call) else kind

    def _may_run(self, call: ToolCall, turn: OpenTurn) -> bool | None:
        """Tell whether a call may run; ``None`` if somebody has to decide."""
        if call.id in turn.allowed or not self._context.needs_approval(call):
            return True
        return self._context.decided_always(call, self._session.state)

    def _asked(self, call: ToolCall, turn: OpenTurn, *, to_hold: bool) -> NewEvent:
        context = self._context
        if to_hold:
            by = context.decided_by(call)
            return approval_requested(turn, call, self._answer_id, context.approval.wait, by)
        rule = context.wait_of(call)
        assert rule is not None  # noqa: S101 - see ``_kind``
        return result_requested(turn, call, self._answer_id, rule)

    async def _run_here(self, calls: Sequence[ToolCall], turn: OpenTurn) -> None:
        # A call that had already started was started by a process that is now lost.
        interrupted = set(turn.started_calls)
        chains = self._in_chains(calls)
        await self._announce([chain[0] for chain in chains if chain[0].id not in interrupted])
        await _all_or_none(self._run_chain(chain, interrupted) for chain in chains)

    def _in_chains(self, calls: Sequence[ToolCall]) -> list[list[ToolCall]]:
        """Divide calls into those that can run at the same time, each with those that follow it."""
        if self._context.parallel_tool_calls is False:
            return [list(calls)] if calls else []
        chains: dict[str, list[ToolCall]] = {}
        for call in calls:
            tool = self._context.offered.toolbox.find(call.name)
            alone = tool and tool.runs_alone
            chains.setdefault(f"tools {alone}" if alone else f"call {call.id}", []).append(call)
        return list(chains.values())

    async def _run_chain(self, chain: Sequence[ToolCall], interrupted: set[str]) -> None:
        for place, call in enumerate(chain):
            if place and call.id not in interrupted:
                await self._announce([call])
            await self._run_one(call, interrupted=call.id in interrupted)

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
        if reason := self._reason_not_to_run(call, interrupted=interrupted):
            result = ToolResult(tool_call_id=call.id, error=reason)
        else:
            tool_context = self._environment.tool_context(
                self._session, self._context.agent, call, is_repeated=interrupted
            )
            asking = replace(tool_context, ask=partial(self._ask, call))
            outcome = await self._context.offered.toolbox.call(call, asking)
            if outcome.suspension:
                await self._suspend(call, outcome.suspension)
                return
            result = outcome.result
        duration_ms = round((asyncio.get_running_loop().time() - started) * 1000)
        await self._session.append(
            lambda state, _now: [returned(self._turn(state), call, result, duration_ms)]
        )

    async def _ask(
        self, call: ToolCall, questions: Sequence[Question], wait_s: float
    ) -> Mapping[str, Any] | None:
        self._environment.check_size(self._session.state)
        rule = self._context.question_wait.at_most(wait_s)
        asked = Asked(self._session, self._turn_id, call, self._answer_id, questions, rule)
        return await self._environment.asking.ask(asked)

    async def _suspend(self, call: ToolCall, suspension: Suspension) -> None:
        # A tool that is suspended again and again must not fill the log without end.
        self._environment.check_size(self._session.state)
        answer_id, rule = self._answer_id, self._context.question_wait
        await self._session.append(
            lambda state, _now: suspended(self._turn(state), call, answer_id, suspension, rule)
        )

    def _reason_not_to_run(self, call: ToolCall, *, interrupted: bool) -> str | None:
        offered, turn = self._context.offered, self._turn(self._session.state)
        # A client-side call only comes here to be refused, so nothing of it was ever run.
        is_here = call.name not in offered.client_tools
        if is_here and interrupted and not self._is_repeatable(call, turn):
            return UNKNOWN_OUTCOME
        if reason := turn.refused.get(call.id):
            return reason
        if self._may_run(call, turn) is False and not interrupted:
            return rejection()
        return offered.problem_with(call)

    def _is_repeatable(self, call: ToolCall, turn: OpenTurn) -> bool:
        if (suspended := turn.suspended.get(call.id)) and suspended.is_repeatable:
            return True
        tool = self._context.offered.toolbox.find(call.name)
        return tool is not None and tool.repeatable


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
