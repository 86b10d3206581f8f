"""Calls that somebody outside answers: a turn asks, waits without holding resources, and continues.

The client runs client-side tools. Such a call is stored like any other step, with the rule by which
it waits; then the turn waits, and its session may leave its host's memory. A user's message or the
end of the time ends calls that are still open; the model is told why. A call can also keep waiting
after its time, and be reminded of before.

Questions to the user are calls of this kind. A call that is held for approval waits the same way,
and runs once it is allowed. Input from outside is judged in ``everruns.runtime.external_input``.

Source: docs/contract.md, "Waiting".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from everruns.domain.events import EventType, NewEvent
from everruns.domain.questions import ASK_USER, Question, recommended_result
from everruns.domain.state import SessionState
from everruns.domain.suspensions import Suspension, as_asked, asked_in_round
from everruns.domain.tools import ToolCall, ToolResult
from everruns.domain.turns import OpenTurn, turn_context
from everruns.domain.waits import Asked, DeciderKind, Unanswered, WaitRule
from everruns.ids import format_time
from everruns.runtime.outcomes import returned

NOT_APPROVED = "Nobody allowed this call in time, so it was not run."
DISCARDED = "Not answered: the user sent a message instead."
TIMED_OUT = "Timed out waiting for client tool results"
NO_ANSWER = "The user did not answer in time. Do not assume an answer."


def result_requested(turn: OpenTurn, call: ToolCall, message_id: str, rule: WaitRule) -> NewEvent:
    """Return the event that requests a call's result from outside."""
    data = {
        "tool_call": call.wire(),
        "message_id": message_id,
        "client_side": True,
        **rule.recorded(),
    }
    return NewEvent(EventType.TOOL_CALL, data, turn_context(turn))


def suspended(
    turn: OpenTurn, call: ToolCall, message_id: str, suspension: Suspension, rule: WaitRule
) -> list[NewEvent]:
    """Return the events of a call that its tool has suspended: that, and what the user is asked.

    The questions are asked as those of ``ask_user`` are, so the same clients can answer.

    Args:
        turn: The turn.
        call: The call.
        message_id: The message with the call.
        suspension: How it is suspended.
        rule: How long questions wait.
    """
    data = {"tool_call_id": call.id, "name": call.name, "state": suspension.state}
    if suspension.resume_after_seconds is not None:
        data["resume_after_seconds"] = suspension.resume_after_seconds
    if suspension.repeatable:
        data["repeatable"] = True
    event = NewEvent(EventType.TOOL_SUSPENDED, data, turn_context(turn))
    if not suspension.questions:
        return [event]
    before = turn.suspended.get(call.id)
    asked = asked_in_round(suspension.questions, before.rounds if before else 0)
    questions = {"questions": [question.wire() for question in asked]}
    asking = ToolCall(id=call.id, name=ASK_USER, arguments=questions)
    if rule.on_timeout == "recommendation":
        rule = rule.model_copy(update={"on_timeout": "error"})
    return [event, result_requested(turn, asking, message_id, rule)]


def resumed(turn: OpenTurn, call: ToolCall, answers: Mapping[str, Any] | None = None) -> NewEvent:
    """Return the event of a suspended call that may go on.

    Args:
        turn: The turn.
        call: The call.
        answers: The user's answers, if it has asked.
    """
    given = {} if answers is None else {"answers": answers}
    data = {"tool_call_id": call.id, "name": call.name, **given}
    return NewEvent(EventType.TOOL_RESUMED, data, turn_context(turn))


def question_asked(
    turn: OpenTurn,
    call: ToolCall,
    message_id: str,
    questions: Sequence[Question],
    rule: WaitRule,
) -> NewEvent:
    """Return the event of a running call that asks; it is asked as ``ask_user`` does.

    Args:
        turn: The turn.
        call: The call.
        message_id: The message with the call.
        questions: The questions.
        rule: How long they wait.
    """
    before = turn.askers.get(call.id)
    asked = asked_in_round(questions, before.rounds if before else 0)
    arguments = {"questions": [question.wire() for question in asked]}
    asking = ToolCall(id=call.id, name=ASK_USER, arguments=arguments)
    return result_requested(turn, asking, message_id, rule)


def question_closed(
    turn: OpenTurn,
    call: ToolCall,
    answers: Mapping[str, Any] | None = None,
    unanswered: Unanswered | None = None,
) -> NewEvent:
    """Return the event of a running call that gets its answers, or will not get any.

    Args:
        turn: The turn.
        call: The call.
        answers: The user's answers.
        unanswered: Why there are none.
    """
    how = {"unanswered": unanswered} if answers is None else {"answers": answers}
    data = {"tool_call_id": call.id, "name": call.name, **how}
    return NewEvent(EventType.TOOL_QUESTION_CLOSED, data, turn_context(turn))


def lost_questions(turn: OpenTurn) -> list[NewEvent]:
    """Return the events of questions whose answers nobody waits for, since a process was lost."""
    return [
        question_closed(turn, turn.pending[call_id], unanswered="process_lost")
        for call_id in turn.asked
        if call_id in turn.asking
    ]


def answers_of_asker(state: SessionState, turn_id: str, call_id: str) -> dict[str, Any] | None:
    """Return the answers to what a running call has asked last, if there are any."""
    turn = state.turn
    if turn is None or turn.id != turn_id or call_id in turn.asking:
        return None
    asker = turn.askers.get(call_id)
    if asker is None or call_id in state.calls.unanswered:
        return None
    return as_asked(state.calls.answers[call_id], asker.rounds)


def approval_requested(
    turn: OpenTurn, call: ToolCall, message_id: str, rule: WaitRule, decided_by: DeciderKind
) -> NewEvent:
    """Return the event that requests approval of a call."""
    data = {
        "tool_call_id": call.id,
        "name": call.name,
        "status": "requested",
        "tool_call": call.wire(),
        "message_id": message_id,
        "decided_by": {"kind": decided_by},
        **rule.recorded(),
    }
    return NewEvent(EventType.TOOL_APPROVAL, data, turn_context(turn))


def discarded(turn: OpenTurn, now: int) -> list[NewEvent]:
    """Return the events of open calls when the user sends a message instead of answering them."""
    return [
        # A running call ends by itself when it learns that nobody answers.
        question_closed(turn, turn.pending[call_id], unanswered="superseded")
        if call_id in turn.asking
        else answer(turn, error(call_id, DISCARDED), now, unanswered="superseded")
        for call_id in turn.waiting
    ]


def elapsed(turn: OpenTurn, now: int) -> list[NewEvent]:
    """Return the events of what time has brought: calls that go on or timed out, and reminders."""
    woken = [
        resumed(turn, turn.pending[call_id])
        for call_id, resumes_ms in turn.asleep.items()
        if resumes_ms <= now
    ]
    return woken + [
        event
        for call_id, waiting in turn.waiting.items()
        if call_id not in turn.asking
        for event in _elapsed(turn, turn.pending[call_id], waiting, now)
    ]


def _elapsed(turn: OpenTurn, call: ToolCall, waiting: Asked, now: int) -> Iterator[NewEvent]:
    is_over = waiting.is_due(now)
    if is_over and waiting.on_timeout != "keep_waiting":
        # Somebody who could be reminded could no longer answer.
        yield answer(turn, _silence(turn, call, waiting), now, unanswered="timed_out")
        return
    if waiting.is_to_be_reminded_of(now):
        yield _reminder(turn, call, waiting, overdue=False)
    if is_over:
        yield _reminder(turn, call, waiting, overdue=True)


def _reminder(turn: OpenTurn, call: ToolCall, waiting: Asked, *, overdue: bool) -> NewEvent:
    due = {} if waiting.due_ms is None else {"expires_at": format_time(waiting.due_ms)}
    data = {
        "tool_call_id": call.id,
        "name": call.name,
        "type": turn.wait_type(call),
        "since": format_time(waiting.asked_ms),
        **due,
        "overdue": overdue,
    }
    return NewEvent(EventType.WAIT_REMINDER, data, turn_context(turn))


def _silence(turn: OpenTurn, call: ToolCall, waiting: Asked) -> ToolResult:
    if call.id in turn.held:
        return error(call.id, NOT_APPROVED)
    if turn.questions_of(call) is None:
        return error(call.id, TIMED_OUT)
    if waiting.on_timeout == "recommendation":
        return ToolResult(tool_call_id=call.id, result=recommended_result(call.arguments))
    return error(call.id, NO_ANSWER)


def error(call_id: str, text: str) -> ToolResult:
    """Return the result of a call that failed, as the model reads it."""
    return ToolResult(tool_call_id=call_id, error=text)


def answer(
    turn: OpenTurn, result: ToolResult, now: int, unanswered: Unanswered | None = None
) -> NewEvent:
    """Return the event of a waiting call's result."""
    call_id = result.tool_call_id
    waited_ms = now - turn.waiting[call_id].asked_ms
    return returned(turn, turn.pending[call_id], result, waited_ms, unanswered)
