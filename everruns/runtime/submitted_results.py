"""Results that a client sends for the calls of its tools."""

from everruns.domain.events import NewEvent
from everruns.domain.messages import ToolResultPart
from everruns.domain.tools import ToolResult, ToolResults
from everruns.errors import InvalidRequest
from everruns.runtime.submission import Submission
from everruns.runtime.waiting import answer


def submitted(submission: Submission, given: ToolResults) -> list[NewEvent]:
    """Return the events of results; see ``external_input.accept`` for what is raised."""
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
