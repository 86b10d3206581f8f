"""Earlier input from outside: results, answers and decisions that are already in the log.

A client that gets no response, or a server whose session host was lost, sends its input again.
Input that the log already has is accepted and changes nothing; different input is a conflict.

Source: docs/contract.md, "Client-side tools", "Questions" and "Approvals".
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from everruns.domain.approvals import ToolApprovals, ToolDecision
from everruns.domain.messages import ToolResultPart
from everruns.domain.questions import QuestionAnswers, are_questions, result_of
from everruns.domain.state import Decided, SessionState
from everruns.domain.tools import ToolCall, ToolResult, ToolResults
from everruns.errors import Conflict, InvalidRequest

Given = ToolResults | QuestionAnswers | ToolApprovals


@dataclass(frozen=True)
class StoredBefore:
    """What the log already has of some input.

    Attributes:
        same: The ids of calls that were answered or decided identically.
        other: The ids of calls that were answered or decided differently.
    """

    same: Set[str]
    other: Set[str]

    def is_all_of(self, given: Given, *, again: bool) -> bool:
        """Tell whether everything is already stored.

        Args:
            given: The input.
            again: Whether answers without a call's id can belong to questions answered before;
                otherwise they belong to open questions.
        """
        match given:
            case ToolResults():
                return {result.tool_call_id for result in given.tool_results} == self.same
            case ToolApprovals():
                return {decision.tool_call_id for decision in given.decisions} == self.same
            case QuestionAnswers():
                return bool(self.same) and (again or given.tool_call_id is not None)

    def refuse_others(self) -> None:
        """Refuse input that differs from what is stored.

        Raises:
            Conflict: Some of it differs.
        """
        if self.other:
            raise Conflict(f"Call {min(self.other)!r} was already answered differently")


def stored_before(state: SessionState, given: Given) -> StoredBefore:
    """Return what the log already has of some input."""
    match given:
        case ToolResults():
            results = _results(state)
            there = [one for one in given.tool_results if one.tool_call_id in results]
            return _compared(
                {one.tool_call_id: _is_result(results[one.tool_call_id], one) for one in there}
            )
        case ToolApprovals():
            known = [one for one in given.decisions if one.tool_call_id in state.decided]
            return _compared(
                {
                    one.tool_call_id: _is_decision(state.decided[one.tool_call_id], one)
                    for one in known
                }
            )
        case QuestionAnswers():
            return _questions_answered(state, given)


def _compared(is_same: Mapping[str, bool]) -> StoredBefore:
    same = {call_id for call_id, is_so in is_same.items() if is_so}
    return StoredBefore(same, is_same.keys() - same)


def _questions_answered(state: SessionState, given: QuestionAnswers) -> StoredBefore:
    """Compare with the named questions or, without a name, with those answered last."""
    results = _results(state)
    calls = {call.id: call for message in state.history for call in message.tool_calls}
    answered = [
        call_id for call_id in results if call_id in calls and are_questions(calls[call_id])
    ]
    wanted = given.tool_call_id or next(reversed(answered), None)
    if wanted not in answered:
        return StoredBefore(frozenset(), frozenset())
    return _compared({wanted: _is_answer(results[wanted], calls[wanted], given)})


def _results(state: SessionState) -> dict[str, ToolResultPart]:
    return {
        part.tool_call_id: part
        for message in state.history
        for part in message.content
        if isinstance(part, ToolResultPart)
    }


def _is_result(stored: ToolResultPart, given: ToolResult) -> bool:
    if given.error is not None:
        return stored.error == given.error
    return stored.error is None and stored.result == given.result


def _is_decision(stored: Decided, given: ToolDecision) -> bool:
    return stored == Decided(given.is_allowed, given.is_for_always)


def _is_answer(stored: ToolResultPart, call: ToolCall, given: QuestionAnswers) -> bool:
    try:
        return stored.result == result_of(call.arguments, given)
    except InvalidRequest:
        return False
