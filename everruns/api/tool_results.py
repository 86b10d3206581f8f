"""The route by which a client answers the calls of its own tools.

Source: docs/contract.md, "Client-side tools".
"""

from fastapi import APIRouter

from everruns.api.faces import Face
from everruns.api.parameters import SessionId, TheRuntime
from everruns.domain.tools import Submitted, ToolResults


async def submit_tool_results(
    session_id: SessionId, submission: ToolResults, runtime: TheRuntime
) -> Submitted:
    """Answer calls of client-side tools; with the last of them the turn goes on."""
    return await runtime.submit(session_id, submission.tool_results)


def add_routes(router: APIRouter, _face: Face) -> None:
    """Add the route to a face."""
    router.post("/sessions/{session_id}/tool-results")(submit_tool_results)
