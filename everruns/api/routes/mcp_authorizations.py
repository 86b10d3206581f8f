"""Routes of authorizations at MCP servers.

An end user's access token sees and changes those of this end user alone.

Source: docs/contract.md, "Resources", Authorizations of MCP servers.
"""

from typing import Annotated

from fastapi import Body, Response

from everruns.api.http.pages import page_of
from everruns.api.http.parameters import (
    DEFAULT_LIMIT,
    Limit,
    McpAuthorizationId,
    McpServerId,
    Offset,
    Search,
    TheRuntime,
)
from everruns.api.http.routes import Routes
from everruns.api.http.senders import TheGrant
from everruns.domain.base import Page
from everruns.domain.mcp_authorizations import (
    McpAuthorization,
    McpAuthorizationInput,
    McpConsent,
    Subject,
)
from everruns.domain.rights import Grant
from everruns.errors import Forbidden, McpAuthorizationNotFound

EXAMPLE = {"agent_id": "agent_01980000000070008000000000000001", "end_user": "ada"}

# The address is for one person, and kept by nobody on the way.
NO_STORE = {"Cache-Control": "no-store"}

routes = Routes("mcp_servers")


@routes.add("GET /mcp-servers/{mcpserver_id}/authorizations", "answer", keeps_scope=True)
async def list_mcp_authorizations(
    mcpserver_id: McpServerId,
    runtime: TheRuntime,
    grant: TheGrant,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[McpAuthorization]:
    """List who has authorized agents at a server, newest first; never with tokens."""
    found = await runtime.mcp_authorizations.list(mcpserver_id)
    within = [one for one in found if _covers(grant, one.subject)]
    return page_of(within, offset, limit, search, _searched)


def _searched(authorization: McpAuthorization) -> str:
    return authorization.end_user or ""


@routes.add(
    "POST /mcp-servers/{mcpserver_id}/authorizations",
    "answer",
    keeps_scope=True,
    status_code=201,
    responses={409: {"description": "Conflict"}},
)
async def begin_mcp_authorization(
    mcpserver_id: McpServerId,
    wanted: Annotated[
        McpAuthorizationInput, Body(openapi_examples={"end user": {"value": EXAMPLE}})
    ],
    runtime: TheRuntime,
    grant: TheGrant,
    response: Response,
) -> McpConsent:
    """Get the address at which an end user, or the application itself, consents to a server."""
    await runtime.mcp_servers.get(mcpserver_id)
    subject = _within(grant, wanted)
    response.headers.update(NO_STORE)
    return await runtime.mcp_authorizations.begin(mcpserver_id, subject)


@routes.add(
    "DELETE /mcp-servers/{mcpserver_id}/authorizations/{mcpauthorization_id}",
    "answer",
    keeps_scope=True,
    status_code=204,
)
async def delete_mcp_authorization(
    mcpserver_id: McpServerId,
    mcpauthorization_id: McpAuthorizationId,
    runtime: TheRuntime,
    grant: TheGrant,
) -> None:
    """End an authorization: its tokens are deleted, and agents have to ask again."""
    if grant is not None:
        found = await runtime.mcp_authorizations.list(mcpserver_id)
        own = {one.id for one in found if _covers(grant, one.subject)}
        if mcpauthorization_id not in own:
            raise McpAuthorizationNotFound(f"Authorization {mcpauthorization_id} not found")
    await runtime.mcp_authorizations.delete(mcpserver_id, mcpauthorization_id)


def _within(grant: Grant | None, wanted: McpAuthorizationInput) -> Subject:
    """Return for whom an authorization is; a sender with limits need not say what it may say.

    Raises:
        Forbidden: It is for somebody else than the sender may act for.
    """
    if grant is None:
        return Subject.of(wanted.agent_id, wanted.end_user)
    only = grant.agent_ids[0] if len(grant.agent_ids) == 1 else None
    agent_id = wanted.agent_id or only
    end_user = wanted.end_user or grant.end_user
    subject = Subject.of(agent_id, end_user)
    if not _covers(grant, subject):
        raise Forbidden(
            "Only an end user of an agent in scope can be connected with this API key or access "
            "token. Give agent_id and end_user, or use an API key without limits."
        )
    return subject


def _covers(grant: Grant | None, subject: Subject) -> bool:
    """Tell whether a sender may act for a subject.

    The application itself, and users without an agent, are for API keys without limits alone.
    """
    if grant is None:
        return True
    is_user = not subject.is_application and grant.end_user in (None, subject.end_user)
    return is_user and grant.session_id is None and subject.agent_id in grant.agent_ids
