"""Calls that somebody outside answers: a turn asks, waits without holding anything, and goes on.

A client-side tool is one that the client runs. Its call is stored like any other step, with how
long the client may take; from then on the turn waits, and its session may leave the memory of its
host. Results are stored as they come, and with the last of them the turn goes on. A user's message
goes before calls that are still open, and time ends them; the model then reads why.

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

REJECTED = "The user rejected this call. Do not make it again; ask how to go on."
NOT_APPROVED = "The user did not allow this call in time, so it was not run."
DISCARDED = "Not answered: the user sent a message instead."
TIMED_OUT = "Timed out waiting for client tool results"


def asked(turn: OpenTurn, call: ToolCall, message_id: str, patience_s: float) -> NewEvent:
    """Return what asks somebody outside to answer a call."""
    data = {
        "tool_call": call.wire(),
        "message_id": message_id,
        "client_side": True,
        "timeout_ms": round(patience_s * 1000),
    }
    return NewEvent(EventType.TOOL_CALL, data, turn_context(turn))


def held(turn: OpenTurn, call: ToolCall, message_id: str, patience_s: float) -> NewEvent:
    """Return what asks the user to allow a call."""
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
    """How many calls were answered or decided, and what the session does now."""

    accepted: int
    status: SessionStatus


def taken(
    state: SessionState, given: Given, now: int, *, is_repeated: bool = False
) -> tuple[list[NewEvent], Taken]:
    """Return what something from outside leaves that a turn waits for.

    What is stored already leaves nothing: whoever gives it again may not know that it arrived.

    Args:
        state: Of the session.
        given: What came from outside.
        now: The time in ms.
        is_repeated: Whether it may be stored already, by a host that was lost.

    Raises:
        Conflict: Something else is stored in its place.
        NotWaiting: The session does not wait for such.
        InvalidRequest: It does not fit what was asked.
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
    """Return what is said to who brings what nobody waits for."""
    return NotWaiting(f"Session {session_id} is not waiting for {_NAMES[type(given)]}")


def discarded(turn: OpenTurn, now: int) -> list[NewEvent]:
    """Return what open calls leave when the user says something instead of answering them."""
    return [_answer(turn, _error(call_id, DISCARDED), now) for call_id in _waiting(turn)]


def expired(turn: OpenTurn, now: int, toolbox: Toolbox) -> list[NewEvent]:
    """Return what calls leave that were not answered in time."""
    late = [call_id for call_id, call in _waiting(turn).items() if call.due_ms <= now]
    return [_answer(turn, _silence(turn, call_id, toolbox), now) for call_id in late]


def _decided(
    state: SessionState,
    turn: OpenTurn,
    approvals: ToolApprovals,
    before: Collection[str],
    now: int,
) -> list[NewEvent]:
    # One for always decides the tool's other calls that are held, unless they have their own.
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
        raise InvalidRequest("tool_results: each tool_call_id may come once")
    known = {call.id for message in state.history for call in message.tool_calls}
    if unknown := given.keys() - (known - turn.held.keys()):
        raise InvalidRequest(f"tool_results: no call {min(unknown)!r} was asked for")
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
