"""Input from outside: results, answers and decisions, each judged by the log and then stored.

A client that gets no response, or a server whose session host was lost, sends its input again.
Input that the log already has is accepted and changes nothing. Otherwise the error says
whether it came too early or too late, differs from what is stored, or names an unknown call.

Source: docs/contract.md, "Waiting".
"""

from collections.abc import Collection
from dataclasses import dataclass

from everruns.domain.approvals import Decider, ToolApprovals
from everruns.domain.events import NewEvent
from everruns.domain.questions import QuestionAnswers
from everruns.domain.sessions import SessionStatus
from everruns.domain.state import SessionState
from everruns.domain.tools import ToolResults
from everruns.runtime.session import LiveSession
from everruns.runtime.submission import ExternalInput, Submission
from everruns.runtime.submitted_answers import replied
from everruns.runtime.submitted_decisions import decided
from everruns.runtime.submitted_results import submitted


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


async def take(
    session: LiveSession, given: ExternalInput, by: Decider, *, is_repeated: bool = False
) -> Accepted:
    """Store input that a session's turn waits for; see ``accept``.

    Args:
        session: The session, with all messages of its history in memory.
        given: The input.
        by: Who gives it.
        is_repeated: Whether a lost host may already have stored it.
    """
    accepted: list[Accepted] = []

    def build(state: SessionState, now: int) -> list[NewEvent]:
        events, outcome = accept(state, given, by, now, is_repeated=is_repeated)
        accepted.append(outcome)
        return events

    await session.append(build)
    return accepted[-1]


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
    submission = Submission(state, given, now)
    match given:
        case ToolResults():
            events = submitted(submission, given)
        case QuestionAnswers():
            events = replied(submission, given, is_repeated=is_repeated)
        case ToolApprovals():
            events = decided(submission, given, by)
    touched = {event.data["tool_call_id"] for event in events}
    return events, Accepted(len(touched), len(submission.before), _status_after(state, events))


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
