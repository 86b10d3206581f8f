"""Input from outside next to the log: which of its calls are open, and why another is refused.

Source: docs/contract.md, "Waiting".
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from everruns.domain.approvals import ToolApprovals
from everruns.domain.messages import ToolResultPart
from everruns.domain.questions import QuestionAnswers
from everruns.domain.state import SessionState
from everruns.domain.tools import ToolCall, ToolResults
from everruns.domain.turns import OpenTurn
from everruns.domain.waits import Unanswered
from everruns.errors import CallClosed, Conflict, EverrunsError, NotWaiting, UnknownCall

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


def not_waiting(session_id: str, given: ExternalInput) -> NotWaiting:
    """Build the error for input that comes before anything was asked."""
    return NotWaiting(
        f"Session {session_id} is not waiting for {_NAMES[type(given)]} yet. Try again when it is."
    )


@dataclass
class Submission:
    """One piece of input and the log that it is judged by.

    Attributes:
        state: The session's state.
        given: The input.
        now: The time in ms.
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
        """The session's open turn, if any."""
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
