"""Routes of sessions.

Source: docs/contract.md, "Resources", Session, and "Turns".
"""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import Query, Request, Response

from everruns.api.http.access import check_controls, check_fork, session_in_scope, without_history
from everruns.api.http.answers import answer
from everruns.api.http.input import is_strict
from everruns.api.http.parameters import (
    DEFAULT_LIMIT,
    MAX_OFFSET,
    AgentId,
    Limit,
    Offset,
    SessionId,
    TheRuntime,
    runtime_of,
)
from everruns.api.http.reads import TRACEPARENT_PARAMETER, Reads
from everruns.api.http.requests import id_of, read_body, read_key, read_traceparent
from everruns.api.http.routes import Routes
from everruns.api.http.senders import TheGrant
from everruns.api.http.session_query import WantedSessions
from everruns.domain.base import Model, Page
from everruns.domain.forks import ForkInput
from everruns.domain.forms import id_form
from everruns.domain.model_context import ModelContext
from everruns.domain.retries import RetriedTurn, RetryInput
from everruns.domain.sessions import Session, SessionInput, SessionPatch
from everruns.errors import AgentNotFound, InvalidRequest

EXAMPLE = {"title": "First talk", "model_id": "simulated/simulated-1"}
FORK_EXAMPLE = {"sequence": 12, "inside_turn": "before", "title": "Another way"}
RETRY_EXAMPLE = {"controls": {"model_id": "simulated/simulated-1"}}

NOTHING = b"{}"

routes = Routes("sessions")


class Cancelled(Model):
    """Whether a turn was open."""

    status: Literal["cancelled", "no_op"]


@routes.add("GET /sessions", "read", keeps_scope=True)
async def list_sessions(
    runtime: TheRuntime,
    wanted: WantedSessions,
    grant: TheGrant,
    agent_id: Annotated[
        str | None,
        Query(pattern=id_form("agent"), description="Only sessions of this agent."),
    ] = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Session]:
    """List sessions, newest first unless sorted otherwise."""
    query = replace(wanted, agent_id=agent_id, within=grant, offset=offset, limit=limit)
    return await runtime.sessions.list(query)


@routes.add(
    "POST /sessions",
    "create_sessions",
    keeps_scope=True,
    status_code=201,
    response_model=Session,
    reads=Reads(SessionInput, {"titled": EXAMPLE}, is_required=False, is_keyed=True),
)
async def create_session(request: Request) -> Response:
    """Create a session, with an agent (`agent_id` or `agent_name`) or without one."""
    wanted = await read_body(request, SessionInput, NOTHING)
    if is_strict(request) and wanted.agent_id is not None and wanted.agent_name is not None:
        raise InvalidRequest("agent_name: give either agent_id or agent_name")
    wanted = await session_in_scope(request, wanted)
    sessions = runtime_of(request).sessions
    return answer(await sessions.create(wanted, await read_key(request)))


@routes.add(
    "POST /sessions/{session_id}/fork",
    "create_sessions",
    status_code=201,
    response_model=Session,
    responses={409: {"description": "Conflict"}},
    reads=Reads(
        ForkInput,
        {"before a turn": FORK_EXAMPLE},
        is_required=False,
        ids=["session"],
        is_keyed=True,
    ),
)
async def fork_session(request: Request) -> Response:
    """Create a session with the history of another one, up to an event where no turn is open."""
    session_id = id_of(request, "session")
    wanted = await read_body(request, ForkInput, NOTHING)
    await check_fork(request, session_id, wanted)
    fork = await runtime_of(request).sessions.fork(session_id, wanted, await read_key(request))
    return answer(without_history(request, fork))


@routes.add("GET /agents/{agent_id}/sessions", "read")
async def list_agent_sessions(
    agent_id: AgentId,
    runtime: TheRuntime,
    wanted: WantedSessions,
    grant: TheGrant,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Session]:
    """List an agent's sessions, newest first; this works for archived agents too."""
    if await runtime.agents.find(agent_id) is None:
        raise AgentNotFound(f"Agent {agent_id} not found")
    query = replace(wanted, agent_id=agent_id, within=grant, offset=offset, limit=limit)
    return await runtime.sessions.list(query)


@routes.add(
    "POST /agents/{agent_id}/sessions",
    "create_sessions",
    status_code=201,
    response_model=Session,
    reads=Reads(SessionInput, {"titled": EXAMPLE}, is_required=False, ids=["agent"], is_keyed=True),
)
async def create_agent_session(request: Request) -> Response:
    """Create a session of an agent."""
    wanted = await read_body(request, SessionInput, NOTHING)
    agent_id = id_of(request, "agent")
    is_of_another = wanted.agent_id not in (None, agent_id) or wanted.agent_name is not None
    if is_strict(request) and is_of_another:
        raise InvalidRequest("agent_id: the path names the agent. Leave it out of the body")
    of_agent = {"agent_id": agent_id, "agent_name": None}
    wanted = await session_in_scope(request, wanted.model_copy(update=of_agent))
    sessions = runtime_of(request).sessions
    return answer(await sessions.create(wanted, await read_key(request)))


@routes.add("GET /sessions/{session_id}", "read")
async def get_session(session_id: SessionId, runtime: TheRuntime) -> Session:
    """Read a session, with what its turn waits for."""
    session = await runtime.sessions.get(session_id)
    return await runtime.sessions.with_waits(session)


@routes.add(
    "GET /sessions/{session_id}/context",
    "read",
    responses={409: {"description": "Conflict"}},
)
async def get_context(
    session_id: SessionId,
    runtime: TheRuntime,
    grant: TheGrant,
    offset: Annotated[
        int | None,
        Query(
            ge=0,
            le=MAX_OFFSET,
            description="Number of messages to skip; without it, the last page.",
        ),
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> ModelContext:
    """Read what the session's model would be shown at its next call, with its tokens."""
    shown = await runtime.sessions.context(session_id, offset, limit)
    may_read_agents = grant is None or "read_agents" in grant.rights
    return shown if may_read_agents else shown.without_instructions()


@routes.add("PATCH /sessions/{session_id}", "manage_sessions")
async def update_session(
    session_id: SessionId, patch: SessionPatch, runtime: TheRuntime, grant: TheGrant
) -> Session:
    """Change the given fields; a running turn sees the change at its next step."""
    if grant is not None:
        grant.check_session_fields(patch.model_fields_set)
    return await runtime.sessions.update(session_id, patch)


@routes.add("DELETE /sessions/{session_id}", "manage_sessions", status_code=204)
async def delete_session(session_id: SessionId, runtime: TheRuntime) -> None:
    """Delete a session: end its turn and its streams, and free its resources."""
    await runtime.sessions.delete(session_id)


@routes.add("POST /sessions/{session_id}/cancel", "send")
async def cancel_session(session_id: SessionId, runtime: TheRuntime) -> Cancelled:
    """Cancel the session's turn within a second; the text streamed so far is kept."""
    ended = await runtime.sessions.cancel(session_id)
    return Cancelled(status="cancelled" if ended else "no_op")


@routes.add(
    "POST /sessions/{session_id}/retry",
    "send",
    status_code=201,
    response_model=RetriedTurn,
    responses={409: {"description": "Conflict"}},
    reads=Reads(
        RetryInput,
        {"with another model": RETRY_EXAMPLE},
        is_required=False,
        ids=["session"],
        parameters=[TRACEPARENT_PARAMETER],
        is_keyed=True,
    ),
)
async def retry_turn(request: Request) -> Response:
    """Retry the last turn: what it said leaves the conversation, and a new turn reads its input."""
    session_id = id_of(request, "session")
    wanted = await read_body(request, RetryInput, NOTHING)
    check_controls(request, wanted.controls)
    retry = runtime_of(request).sessions.retry
    key, traceparent = await read_key(request), read_traceparent(request)
    return answer(await retry(session_id, wanted.controls, key, traceparent))
