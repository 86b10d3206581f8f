"""Routes for the input that a turn waits for: tool results, answers and approvals.

Source: docs/contract.md, "Waiting".
"""

from everruns.api.http.parameters import SessionId, TheRuntime
from everruns.api.http.routes import Routes
from everruns.api.http.senders import TheDecider
from everruns.domain.approvals import Decided, ToolApprovals
from everruns.domain.questions import Answered, QuestionAnswers
from everruns.domain.tools import Submitted, ToolResults

routes = Routes("tool_results")


@routes.add("POST /sessions/{session_id}/tool-results", "run_tools")
async def submit_tool_results(
    session_id: SessionId, submission: ToolResults, runtime: TheRuntime, by: TheDecider
) -> Submitted:
    """Send results of client-side tool calls; after the last one the turn continues."""
    taken = await runtime.sessions.take(session_id, submission, by)
    return Submitted(
        accepted=taken.accepted, already_stored=taken.already_stored, status=taken.status
    )


@routes.add("POST /sessions/{session_id}/question-answers", "answer")
async def answer_questions(
    session_id: SessionId, given: QuestionAnswers, runtime: TheRuntime, by: TheDecider
) -> Answered:
    """Answer the questions that the agent asked with `ask_user`; the turn then continues."""
    taken = await runtime.sessions.take(session_id, given, by)
    return Answered(
        status=given.status, already_stored=taken.already_stored, session_status=taken.status
    )


@routes.add("POST /sessions/{session_id}/tool-approvals", "decide")
async def decide_tool_calls(
    session_id: SessionId, approvals: ToolApprovals, runtime: TheRuntime, by: TheDecider
) -> Decided:
    """Allow or reject tool calls that are held for approval; allowed calls run."""
    taken = await runtime.sessions.take(session_id, approvals, by)
    return Decided(
        accepted=taken.accepted,
        already_stored=taken.already_stored,
        session_status=taken.status,
    )
