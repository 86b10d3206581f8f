"""Routes of sessions.

Source: docs/contract.md, "Resources", Session, and "Turns".
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from everruns.api.faces import SDK, Face
from everruns.api.parameters import (
    DEFAULT_LIMIT,
    AgentId,
    Limit,
    Offset,
    Search,
    SessionId,
    TheRuntime,
    listing,
    runtime_of,
)
from everruns.api.plain import answer, document, id_of, read_body, read_key
from everruns.domain.base import Model, Page
from everruns.domain.forms import id_form
from everruns.domain.sessions import Session, SessionInput
from everruns.errors import AgentNotFound
from everruns.storage.base import ListQuery

EXAMPLE = {"title": "First talk", "model_id": "simulated/simulated-1"}

NOTHING = b"{}"


class SharingSessionInput(SessionInput):
    """Creates a session, optionally in a shared workspace."""

    workspace_id: Annotated[str, Field(pattern=id_form("workspace"))] | None = None


class Cancelled(Model):
    """Whether a turn was open."""

    status: Literal["cancelled", "no_op"]


async def list_sessions(
    runtime: TheRuntime,
    agent_id: Annotated[
        str | None,
        Query(pattern=id_form("agent"), description="Only sessions of this agent."),
    ] = None,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Session]:
    """List sessions, newest first."""
    query = ListQuery(search=search, agent_id=agent_id, offset=offset, limit=limit)
    return await runtime.registry.sessions.list(query)


async def create_session(request: Request) -> Response:
    """Create a session, with an agent (`agent_id` or `agent_name`) or without one."""
    wanted = await read_body(request, SessionInput, NOTHING)
    sessions = runtime_of(request).registry.sessions
    return answer(await sessions.create(wanted, await read_key(request)))


async def create_sharing_session(request: Request) -> Response:
    """Create a session, with or without an agent, optionally in a shared workspace."""
    wanted = await read_body(request, SharingSessionInput, NOTHING)
    create = runtime_of(request).registry.sessions.create
    return answer(await create(wanted, await read_key(request), workspace_id=wanted.workspace_id))


async def list_agent_sessions(
    agent_id: AgentId,
    runtime: TheRuntime,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Session]:
    """List an agent's sessions, newest first; this works for archived agents too."""
    if await runtime.registry.agents.find(agent_id) is None:
        raise AgentNotFound(f"Agent {agent_id} not found")
    query = ListQuery(search=search, agent_id=agent_id, offset=offset, limit=limit)
    return await runtime.registry.sessions.list(query)


async def create_agent_session(request: Request) -> Response:
    """Create a session of an agent."""
    wanted = await read_body(request, SessionInput, NOTHING)
    of_agent = {"agent_id": id_of(request, "agent"), "agent_name": None}
    sessions = runtime_of(request).registry.sessions
    return answer(
        await sessions.create(wanted.model_copy(update=of_agent), await read_key(request))
    )


async def get_session(session_id: SessionId, runtime: TheRuntime) -> Session:
    """Read a session."""
    return await runtime.registry.sessions.get(session_id)


async def delete_session(session_id: SessionId, runtime: TheRuntime) -> None:
    """Delete a session: end its turn and its streams, and free its resources."""
    await runtime.delete_session(session_id)


async def cancel_session(session_id: SessionId, runtime: TheRuntime) -> Cancelled:
    """Cancel the session's turn within a second; the text streamed so far is kept."""
    ended = await runtime.cancel(session_id)
    return Cancelled(status="cancelled" if ended else "no_op")


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes of sessions to a face."""
    shares = face is SDK
    at_agent, at_session = "/agents/{agent_id}/sessions", "/sessions/{session_id}"
    example = {"titled": EXAMPLE}
    router.get("/sessions")(listing(face, list_sessions))
    router.post(
        "/sessions",
        name="create_session",
        status_code=201,
        response_model=Session,
        openapi_extra=document(
            SharingSessionInput if shares else SessionInput, example, is_required=False
        ),
    )(create_sharing_session if shares else create_session)
    router.get(at_agent)(listing(face, list_agent_sessions))
    router.post(
        at_agent,
        status_code=201,
        response_model=Session,
        openapi_extra=document(SessionInput, example, ids=["agent"], is_required=False),
    )(create_agent_session)
    router.get(at_session)(get_session)
    router.delete(at_session, status_code=204)(delete_session)
    router.post(f"{at_session}/cancel")(cancel_session)
