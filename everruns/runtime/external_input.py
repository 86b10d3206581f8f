"""Input from outside: results, answers and decisions, each judged by the log and then stored.

A client that gets no response, or a server whose session host was lost, sends its input again.
Input that the log already has is accepted and changes nothing. Otherwise the error says
whether it came too early or too late, differs from what is stored, or names an unknown call.

Source: docs/contract.md, "Waiting".
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from everruns.domain.approvals import Decider, ToolApprovals, ToolDecision
from everruns.domain.events import EventType, NewEvent
from everruns.domain.messages import ToolResultPart
from everruns.domain.questions import QuestionAnswers, are_questions, as_result, result_of
from everruns.domain.sessions import SessionStatus
from everruns.domain.state import SessionState
from everruns.domain.tools import ToolCall, ToolResult, ToolResults
from everruns.domain.turns import OpenTurn, turn_context
from everruns.domain.waits import Unanswered
from everruns.errors import (
    CallClosed,
    Conflict,
    EverrunsError,
    InvalidRequest,
    MayNotDecide,
    NotWaiting,
    UnknownCall,
)
from everruns.runtime.waiting import answer, error, question_closed, resumed

ExternalInput = ToolResults | QuestionAnswers | ToolApprovals

_NAMES: Mapping[type[ExternalInput], str] = {
    ToolResults: "tool results",
    QuestionAnswers: "answers to questions",
    ToolApprovals: "approvals",
}
_ENDS: Mapping[Unanswered, str] = {
    "timed_out": "its time was over",
    "superseded": "the user sent a message instead",
    "turn_ended": "its turn has ended",
    "process_lost": "the process that waited for it was lost",
    "not_needed": "nobody needs it any more",
}


@dataclass(frozen=True)
class Accepted:
    """What became of input.

    Attributes:
        stored: How many calls it answered or decided now.
        already_stored: How many of its calls were answered or decided in the same way before.
        status: The session's status now.
    """

    stored: int
    already_stored: int
    status: SessionStatus

    @property
    def accepted(self) -> int:
        """How many calls are answered or decided now as the input says."""
        return self.stored + self.already_stored


def accept(
    state: SessionState, given: ExternalInput, by: Decider, now: int, *, is_repeated: bool = False
) -> tuple[list[NewEvent], Accepted]:
    """Return the events of input that a turn waits for.

    Input that is already stored gives no events, because its sender may not know that it arrived.

    Args:
        state: The session's state.
        given: The input. If one part is refused, nothing of it is stored.
        by: Who gives it.
        now: The time in ms.
        is_repeated: Whether a lost host may already have stored it.

    Raises:
        NotWaiting: The session is not waiting for this yet.
        CallClosed: A call got its result in another way, and takes no more input.
        Conflict: Different input is stored in its place.
        MayNotDecide: Somebody else decides about the call.
        UnknownCall: It names a call that nobody asked for this.
        InvalidRequest: It does not match what was asked.
    """
    submission = _Submission(state, given, now)
    match given:
        case ToolResults():
            events = _submitted(submission, given)
        case QuestionAnswers():
            events = _replied(submission, given, is_repeated=is_repeated)
        case ToolApprovals():
            events = _decided(submission, given, by)
    touched = {event.data["tool_call_id"] for event in events}
    return events, Accepted(len(touched), len(submission.before), _status_after(state, events))


def not_waiting(session_id: str, given: ExternalInput) -> NotWaiting:
    """Build the error for input that comes before anything was asked."""
    return NotWaiting(
        f"Session {session_id} is not waiting for {_NAMES[type(given)]} yet. Try again when it is."
    )


def rejection(reason: str | None = None) -> str:
    """Return what the model reads in place of the result of a call that was rejected."""
    given = f" The reason given: {reason}" if reason else ""
    return f"This call was rejected. Do not make it again; ask how to proceed.{given}"


@dataclass
class _Submission:
    """One piece of input and the log that it is judged by.

    Attributes:
        results: The stored results, by call id.
        calls: All calls that were ever made, by id.
        before: The calls that the input answers as the log already does.
    """

    state: SessionState
    given: ExternalInput
    now: int
    results: dict[str, ToolResultPart] = field(init=False)
    calls: dict[str, ToolCall] = field(init=False)
    before: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        history = self.state.history
        self.calls = {call.id: call for message in history for call in message.tool_calls}
        self.results = {
            part.tool_call_id: part
            for message in history
            for part in message.content
            if isinstance(part, ToolResultPart)
        }

    @property
    def turn(self) -> OpenTurn | None:
        return self.state.turn

    def refusal(self, call_id: str, open_ids: Collection[str], *, was_asked: bool) -> EverrunsError:
        """Return why input about a call that is not open cannot be taken.

        Args:
            call_id: The call.
            open_ids: The calls that are open for this kind of input.
            was_asked: Whether the call was, or may yet be, open for this kind of input.
        """
        if call_id in self.state.calls.superseded:
            return CallClosed(f"Call {call_id!r} takes no more input: a retry has superseded it.")
        if was_asked and call_id in self.calls:
            return self._refusal_of_asked(call_id)
        # After a compaction old calls are in the log alone, and new ones get ids of ours.
        may_be_new = self._may_still_ask and self.state.compaction is None
        if call_id not in self.calls and may_be_new:
            return not_waiting(self.state.session_id, self.given)
        names = ", ".join(map(repr, open_ids)) or "none"
        return UnknownCall(
            f"tool_call_id: call {call_id!r} does not wait for {_NAMES[type(self.given)]}. "
            f"Calls that do: {names}."
        )

    def _refusal_of_asked(self, call_id: str) -> EverrunsError:
        turn = self.turn
        if end := self.state.calls.unanswered.get(call_id):
            return CallClosed(f"Call {call_id!r} takes no more input: {_ENDS[end]}.")
        if call_id in self.results or call_id in self.state.calls.decided:
            return Conflict(f"Call {call_id!r} was already answered differently")
        if turn is None or call_id not in turn.pending:
            return CallClosed(f"Call {call_id!r} takes no more input: its turn has ended.")
        return not_waiting(self.state.session_id, self.given)

    @property
    def _may_still_ask(self) -> bool:
        """Whether the running turn may be about to make calls that are not in the log yet."""
        turn = self.turn
        return not self.state.sequence or (turn is not None and turn.waits_until_ms is None)


# Results


def _submitted(submission: _Submission, given: ToolResults) -> list[NewEvent]:
    turn = submission.turn
    # What a suspended call asks are questions; its result is its tool's.
    # And so is that of a call that asks while it runs.
    open_ids = (
        [key for key in turn.asked if key not in turn.suspended and key not in turn.asking]
        if turn
        else []
    )
    results = {result.tool_call_id: result for result in given.tool_results}
    for call_id, result in results.items():
        if call_id in open_ids:
            continue
        stored = submission.results.get(call_id)
        if stored is None or not _is_same_result(stored, result):
            is_here = turn is not None and call_id in turn.started_calls
            raise submission.refusal(call_id, open_ids, was_asked=not is_here)
        submission.before.add(call_id)
    if len(results) < len(given.tool_results):
        raise InvalidRequest("tool_results: each tool_call_id may appear only once")
    if turn is None:
        return []
    return [
        answer(turn, results[call_id], submission.now) for call_id in open_ids if call_id in results
    ]


def _is_same_result(stored: ToolResultPart, given: ToolResult) -> bool:
    if given.error is not None:
        return stored.error == given.error
    return stored.error is None and (stored.result, stored.parts) == (given.result, given.parts)


# Answers to questions


def _replied(
    submission: _Submission, given: QuestionAnswers, *, is_repeated: bool
) -> list[NewEvent]:
    """Take the answers to the named questions or, without a name, to the oldest that are open."""
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


def _answered_before(submission: _Submission, call_id: str, given: QuestionAnswers) -> bool:
    """Tell whether answers are those to the questions that a call has asked before these."""
    stored = submission.state.calls.answers.get(call_id)
    # That nobody wants to answer names no question, so it is taken for the ones that are open.
    return given.status == "answered" and stored == as_result(given)


def _were_questions(submission: _Submission, call_id: str) -> bool:
    call = submission.calls.get(call_id)
    return call_id in submission.state.calls.answers or (call is not None and are_questions(call))


def _is_same_answer(submission: _Submission, call_id: str, given: QuestionAnswers) -> bool:
    if call_id in submission.state.calls.answers:
        return submission.state.calls.answers[call_id] == as_result(given)
    stored = submission.results.get(call_id)
    try:
        same = result_of(submission.calls[call_id].arguments, given)
    except InvalidRequest:
        return False
    return stored is not None and stored.result == same


# Decisions


def _decided(submission: _Submission, given: ToolApprovals, by: Decider) -> list[NewEvent]:
    """Decide about held calls.

    A permanent decision also applies to the tool's other held calls without their own decision.
    """
    turn = submission.turn
    open_ids = list(turn.held) if turn else []
    decisions: dict[str, ToolDecision] = {}
    for decision in given.decisions:
        call_id = decision.tool_call_id
        if call_id in open_ids:
            decisions[call_id] = decision
        elif _is_same_decision(submission.state, decision):
            submission.before.add(call_id)
        else:
            raise submission.refusal(call_id, open_ids, was_asked=_may_be_held(submission, call_id))
    if turn is None:
        return []
    for decision in [*decisions.values()]:
        name = turn.pending[decision.tool_call_id].name
        for call_id in open_ids if decision.is_for_always else ():
            if turn.pending[call_id].name == name:
                decisions.setdefault(call_id, decision)
    for call_id in decisions:
        if turn.held[call_id].decided_by == "operator" and by.kind != "operator":
            raise MayNotDecide(
                f"An operator decides about call {call_id!r}, not the end user. Send the decision "
                "without End-User, or wait for an operator's."
            )
    return [
        event
        for call_id, decision in decisions.items()
        for event in _decision(turn, call_id, decision, by, submission.now)
    ]


def _is_same_decision(state: SessionState, given: ToolDecision) -> bool:
    stored = state.calls.decided.get(given.tool_call_id)
    return stored is not None and (
        (stored.is_allowed, stored.is_for_always) == (given.is_allowed, given.is_for_always)
    )


def _may_be_held(submission: _Submission, call_id: str) -> bool:
    """Tell whether a call that is not held now was held before, or may be shortly."""
    state, turn = submission.state, submission.turn
    if turn is not None and call_id in turn.pending:
        begun = call_id in turn.started_calls or call_id in turn.asked
        return call_id in state.calls.decided or not begun
    return (
        call_id in state.calls.decided
        or call_id in state.calls.unanswered
        or call_id not in submission.results
    )


def _decision(
    turn: OpenTurn, call_id: str, decision: ToolDecision, by: Decider, now: int
) -> list[NewEvent]:
    data = {
        "tool_call_id": call_id,
        "name": turn.pending[call_id].name,
        "status": "allowed" if decision.is_allowed else "rejected",
        **({"always": True} if decision.is_for_always else {}),
        **({"reason": decision.reason} if decision.reason else {}),
        "decided_by": by.wire(),
    }
    decided = NewEvent(EventType.TOOL_APPROVAL, data, turn_context(turn))
    if decision.is_allowed:
        return [decided]
    return [decided, answer(turn, error(call_id, rejection(decision.reason)), now)]


def _status_after(state: SessionState, events: Collection[NewEvent]) -> SessionStatus:
    turn = state.turn
    if turn is None or not events:
        return state.status
    touched = {event.data["tool_call_id"] for event in events}
    answered = {event.data["tool_call_id"] for event in events if "success" in event.data}
    left = turn.pending.keys() - answered
    waiting = turn.waiting.keys() - touched
    waits = bool(left & waiting) and left <= waiting | turn.asleep.keys()
    return "waitingfortoolresults" if waits else "active"
