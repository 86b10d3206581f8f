"""Calls answered from outside: a turn asks, waits without holding resources, and continues.

The client runs client-side tools. Such a call is stored like any other step, with its timeout; then
the turn waits, and its session may leave its host's memory. Results are stored as they come, and
after the last one the turn continues. A user's message or the timeout ends calls that are still
open; the model is told why.

Questions to the user are calls of this kind. A call that is held for approval waits the same way,
and runs here once it is allowed.

Source: docs/contract.md, "Client-side tools", "Questions" and "Approvals".
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from everruns.domain.approvals import ToolApprovals
from everruns.domain.events import EventType, NewEvent
from everruns.domain.questions import QuestionAnswers, are_questions, result_of
from everruns.domain.sessions import SessionStatus
from everruns.domain.state import Asked, OpenTurn, SessionState, turn_context
from everruns.domain.tools import ToolCall, ToolResult, ToolResults
from everruns.errors import InvalidRequest, NotWaiting
from everruns.runtime.outcomes import returned
from everruns.runtime.stored_input import Given, stored_before
from everruns.tools.toolbox import Toolbox

_NAMES: Mapping[type[Given], str] = {
    ToolResults: "tool results",
    QuestionAnswers: "answers to questions",
    ToolApprovals: "approvals",
}

REJECTED = "The user rejected this call. Do not make it again; ask how to proceed."
NOT_APPROVED = "The user did not allow this call in time, so it was not run."
DISCARDED = "Not answered: the user sent a message instead."
TIMED_OUT = "Timed out waiting for client tool results"


def asked(turn: OpenTurn, call: ToolCall, message_id: str, patience_s: float) -> NewEvent:
    """Return the event that requests a call's result from outside."""
    data = {
        "tool_call": call.wire(),
        "message_id": message_id,
        "client_side": True,
        "timeout_ms": round(patience_s * 1000),
    }
    return NewEvent(EventType.TOOL_CALL, data, turn_context(turn))


def held(turn: OpenTurn, call: ToolCall, message_id: str, patience_s: float) -> NewEvent:
    """Return the event that requests the user's approval of a call."""
    data = {
        "tool_call_id": call.id,
        "name": call.name,
        "status": "requested",
        "tool_call": call.wire(),
        "message_id": message_id,
        "timeout_ms": round(patience_s * 1000),
    }
    return NewEvent(EventType.TOOL_APPROVAL, data, turn_context(turn))


@dataclass(frozen=True)
class Taken:
    """How many calls were answered or decided, and the session's status now."""

    accepted: int
    status: SessionStatus


def taken(
    state: SessionState, given: Given, now: int, *, is_repeated: bool = False
) -> tuple[list[NewEvent], Taken]:
    """Return the events of input that a turn waits for.

    Input that is already stored gives no events, because its sender may not know that it arrived.

    Args:
        state: The session's state.
        given: The input.
        now: The time in ms.
        is_repeated: Whether a lost host may already have stored it.

    Raises:
        Conflict: Different input is stored in its place.
        NotWaiting: The session is not waiting for this kind of input.
        InvalidRequest: It does not match what was requested.
    """
    turn, before = state.turn, stored_before(state, given)
    if turn is None or turn.waits_until_ms is None or before.is_all_of(given, again=is_repeated):
        if not before.is_all_of(given, again=True):
            raise not_waiting(state.session_id, given)
        return [], Taken(len(before.same), state.status)
    match given:
        case ToolResults():
            before.refuse_others()
            events = _submitted(state, turn, given.tool_results, now)
        case QuestionAnswers():
            events = _replied(state, turn, given, now)
        case ToolApprovals():
            before.refuse_others()
            events = _decided(state, turn, given, before.same, now)
    touched = {event.data["tool_call_id"] for event in events}
    answered = {event.data["tool_call_id"] for event in events if "success" in event.data}
    left = turn.pending.keys() - answered
    waits = bool(left) and left <= _waiting(turn).keys() - touched
    return events, Taken(len(touched | before.same), "waitingfortoolresults" if waits else "active")


def not_waiting(session_id: str, given: Given) -> NotWaiting:
    """Build the error for input that the session is not waiting for."""
    return NotWaiting(f"Session {session_id} is not waiting for {_NAMES[type(given)]}")


def discarded(turn: OpenTurn, now: int) -> list[NewEvent]:
    """Return the events of open calls when the user sends a message instead of answering them."""
    return [_answer(turn, _error(call_id, DISCARDED), now) for call_id in _waiting(turn)]


def expired(turn: OpenTurn, now: int, toolbox: Toolbox) -> list[NewEvent]:
    """Return the events of calls that timed out."""
    late = [call_id for call_id, call in _waiting(turn).items() if call.due_ms <= now]
    return [_answer(turn, _silence(turn, call_id, toolbox), now) for call_id in late]


def _decided(
    state: SessionState,
    turn: OpenTurn,
    approvals: ToolApprovals,
    before: Collection[str],
    now: int,
) -> list[NewEvent]:
    # A permanent decision also applies to the tool's other held calls without their own decision.
    decisions = [one for one in approvals.decisions if one.tool_call_id not in before]
    if not turn.held:
        raise not_waiting(state.session_id, approvals)
    given = {decision.tool_call_id: decision for decision in decisions}
    if unknown := given.keys() - turn.held.keys():
        raise InvalidRequest(f"decisions: call {min(unknown)!r} is not held")
    for decision in [decision for decision in decisions if decision.is_for_always]:
        name = turn.pending[decision.tool_call_id].name
        for call_id in turn.held:
            if turn.pending[call_id].name == name:
                given.setdefault(call_id, decision)
    events: list[NewEvent] = []
    for call_id, decision in given.items():
        call = turn.pending[call_id]
        status = "allowed" if decision.is_allowed else "rejected"
        data = {"tool_call_id": call_id, "name": call.name, "status": status}
        always = {"always": True} if decision.is_for_always else {}
        events.append(NewEvent(EventType.TOOL_APPROVAL, {**data, **always}, turn_context(turn)))
        if not decision.is_allowed:
            events.append(_answer(turn, _error(call_id, REJECTED), now))
    return events


def _submitted(
    state: SessionState, turn: OpenTurn, results: Sequence[ToolResult], now: int
) -> list[NewEvent]:
    given = {result.tool_call_id: result for result in results}
    if len(given) < len(results):
        raise InvalidRequest("tool_results: each tool_call_id may appear only once")
    known = {call.id for message in state.history for call in message.tool_calls}
    if unknown := given.keys() - (known - turn.held.keys()):
        raise InvalidRequest(f"tool_results: no result was requested for call {min(unknown)!r}")
    return [_answer(turn, given[call_id], now) for call_id in turn.pending if call_id in given]


def _replied(
    state: SessionState, turn: OpenTurn, given: QuestionAnswers, now: int
) -> list[NewEvent]:
    for call in turn.pending.values():
        is_open = call.id in turn.asked and are_questions(call)
        if is_open and given.tool_call_id in {None, call.id}:
            result = ToolResult(tool_call_id=call.id, result=result_of(call.arguments, given))
            return [_answer(turn, result, now)]
    raise not_waiting(state.session_id, given)


def _waiting(turn: OpenTurn) -> Mapping[str, Asked]:
    return turn.asked | turn.held


def _silence(turn: OpenTurn, call_id: str, toolbox: Toolbox) -> ToolResult:
    if call_id in turn.held:
        return _error(call_id, NOT_APPROVED)
    call = turn.pending[call_id]
    tool = toolbox.asked(call)
    if tool is None:
        return _error(call.id, TIMED_OUT)
    return ToolResult(tool_call_id=call.id, result=tool.result_of_silence(call.arguments))


def _error(call_id: str, error: str) -> ToolResult:
    return ToolResult(tool_call_id=call_id, error=error)


def _answer(turn: OpenTurn, result: ToolResult, now: int) -> NewEvent:
    call_id = result.tool_call_id
    return returned(turn, turn.pending[call_id], result, now - _waiting(turn)[call_id].asked_ms)
