"""The agent loop: ask the model, run its tools, again, until it answers.

Each step's outcome is stored before the next step begins, and every decision is read off the
session's state. So a turn that lost its process goes on elsewhere, at the step where it stood, by
running this same loop.

Source: docs/contract.md, "Turns".
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Protocol

import structlog

from everruns.domain.events import EventType, NewEvent
from everruns.domain.llm import ProviderAccount
from everruns.domain.messages import ContentPart, Message, TextPart, ThinkingBlock, ToolCallPart
from everruns.domain.state import OpenTurn, SessionState, turn_context
from everruns.domain.tools import ToolCall, ToolResult
from everruns.domain.usage import Usage
from everruns.errors import EverrunsError, InvalidRequest, MaxIterations, ModelFailure, TurnFailure
from everruns.ids import format_time, new_id
from everruns.providers.base import Driver, ModelAnswer, ModelRequest, ReasoningDelta, TextDelta
from everruns.providers.catalogue import cost_usd
from everruns.runtime.context import TurnContext
from everruns.runtime.draft import Draft
from everruns.runtime.session import LiveSession
from everruns.tools.base import ToolContext
from everruns.tools.toolbox import Toolbox

MODEL_RETRIES = 2
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
UNKNOWN_OUTCOME = (
    "The outcome of this call is unknown: the process that ran it was lost. It may have had its "
    "effect. Check before calling it again."
)

log = structlog.get_logger(__name__)


class TurnOver(Exception):
    """The turn was ended by someone else; its loop has nothing left to do."""


class TurnHost(Protocol):
    """What a turn needs of the place it runs in."""

    async def context(self, session: LiveSession) -> TurnContext:
        """Return the context of the session's next step."""
        ...

    async def driver(self, account: ProviderAccount) -> Driver:
        """Return the driver of a provider."""
        ...

    def tool_context(self, session: LiveSession) -> ToolContext:
        """Return what the session's tools may know."""
        ...


class Turn:
    """Runs the open turn of one session."""

    def __init__(self, session: LiveSession, host: TurnHost) -> None:
        opened = session.state.turn
        assert opened is not None  # noqa: S101
        self._session = session
        self._host = host
        self._id = opened.id
        self._invalid_arguments: dict[str, str] = {}

    async def run(self) -> None:
        """Advance the turn until it ends, one way or another.

        Raises:
            EverrunsError: The turn could not be stored; it stays open, and the session was let go.
        """
        try:
            while turn := self._open(self._session.state):
                context = await self._host.context(self._session)
                if turn.pending:
                    await self._run_tools(turn, context)
                else:
                    await self._ask_model(turn, context)
        except TurnOver:
            pass
        except TurnFailure as failure:
            await self._fail(failure)
        except InvalidRequest as invalid:
            # What was configured cannot be used, and will not get better by itself.
            await self._fail(TurnFailure(invalid.message, invalid.code))
        except EverrunsError:
            raise
        except Exception:
            log.exception("turn failed", session_id=self._session.id, turn_id=self._id)
            await self._fail(
                TurnFailure("The turn failed for an internal reason. Send the message again.")
            )

    def _open(self, state: SessionState) -> OpenTurn | None:
        return state.turn if state.turn and state.turn.id == self._id else None

    def _still_open(self, state: SessionState) -> OpenTurn:
        turn = self._open(state)
        if turn is None:
            raise TurnOver
        return turn

    # The model's step

    async def _ask_model(self, turn: OpenTurn, context: TurnContext) -> None:
        if turn.iterations >= context.max_iterations:
            raise MaxIterations(
                f"The turn made {turn.iterations} model calls, as many as its agent allows. Send "
                "a message to go on, or raise max_iterations."
            )
        session = self._session
        driver = await self._host.driver(context.account)
        # From here to the request nothing waits: the draft knows exactly what the model reads.
        draft = session.draft = Draft(new_id("message"), turn.id, session.state.sequence)
        answer = await self._stream(driver, context.request(session.state), draft)
        self._invalid_arguments = answer.invalid_arguments

        def outcome(state: SessionState, now: int) -> list[NewEvent]:
            turn = self._still_open(state)
            usage = _priced(answer.usage, context)
            calls = _distinct_calls(answer.tool_calls, state)
            said = NewEvent(
                EventType.MESSAGE_CREATED,
                {
                    "message": _agent_message(state, draft, now, calls, answer).wire(),
                    "usage": usage.wire(),
                    "model": context.model.qualified_name,
                    "finish_reason": answer.finish_reason,
                    "input_sequence": draft.input_sequence,
                },
                turn_context(turn),
            )
            steered = any(message.sequence > draft.input_sequence for message in state.unread)
            if calls or steered:
                return [said]
            completed = {
                "turn_id": turn.id,
                "iterations": turn.iterations + 1,
                "duration_ms": now - turn.started_ms,
                "usage": (turn.usage + usage).wire(),
                "final_message_id": draft.message_id,
            }
            return [said, NewEvent(EventType.SESSION_COMPLETED, completed, turn_context(turn))]

        await session.append(outcome)

    async def _stream(self, driver: Driver, request: ModelRequest, draft: Draft) -> ModelAnswer:
        """Fill the draft; try again while nothing of it was shown."""
        for attempt in range(MODEL_RETRIES + 1):
            try:
                return await self._stream_once(driver, request, draft)
            except ModelFailure as failure:
                wait = FIRST_RETRY_S * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311
                wait = max(wait, failure.retry_after_s or 0)
                useless = not failure.retryable or wait > LONGEST_RETRY_S
                if useless or not draft.is_empty or attempt == MODEL_RETRIES:
                    raise
                log.info(
                    "model call retried",
                    session_id=self._session.id,
                    turn_id=self._id,
                    code=failure.code,
                )
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _stream_once(
        self, driver: Driver, request: ModelRequest, draft: Draft
    ) -> ModelAnswer:
        session = self._session
        async with aclosing(driver.stream(request)) as chunks:
            async for chunk in chunks:
                match chunk:
                    case TextDelta(text):
                        first = not draft.text.length
                        draft.text.append(text)
                        session.notify(urgent=first)
                    case ReasoningDelta(text):
                        first = not draft.reasoning.length
                        draft.reasoning.append(text)
                        session.notify(urgent=first)
                    case ModelAnswer():
                        return chunk
        raise ModelFailure("The provider's answer ended without its end. Send the message again.")

    # The tools' step

    async def _run_tools(self, turn: OpenTurn, context: TurnContext) -> None:
        """Run the calls of the last answer that have no result yet."""
        # A call that had started before this loop met it was started by a process now lost.
        interrupted = set(turn.started_calls)
        calls = list(turn.pending.values())
        history = self._session.state.history
        message_id = next(said.id for said in reversed(history) if said.role == "agent")
        fresh = [call for call in calls if call.id not in interrupted]

        def announce(state: SessionState, _now: int) -> list[NewEvent]:
            turn = self._still_open(state)
            return [
                NewEvent(
                    EventType.TOOL_CALL,
                    {"tool_call": call.wire(), "message_id": message_id},
                    turn_context(turn),
                )
                for call in fresh
            ]

        await self._session.append(announce)
        limit = 1 if context.parallel_tool_calls is False else len(calls)
        gate = asyncio.Semaphore(limit)

        async def run(call: ToolCall) -> None:
            async with gate:
                await self._run_tool(call, context, interrupted=call.id in interrupted)

        await asyncio.gather(*map(run, calls))

    async def _run_tool(self, call: ToolCall, context: TurnContext, *, interrupted: bool) -> None:
        started = asyncio.get_running_loop().time()
        toolbox = context.toolbox
        if interrupted and not _is_repeatable(toolbox, call.name):
            result = ToolResult(tool_call_id=call.id, error=UNKNOWN_OUTCOME)
        elif raw := self._invalid_arguments.get(call.id):
            result = ToolResult(
                tool_call_id=call.id,
                error=f"The arguments are not a JSON object: {raw[:200]}",
            )
        else:
            outcome = await toolbox.call(call, self._host.tool_context(self._session))
            result = outcome.result
        duration_ms = round((asyncio.get_running_loop().time() - started) * 1000)

        def record(state: SessionState, _now: int) -> list[NewEvent]:
            turn = self._still_open(state)
            return [_result_event(turn, call, result, duration_ms)]

        await self._session.append(record)

    # The end

    async def _fail(self, failure: TurnFailure) -> None:
        error = {"message": failure.message, "code": failure.code}
        try:
            await end_turn(self._session, self._id, EventType.SESSION_FAILED, {"error": error})
        except EverrunsError as unstored:
            log.warning("failed turn not recorded", session_id=self._session.id, code=unstored.code)


async def end_turn(
    session: LiveSession, turn_id: str, ending: EventType, data: dict[str, Any]
) -> bool:
    """End a turn before its answer is complete; what was streamed of the answer is kept.

    Args:
        session: The session.
        turn_id: The turn to end.
        ending: ``session.failed`` or ``session.cancelled``.
        data: What the ending says beside the turn's id.

    Returns:
        Whether this call ended the turn; false when it had ended already.
    """

    def build(state: SessionState, now: int) -> list[NewEvent]:
        turn = state.turn
        if turn is None or turn.id != turn_id:
            return []
        context = turn_context(turn)
        events: list[NewEvent] = []
        draft = session.draft
        if draft is not None and draft.text.length:
            partial = _agent_message(state, draft, now, (), None)
            events.append(
                NewEvent(
                    EventType.MESSAGE_CREATED,
                    {"message": partial.wire(), "input_sequence": draft.input_sequence},
                    context,
                )
            )
        reason = data.get("reason") or "the turn ended"
        for call in turn.pending.values():
            if call.id in turn.started_calls:
                result = ToolResult(tool_call_id=call.id, error=f"Not finished: {reason}.")
                events.append(_result_event(turn, call, result, now - turn.started_ms))
        return [*events, NewEvent(ending, {"turn_id": turn.id, **data}, context)]

    return bool(await session.append(build))


def _agent_message(
    state: SessionState,
    draft: Draft,
    now: int,
    calls: Sequence[ToolCall],
    answer: ModelAnswer | None,
) -> Message:
    """Return the message a draft became; without an answer it was broken off."""
    content: list[ContentPart] = []
    if draft.text.length:
        content.append(TextPart(text=str(draft.text)))
    content += [
        ToolCallPart(id=call.id, name=call.name, arguments=call.arguments) for call in calls
    ]
    return Message(
        id=draft.message_id,
        session_id=state.session_id,
        role="agent",
        content=content,
        sequence=state.sequence + 1,
        metadata={} if answer else {"incomplete": True},
        thinking_blocks=_thinking(draft, answer),
        created_at=format_time(now),
    )


def _thinking(draft: Draft, answer: ModelAnswer | None) -> list[ThinkingBlock]:
    if answer and answer.thinking_blocks:
        return list(answer.thinking_blocks)
    return [ThinkingBlock(thinking=str(draft.reasoning))] if draft.reasoning.length else []


def _distinct_calls(calls: Sequence[ToolCall], state: SessionState) -> list[ToolCall]:
    """Give calls whose id the session has seen before a new one: ids address results."""
    seen = {call.id for message in state.history for call in message.tool_calls}
    distinct: list[ToolCall] = []
    for call in calls:
        fresh = call.model_copy(update={"id": new_id("call")}) if call.id in seen else call
        seen.add(fresh.id)
        distinct.append(fresh)
    return distinct


def _result_event(turn: OpenTurn, call: ToolCall, result: ToolResult, duration_ms: int) -> NewEvent:
    outcome = {"error": result.error} if result.error is not None else {"result": result.result}
    return NewEvent(
        EventType.TOOL_RESULT,
        {
            "tool_call_id": call.id,
            "name": call.name,
            "success": result.error is None,
            **outcome,
            "duration_ms": duration_ms,
        },
        turn_context(turn),
    )


def _is_repeatable(toolbox: Toolbox, name: str) -> bool:
    tool = toolbox.find(name)
    return tool is not None and tool.repeatable


def _priced(usage: Usage, context: TurnContext) -> Usage:
    cost = cost_usd(context.model.profile, usage)
    return usage if cost is None else usage.model_copy(update={"estimated_cost_usd": cost})
