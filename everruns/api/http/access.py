"""Access: whether a sender has the right that a route needs, and what it names is in its scope.

This is the only place that decides it. Each route declares its right where it is declared itself
(``everruns.api.http.routes``); one without a right is for API keys without limits, so a new route
is closed until it is opened.

Source: docs/contract.md, "Who may do what".
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

from everruns.api.http.auth import has_query_token, misplaced_token, principal_of
from everruns.api.http.body import JsonRoute
from everruns.api.http.parameters import runtime_of
from everruns.api.http.requests import id_of
from everruns.domain.controls import Controls
from everruns.domain.forks import FORK_FIELDS, ForkInput
from everruns.domain.messages import MessageInput
from everruns.domain.rights import Grant, Right
from everruns.domain.sessions import Session, SessionInput
from everruns.domain.workspaces import owner_id
from everruns.errors import (
    AgentNotFound,
    Forbidden,
    InvalidRequest,
    SessionNotFound,
    WorkspaceNotFound,
)
from everruns.ids import is_id


@dataclass(frozen=True)
class Access:
    """Who may use a route, besides API keys without limits.

    Attributes:
        right: The right with which others may; without one they may not.
        is_for_keys: Whether every API key may, limited or not: the route passes on what the key
            itself may do.
        is_for_all: Whether everybody may: the route tells senders what they themselves may do.
        is_stream: Whether an access token may be in the query, because ``EventSource`` sends no
            header.
        keeps_scope: Whether the route keeps to the sender's scope in what it does, because it
            names nothing in its path.
    """

    right: Right | None = None
    is_for_keys: bool = False
    is_for_all: bool = False
    is_stream: bool = False
    keeps_scope: bool = False


CLOSED = Access()


class GuardedRoute(JsonRoute):
    """A route that admits only those who may use it."""

    def __init__(
        self,
        *args: Any,
        access: Access = CLOSED,
        is_alias: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        method = " ".join(sorted(self.methods or ()))
        self.operation = f"{method} {self.path_format.removeprefix('/api').removeprefix('/v1')}"
        self.is_alias = is_alias
        self.is_stream = access.is_stream
        self.is_for_keys = access.is_for_keys
        self.is_for_all = access.is_for_all
        self.right: Right | None = access.right
        self.keeps_scope = access.keeps_scope
        if (self.right or self.is_for_keys) and not self.keeps_scope:
            named = {"{" + name + "}" for name in CHECKS}
            if not named & set(self.operation.split("/")):
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
            raise Forbidden("An access token cannot make other tokens. Use the API key.")
        if self.right is not None:
            principal.grant.require(self.right)
        elif not (self.is_for_keys or self.is_for_all):
            raise Forbidden("This is only for API keys without limits.")
        for name in request.path_params.keys() & CHECKS.keys():
            await CHECKS[name](request, principal.grant)


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
    return grant.covers(await runtime_of(request).sessions.get(session_id))


async def _has_name(request: Request, grant: Grant, name: str) -> bool:
    agents = runtime_of(request).agents
    try:
        agent = await agents.get_by_name(name[:LONGEST_LOOKED_UP])
    except AgentNotFound:
        return False
    return agent.id in grant.agent_ids


# Longer than any name, so that a cut one is nobody's.
LONGEST_LOOKED_UP = 2 * 1024 + 1


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
        agents = runtime_of(request).agents
        agent_id = (await agents.get_by_name(wanted.agent_name)).id
        if agent_id not in grant.agent_ids:
            raise AgentNotFound(f"No agent is named {wanted.agent_name!r}")
    if agent_id is None:
        raise InvalidRequest("agent_id: is required with this API key or access token")
    if agent_id not in grant.agent_ids:
        raise AgentNotFound(f"Agent {agent_id} not found")
    end_user = wanted.end_user if grant.end_user is None else grant.end_user
    return wanted.model_copy(update={"agent_id": agent_id, "end_user": end_user})


async def check_fork(request: Request, session_id: str, wanted: ForkInput) -> None:
    """Check that a sender with limits leaves the agent and the workspace of the source alone.

    Raises:
        Forbidden: The fork would change the agent, show a history that may not be read, copy files
            of a workspace that sessions share, or share the workspace, which would outlive both
            sessions.
    """
    grant = principal_of(request.scope).grant
    if grant is None:
        return
    grant.check_session_fields(wanted.model_fields_set - FORK_FIELDS)
    if wanted.files == "share":
        raise Forbidden(
            'files: only an API key without limits may share a workspace. Use "copy" or "none".'
        )
    if wanted.files == "copy":
        session = await runtime_of(request).sessions.get(session_id)
        if owner_id(session.workspace_id) != session_id:
            raise Forbidden(
                "files: only an API key without limits may copy the files of a workspace that "
                'sessions share. Use "none".'
            )


def without_history(request: Request, fork: Session) -> Session:
    """Return a fork as its sender may see it: one who may not read is not shown what was said."""
    grant = principal_of(request.scope).grant
    if grant is None or "read" in grant.rights:
        return fork
    return fork.model_copy(update={"preview": None, "output_preview": None})


def check_controls(request: Request, controls: Controls | None) -> None:
    """Check the options of a message: a sender with limits cannot choose its model.

    Raises:
        Forbidden: They name another model.
    """
    has_limits = principal_of(request.scope).grant is not None
    if has_limits and controls is not None and controls.model_id is not None:
        raise Forbidden(
            "controls.model_id: only an API key without limits may choose the model of a message."
        )


async def check_files(request: Request, session_id: str, message: MessageInput) -> None:
    """Check that a sender may read the files that its message names, which it then shows.

    Raises:
        Forbidden: It may not.
    """
    if not message.names_files:
        return
    if "channel" in request.path_params:
        raise Forbidden(
            "content: messages of a channel cannot name files of the workspace. Send their content "
            "as base64."
        )
    grant = principal_of(request.scope).grant
    if grant is None:
        return
    grant.require("read")
    session = await runtime_of(request).sessions.get(session_id)
    if owner_id(session.workspace_id) != session_id:
        raise Forbidden(
            "content: only an API key without limits may name files of a workspace that sessions "
            "share. Send their content as base64."
        )
