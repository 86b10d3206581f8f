"""Outcomes: the events that the steps of a turn append to the log.

Source: docs/contract.md, "Events".
"""

from collections.abc import Sequence
from typing import Any

from everruns.domain.events import EventType, NewEvent
from everruns.domain.messages import (
    ContentPart,
    Message,
    OutputPart,
    TextPart,
    ThinkingBlock,
    ToolCallPart,
)
from everruns.domain.parts import outcome
from everruns.domain.state import SessionState
from everruns.domain.structured_output import MAX_CORRECTIONS, corrections
from everruns.domain.tools import ToolCall, ToolResult
from everruns.domain.turns import OpenTurn, turn_context
from everruns.domain.waits import Unanswered
from everruns.ids import format_time, new_id
from everruns.providers.base import ModelAnswer
from everruns.providers.catalogue import priced
from everruns.runtime.context import TurnContext
from everruns.runtime.feed.draft import Draft
from everruns.runtime.offered_tools import OfferedTools
from everruns.turn_failures import OutputInvalid, TurnFailure


def answered(
    state: SessionState,
    turn: OpenTurn,
    now: int,
    draft: Draft,
    answer: ModelAnswer,
    context: TurnContext,
) -> list[NewEvent]:
    """Return the events of a model's answer: its message, and the turn's end unless it continues.

    The turn continues if the answer calls tools, a user message has arrived in the meantime, or
    the answer is to be corrected.
    """
    steered = any(message.sequence > draft.input_sequence for message in state.unread)
    output = draft.output
    # Nobody waits for the value any more; the next answer is for the newer message.
    if steered and output and output.error is not None:
        output = None
    usage = priced(answer.usage, context.model.profile)
    calls, refused_calls = _distinct_calls(answer, state, context.offered)
    refused = {"refused_calls": refused_calls} if refused_calls else {}
    left_out = {
        "without_images": [*answer.without_images],
        "without_messages": [*answer.without_messages],
    }
    said = NewEvent(
        EventType.MESSAGE_CREATED,
        {
            "message": _agent_message(state, draft, now, calls, answer, output).wire(),
            "usage": usage.wire(),
            "model": context.model.qualified_name,
            "finish_reason": answer.finish_reason,
            **timed(draft),
            "input_sequence": draft.input_sequence,
            **refused,
            **{name: message_ids for name, message_ids in left_out.items() if message_ids},
        },
        turn_context(turn),
    )
    if calls or steered:
        return [said]
    if output and output.error is not None:
        is_last = corrections(state.history, state.unread) >= MAX_CORRECTIONS
        failure = draft.failure or (_output_invalid(output.error) if is_last else None)
        return [said, _failed(turn, failure)] if failure else [said]
    completed = {
        "turn_id": turn.id,
        "iterations": turn.iterations + 1,
        "duration_ms": now - turn.started_ms,
        "usage": (turn.usage + usage).wire(),
        "final_message_id": draft.message_id,
    }
    return [said, NewEvent(EventType.SESSION_COMPLETED, completed, turn_context(turn))]


def timed(draft: Draft) -> dict[str, Any]:
    """Return the field of an event's data that says how long a draft's model call took."""
    return {"timing": draft.timing.wire()} if draft.timing else {}


def prepared(turn: OpenTurn, changes: dict[str, Any]) -> NewEvent:
    """Return the event of what capabilities offer from now on.

    Args:
        turn: The turn for which they were prepared.
        changes: What has changed; see ``find_changes``.
    """
    return NewEvent(EventType.CAPABILITIES_PREPARED, changes, turn_context(turn))


def _output_invalid(error: str) -> OutputInvalid:
    return OutputInvalid(
        f"The model's answer is not what output_schema describes, after {MAX_CORRECTIONS} "
        f"corrections. {error} Its text is kept. Simplify the schema, allow more output tokens, "
        "or choose another model."
    )


def _failed(turn: OpenTurn, failure: TurnFailure) -> NewEvent:
    error = {"message": failure.message, "code": failure.code}
    data = {"turn_id": turn.id, "error": error}
    return NewEvent(EventType.SESSION_FAILED, data, turn_context(turn))


def called(turn: OpenTurn, call: ToolCall, message_id: str) -> NewEvent:
    """Return the event of a tool call that starts, or goes on."""
    resumed = {"resumed": True} if call.id in turn.suspended else {}
    data = {"tool_call": call.wire(), "message_id": message_id, **resumed}
    return NewEvent(EventType.TOOL_CALL, data, turn_context(turn))


def returned(
    turn: OpenTurn,
    call: ToolCall,
    result: ToolResult,
    duration_ms: int,
    unanswered: Unanswered | None = None,
) -> NewEvent:
    """Return the event of a tool call's result.

    Args:
        turn: The turn.
        call: The call.
        result: What the model reads.
        duration_ms: How long the call took, in milliseconds.
        unanswered: Why the call waited for somebody outside in vain, if it did.
    """
    return NewEvent(
        EventType.TOOL_RESULT,
        {
            "tool_call_id": call.id,
            "name": call.name,
            "success": result.error is None,
            **outcome(result.result, result.error, result.parts),
            "duration_ms": duration_ms,
            **({"unanswered": unanswered} if unanswered else {}),
        },
        turn_context(turn),
    )


def broken_off(
    state: SessionState, turn: OpenTurn, now: int, draft: Draft | None, reason: str
) -> list[NewEvent]:
    """Return the events of an interrupted turn: the text so far, and results for open calls."""
    events: list[NewEvent] = []
    if draft is not None and draft.text.length:
        partial = _agent_message(state, draft, now, (), None)
        data = {"message": partial.wire(), "input_sequence": draft.input_sequence}
        events.append(NewEvent(EventType.MESSAGE_CREATED, data, turn_context(turn)))
    for call in turn.pending.values():
        if call.id in turn.started_calls or call.id in turn.asked or call.id in turn.suspended:
            result = ToolResult(tool_call_id=call.id, error=f"Not finished: {reason}.")
            unanswered = "turn_ended" if call.id in turn.asked else None
            events.append(returned(turn, call, result, now - turn.started_ms, unanswered))
    return events


def _agent_message(
    state: SessionState,
    draft: Draft,
    now: int,
    calls: Sequence[ToolCall],
    answer: ModelAnswer | None,
    output: OutputPart | None = None,
) -> Message:
    """Return the message of a draft; without an answer it is marked as incomplete."""
    content: list[ContentPart] = []
    if draft.text.length:
        content.append(TextPart(text=str(draft.text)))
    content += [
        ToolCallPart(id=call.id, name=call.name, arguments=call.arguments) for call in calls
    ]
    if output is not None:
        content.append(output)
    return Message(
        id=draft.message_id,
        session_id=state.session_id,
        role="agent",
        content=content,
        sequence=state.sequence + 1,
        metadata={} if answer else {"incomplete": True},
        model=draft.request.model.qualified_name if draft.request else None,
        thinking_blocks=_thinking(draft, answer),
        created_at=format_time(now),
    )


def _thinking(draft: Draft, answer: ModelAnswer | None) -> list[ThinkingBlock] | None:
    if answer and answer.thinking_blocks:
        return list(answer.thinking_blocks)
    return [ThinkingBlock(thinking=str(draft.reasoning))] if draft.reasoning.length else None


def _distinct_calls(
    answer: ModelAnswer, state: SessionState, offered: OfferedTools
) -> tuple[list[ToolCall], dict[str, str]]:
    """Give calls whose id the session has seen before a new id, since ids address results.

    A call by another tool becomes the call that it means, unless it must not run.

    Returns:
        The calls, and the reasons why some must not run, by call id.
    """
    if not answer.tool_calls:
        return [], {}
    seen = {call.id for message in state.history for call in message.tool_calls}
    seen |= state.calls.superseded
    distinct: list[ToolCall] = []
    refused: dict[str, str] = {}
    for call in answer.tool_calls:
        # The ids of calls that a compaction has replaced are in the log alone.
        is_known = call.id in seen or state.compaction is not None
        fresh = call.model_copy(update={"id": new_id("call")}) if is_known else call
        seen.add(fresh.id)
        if not answer.is_finished:
            refused[fresh.id] = (
                f"Your answer was cut off ({answer.finish_reason}), so this call may be incomplete "
                "and was not run. Make it again, with less in one answer."
            )
        elif reason := answer.refused_calls.get(call.id):
            refused[fresh.id] = reason
        distinct.append(fresh if fresh.id in refused else offered.meant(fresh))
    return distinct, refused
