"""The routes by which a client answers what a turn waits for: results, answers and approvals.

Source: docs/contract.md, "Client-side tools", "Questions" and "Approvals".
"""

from fastapi import APIRouter

from everruns.api.faces import Face
from everruns.api.parameters import SessionId, TheRuntime
from everruns.domain.approvals import Decided, ToolApprovals
from everruns.domain.questions import Answered, QuestionAnswers
from everruns.domain.tools import Submitted, ToolResults


async def submit_tool_results(
    session_id: SessionId, submission: ToolResults, runtime: TheRuntime
) -> Submitted:
    """Answer calls of client-side tools; with the last of them the turn goes on."""
    taken = await runtime.take(session_id, submission)
    return Submitted(accepted=taken.accepted, status=taken.status)


async def answer_questions(
    session_id: SessionId, given: QuestionAnswers, runtime: TheRuntime
) -> Answered:
    """Answer the questions that the agent asked with `ask_user`; the turn goes on."""
    taken = await runtime.take(session_id, given)
    return Answered(status=given.status, session_status=taken.status)


async def decide_tool_calls(
    session_id: SessionId, approvals: ToolApprovals, runtime: TheRuntime
) -> Decided:
    """Allow or reject tool calls that are held for approval; those allowed run."""
    taken = await runtime.take(session_id, approvals)
    return Decided(accepted=taken.accepted, session_status=taken.status)


def add_routes(router: APIRouter, _face: Face) -> None:
    """Add the routes to a face."""
    router.post("/sessions/{session_id}/tool-results")(submit_tool_results)
    router.post("/sessions/{session_id}/question-answers")(answer_questions)
    router.post("/sessions/{session_id}/tool-approvals")(decide_tool_calls)
