"""Answers that a user gives to the questions of a call."""

from everruns.domain.events import NewEvent
from everruns.domain.questions import QuestionAnswers, are_questions, as_result, result_of
from everruns.domain.tools import ToolCall, ToolResult
from everruns.domain.turns import OpenTurn
from everruns.errors import InvalidRequest
from everruns.runtime.submission import Submission, not_waiting
from everruns.runtime.waiting import answer, question_closed, resumed


def replied(submission: Submission, given: QuestionAnswers, *, is_repeated: bool) -> list[NewEvent]:
    """Return the events of answers; see ``external_input.accept`` for what is raised.

    They are for the named questions or, without a name, for the oldest that are open.
    """
    turn = submission.turn
    open_ids = [key for key in turn.asked if _asks(turn, key)] if turn else []
    # A suspended call without a result is newer than all that have one.
    answers = submission.state.calls.answers
    answered = [*submission.results, *(key for key in answers if key not in submission.results)]
    last = next((key for key in reversed(answered) if _were_questions(submission, key)), None)
    wanted = given.tool_call_id
    if wanted is None and is_repeated and last and _is_same_answer(submission, last, given):
        wanted = last
    wanted = wanted or next(iter(open_ids), last)
    if wanted is None:
        raise not_waiting(submission.state.session_id, given)
    if turn and wanted in open_ids and not _answered_before(submission, wanted, given):
        return [_reply(turn, turn.pending[wanted], given, submission.now)]
    were_questions = _were_questions(submission, wanted)
    if were_questions and _is_same_answer(submission, wanted, given):
        submission.before.add(wanted)
        return []
    raise submission.refusal(wanted, open_ids, was_asked=were_questions)


def _asks(turn: OpenTurn, call_id: str) -> bool:
    return turn.questions_of(turn.pending[call_id]) is not None


def _reply(turn: OpenTurn, call: ToolCall, given: QuestionAnswers, now: int) -> NewEvent:
    """Return the event of answers: a result of ``ask_user``, or a call of a tool that goes on."""
    result = result_of(turn.questions_of(call) or {}, given)
    if call.id in turn.asking:
        return question_closed(turn, call, result)
    if call.id in turn.suspended:
        return resumed(turn, call, result)
    return answer(turn, ToolResult(tool_call_id=call.id, result=result), now)


def _answered_before(submission: Submission, call_id: str, given: QuestionAnswers) -> bool:
    """Tell whether answers are those to the questions that a call has asked before these."""
    stored = submission.state.calls.answers.get(call_id)
    # That nobody wants to answer names no question, so it is taken for the ones that are open.
    return given.status == "answered" and stored == as_result(given)


def _were_questions(submission: Submission, call_id: str) -> bool:
    call = submission.calls.get(call_id)
    return call_id in submission.state.calls.answers or (call is not None and are_questions(call))


def _is_same_answer(submission: Submission, call_id: str, given: QuestionAnswers) -> bool:
    if call_id in submission.state.calls.answers:
        return submission.state.calls.answers[call_id] == as_result(given)
    stored = submission.results.get(call_id)
    try:
        same = result_of(submission.calls[call_id].arguments, given)
    except InvalidRequest:
        return False
    return stored is not None and stored.result == same
