"""Access: which right each route needs, and whether what a request names is in its scope.

This is the only place that decides it. A route that is not in the table is for API keys without
limits, so a new route is closed until it is declared here.

Source: docs/contract.md, "Who may do what".
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from everruns.api.http.auth import has_query_token, misplaced_token, principal_of
from everruns.api.http.body import JsonRoute, StrictRoute
from everruns.api.http.parameters import runtime_of
from everruns.api.http.requests import id_of
from everruns.domain.controls import Controls
from everruns.domain.rights import Grant, Principal, Right
from everruns.domain.sessions import SessionInput
from everruns.domain.workspaces import owner_id
from everruns.errors import (
    AgentNotFound,
    Forbidden,
    InvalidRequest,
    SessionNotFound,
    WorkspaceNotFound,
)
from everruns.ids import is_id

NEEDS: Mapping[str, Right] = {
    "GET /agents": "read_agents",
    "GET /agents/{agent_id}": "read_agents",
    "GET /agents/{agent_id}/export": "read_agents",
    "GET /agents/{agent_id}/sessions": "read",
    "POST /agents/{agent_id}/sessions": "create_sessions",
    "GET /sessions": "read",
    "POST /sessions": "create_sessions",
    "GET /sessions/{session_id}": "read",
    "PATCH /sessions/{session_id}": "manage_sessions",
    "DELETE /sessions/{session_id}": "manage_sessions",
    "POST /sessions/{session_id}/retry": "send",
    "POST /sessions/{session_id}/cancel": "send",
    "GET /sessions/{session_id}/messages": "read",
    "POST /sessions/{session_id}/messages": "send",
    "GET /sessions/{session_id}/export": "read",
    "GET /sessions/{session_id}/events": "read",
    "GET /sessions/{session_id}/events/list": "read",
    "GET /sessions/{session_id}/sse": "read",
    "POST /sessions/{session_id}/tool-results": "run_tools",
    "POST /sessions/{session_id}/question-answers": "answer",
    "POST /sessions/{session_id}/tool-approvals": "decide",
    "GET /channels/{channel}": "read",
    "GET /channels/{channel}/sessions": "read",
    "POST /channels/{channel}/sessions": "create_sessions",
    "GET /channels/{channel}/sessions/{session_id}": "read",
    "POST /channels/{channel}/sessions/{session_id}/cancel": "send",
    "POST /channels/{channel}/sessions/{session_id}/messages": "send",
    "GET /channels/{channel}/sessions/{session_id}/events": "read",
    "GET /channels/{channel}/sessions/{session_id}/events/list": "read",
    "GET /channels/{channel}/sessions/{session_id}/sse": "read",
    "POST /channels/{channel}/sessions/{session_id}/tool-results": "run_tools",
    "POST /channels/{channel}/sessions/{session_id}/question-answers": "answer",
    "POST /channels/{channel}/sessions/{session_id}/tool-approvals": "decide",
    "GET /workspaces/{workspace_id}": "read",
    "GET /workspaces/{workspace_id}/fs": "read",
    "GET /workspaces/{workspace_id}/fs/{path}": "read",
    "GET /workspaces/{workspace_id}/raw/{path}": "read",
    "PUT /workspaces/{workspace_id}/raw/{path}": "files",
    "POST /workspaces/{workspace_id}/fs/{path}": "files",
    "PUT /workspaces/{workspace_id}/fs/{path}": "files",
    "DELETE /workspaces/{workspace_id}/fs/{path}": "files",
    "POST /workspaces/{workspace_id}/fs/_/move": "files",
    "POST /workspaces/{workspace_id}/fs/_/copy": "files",
    "POST /workspaces/{workspace_id}/fs/_/grep": "read",
    "POST /workspaces/{workspace_id}/fs/_/stat": "read",
}
"""The right that each route needs, by its method and its path on either face."""

FOR_KEYS = frozenset({"POST /access-tokens", "POST /channels/{channel}/runtime-auth"})
"""Routes for every API key, limited or not: they pass on what the key itself may do."""

STREAMS = frozenset(
    {
        "GET /v1/sessions/{session_id}/events",
        "GET /v1/sessions/{session_id}/sse",
        "GET /v1/channels/{channel}/sessions/{session_id}/events",
        "GET /api/v1/sessions/{session_id}/sse",
        "GET /api/v1/channels/{channel}/sessions/{session_id}/sse",
    }
)
"""Routes that take an access token in the query, because ``EventSource`` sends no header."""

SCOPED_BY_THEMSELVES = frozenset(
    {"GET /agents", "GET /sessions", "POST /sessions", "POST /access-tokens"}
)
"""Routes that name nothing in their path and keep to the scope in what they do."""


class GuardedRoute(JsonRoute):
    """A route that lets pass whoever may use it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A route of several methods is in no table, and so is closed.
        method = " ".join(sorted(self.methods or ()))
        self.is_stream = f"{method} {self.path_format}" in STREAMS
        self.operation = f"{method} {self.path_format.removeprefix('/api').removeprefix('/v1')}"
        self.is_for_keys = self.operation in FOR_KEYS
        self.right: Right | None = NEEDS.get(self.operation)
        if self.right or self.is_for_keys:
            named = {"{" + name + "}" for name in CHECKS}
            if not (
                self.operation in SCOPED_BY_THEMSELVES or named & set(self.operation.split("/"))
            ):
                raise ValueError(f"Nothing in the path of {self.operation} is checked.")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that serves one request."""
        handle = super().get_route_handler()

        async def handle_guarded(request: Request) -> Response:
            await self._admit(request)
            return await handle(request)

        return handle_guarded

    async def _admit(self, request: Request) -> None:
        """Let the request pass.

        Raises:
            Unauthorized: Its access token is in the query, and this is not a stream.
            Forbidden: It lacks the right.
            NotFound: What it names is out of its scope; its existence is not revealed.
        """
        if has_query_token(request.scope) and not self.is_stream:
            raise misplaced_token()
        principal = principal_of(request.scope)
        if principal.grant is None:
            return
        if self.is_for_keys and principal.has_token:
            raise Forbidden("An access token makes no others. Use the API key.")
        if self.right is not None:
            principal.grant.require(self.right)
        elif not self.is_for_keys:
            raise Forbidden("This is only for API keys without limits.")
        for name in request.path_params.keys() & CHECKS.keys():
            await CHECKS[name](request, principal.grant)


class StrictGuardedRoute(GuardedRoute, StrictRoute):
    """A guarded route that refuses fields and query parameters that it does not know."""


async def _check_session(request: Request, grant: Grant) -> None:
    session_id = id_of(request, "session")
    if not await _covers(request, grant, session_id):
        raise SessionNotFound(f"Session {session_id} not found")


async def _check_agent(request: Request, grant: Grant) -> None:
    agent_id = id_of(request, "agent")
    if agent_id not in grant.agent_ids:
        raise AgentNotFound(f"Agent {agent_id} not found")


async def _check_workspace(request: Request, grant: Grant) -> None:
    """Check that a session in scope owns the workspace; shared ones are in no scope."""
    workspace_id = id_of(request, "workspace")
    not_found = WorkspaceNotFound(f"Workspace {workspace_id} not found")
    try:
        is_covered = await _covers(request, grant, owner_id(workspace_id))
    except SessionNotFound:
        raise not_found from None
    if not is_covered:
        raise not_found


async def _check_channel(request: Request, grant: Grant) -> None:
    """Check the channel's agent, and that its end user is that of the grant."""
    channel: str = request.path_params["channel"]
    if is_id(channel, "agent"):
        if channel not in grant.agent_ids:
            raise AgentNotFound(f"Agent {channel} not found")
    elif not await _has_name(request, grant, channel):
        raise AgentNotFound(f"No agent is named {channel[:64]!r}")
    end_user = request.headers.get("end-user")
    if grant.end_user is not None and end_user not in (None, grant.end_user):
        raise Forbidden("End-User: the access token is for another end user. Leave it out.")


CHECKS: Mapping[str, Callable[[Request, Grant], Coroutine[Any, Any, None]]] = {
    "agent_id": _check_agent,
    "channel": _check_channel,
    "session_id": _check_session,
    "workspace_id": _check_workspace,
}
"""What is checked of the names in a path."""


async def _covers(request: Request, grant: Grant, session_id: str) -> bool:
    if grant.session_id is not None:
        return grant.session_id == session_id
    return grant.covers(await runtime_of(request).registry.sessions.get(session_id))


async def _has_name(request: Request, grant: Grant, name: str) -> bool:
    agents = runtime_of(request).registry.agents
    try:
        agent = await agents.get_by_name(name[:LONGEST_LOOKED_UP])
    except AgentNotFound:
        return False
    return agent.id in grant.agent_ids


# Longer than any name, so that a cut one is nobody's.
LONGEST_LOOKED_UP = 2 * 1024 + 1


async def _principal(request: Request) -> Principal:
    return principal_of(request.scope)


ThePrincipal = Annotated[Principal, Depends(_principal)]


async def _grant(request: Request) -> Grant | None:
    return principal_of(request.scope).grant


TheGrant = Annotated[Grant | None, Depends(_grant)]


async def session_in_scope(request: Request, wanted: SessionInput) -> SessionInput:
    """Return a session to create, with its agent and the end user it is for.

    A sender with limits creates sessions of its agents as they are. An access token of an end user
    creates sessions of this user alone.

    Raises:
        Forbidden: It would change the agent, or is for another end user.
        InvalidRequest: It names no agent.
        AgentNotFound: The agent does not exist or is out of scope.
    """
    grant = principal_of(request.scope).grant
    if grant is None:
        return wanted
    grant.check_session_fields(wanted.model_fields_set)
    if grant.end_user is not None and wanted.end_user not in (None, grant.end_user):
        raise Forbidden("end_user: the access token is for another end user. Leave it out.")
    agent_id = wanted.agent_id
    if agent_id is None and wanted.agent_name is not None:
        agents = runtime_of(request).registry.agents
        agent_id = (await agents.get_by_name(wanted.agent_name)).id
        if agent_id not in grant.agent_ids:
            raise AgentNotFound(f"No agent is named {wanted.agent_name!r}")
    if agent_id is None:
        raise InvalidRequest("agent_id: is required with this API key or access token")
    if agent_id not in grant.agent_ids:
        raise AgentNotFound(f"Agent {agent_id} not found")
    end_user = wanted.end_user if grant.end_user is None else grant.end_user
    return wanted.model_copy(update={"agent_id": agent_id, "end_user": end_user})


def check_controls(request: Request, controls: Controls | None) -> None:
    """Check the options of a message: whoever has limits uses the model of the agent or session.

    Raises:
        Forbidden: They name another model.
    """
    has_limits = principal_of(request.scope).grant is not None
    if has_limits and controls is not None and controls.model_id is not None:
        raise Forbidden(
            "controls.model_id: only an API key without limits may choose the model of a message."
        )
