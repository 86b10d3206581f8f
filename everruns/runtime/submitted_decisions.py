"""Decisions about calls that are held for approval."""

from everruns.domain.approvals import Decider, ToolApprovals, ToolDecision
from everruns.domain.events import EventType, NewEvent
from everruns.domain.state import SessionState
from everruns.domain.turns import OpenTurn, turn_context
from everruns.errors import MayNotDecide
from everruns.runtime.submission import Submission
from everruns.runtime.waiting import answer, error


def rejection(reason: str | None = None) -> str:
    """Return what the model reads in place of the result of a call that was rejected."""
    given = f" The reason given: {reason}" if reason else ""
    return f"This call was rejected. Do not make it again; ask how to proceed.{given}"


def decided(submission: Submission, given: ToolApprovals, by: Decider) -> list[NewEvent]:
    """Return the events of decisions; see ``external_input.accept`` for what is raised.

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


def _may_be_held(submission: Submission, call_id: str) -> bool:
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
