"""Routes for the input that a turn waits for: tool results, answers and approvals.

Source: docs/contract.md, "Waiting".
"""

from fastapi import APIRouter

from everruns.api.http.faces import Face
from everruns.api.http.parameters import SessionId, TheRuntime
from everruns.api.routes.deciders import TheDecider
from everruns.domain.approvals import Decided, ToolApprovals
from everruns.domain.questions import Answered, QuestionAnswers
from everruns.domain.tools import Submitted, ToolResults


async def submit_tool_results(
    session_id: SessionId, submission: ToolResults, runtime: TheRuntime, by: TheDecider
) -> Submitted:
    """Send results of client-side tool calls; after the last one the turn continues."""
    taken = await runtime.take(session_id, submission, by)
    return Submitted(
        accepted=taken.accepted, already_stored=taken.already_stored, status=taken.status
    )


async def answer_questions(
    session_id: SessionId, given: QuestionAnswers, runtime: TheRuntime, by: TheDecider
) -> Answered:
    """Answer the questions that the agent asked with `ask_user`; the turn then continues."""
    taken = await runtime.take(session_id, given, by)
    return Answered(
        status=given.status, already_stored=taken.already_stored, session_status=taken.status
    )


async def decide_tool_calls(
    session_id: SessionId, approvals: ToolApprovals, runtime: TheRuntime, by: TheDecider
) -> Decided:
    """Allow or reject tool calls that are held for approval; allowed calls run."""
    taken = await runtime.take(session_id, approvals, by)
    return Decided(
        accepted=taken.accepted,
        already_stored=taken.already_stored,
        session_status=taken.status,
    )


def add_routes(router: APIRouter, _face: Face) -> None:
    """Add the routes to a face."""
    router.post("/sessions/{session_id}/tool-results")(submit_tool_results)
    router.post("/sessions/{session_id}/question-answers")(answer_questions)
    router.post("/sessions/{session_id}/tool-approvals")(decide_tool_calls)
