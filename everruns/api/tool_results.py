"""The routes by which a client answers the calls of its own tools and its user's questions.

Source: docs/contract.md, "Client-side tools" and "Questions".
"""

from fastapi import APIRouter

from everruns.api.faces import Face
from everruns.api.parameters import SessionId, TheRuntime
from everruns.domain.questions import Answered, QuestionAnswers
from everruns.domain.tools import Submitted, ToolResults


async def submit_tool_results(
    session_id: SessionId, submission: ToolResults, runtime: TheRuntime
) -> Submitted:
    """Answer calls of client-side tools; with the last of them the turn goes on."""
    return await runtime.submit(session_id, submission.tool_results)


async def answer_questions(
    session_id: SessionId, given: QuestionAnswers, runtime: TheRuntime
) -> Answered:
    """Answer the questions that the agent asked with `ask_user`; the turn goes on."""
    return await runtime.reply(session_id, given)


def add_routes(router: APIRouter, _face: Face) -> None:
    """Add the routes to a face."""
    router.post("/sessions/{session_id}/tool-results")(submit_tool_results)
    router.post("/sessions/{session_id}/question-answers")(answer_questions)
