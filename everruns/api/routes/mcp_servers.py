"""Routes of the catalogue of MCP servers.

Source: docs/contract.md, "Resources", MCP server.
"""

from fastapi import Request, Response

from everruns.api.http.answers import answer
from everruns.api.http.pages import page_of
from everruns.api.http.parameters import (
    DEFAULT_LIMIT,
    Limit,
    McpServerId,
    Offset,
    Search,
    TheRuntime,
    runtime_of,
)
from everruns.api.http.reads import Reads
from everruns.api.http.requests import read_body, read_key
from everruns.api.http.routes import Routes
from everruns.domain.base import Page
from everruns.domain.mcp_servers import McpServer, McpServerInput, McpServerPatch, McpTested

EXAMPLE = {
    "name": "tickets",
    "type": "http",
    "url": "https://tickets.example.com/mcp",
    "headers": {"authorization": "Bearer …"},
    "require_approval": ["close_ticket"],
}

routes = Routes("mcp_servers")


@routes.add("GET /mcp-servers")
async def list_mcp_servers(
    runtime: TheRuntime,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[McpServer]:
    """List the servers, newest first, then those that the deployment's configuration names."""
    servers = await runtime.mcp_servers.list()
    return page_of(servers, offset, limit, search, _searched)


def _searched(server: McpServer) -> str:
    return f"{server.name} {server.description or ''}"


@routes.add(
    "POST /mcp-servers",
    status_code=201,
    response_model=McpServer,
    reads=Reads(McpServerInput, {"tickets": EXAMPLE}, is_keyed=True),
)
async def create_mcp_server(request: Request) -> Response:
    """Add a server. The values of its headers are stored encrypted, and no response has them."""
    wanted = await read_body(request, McpServerInput)
    servers = runtime_of(request).mcp_servers
    return answer(await servers.create(wanted, await read_key(request)))


@routes.add("GET /mcp-servers/{mcpserver_id}")
async def get_mcp_server(mcpserver_id: McpServerId, runtime: TheRuntime) -> McpServer:
    """Read a server."""
    return await runtime.mcp_servers.get(mcpserver_id)


@routes.add("PATCH /mcp-servers/{mcpserver_id}")
async def update_mcp_server(
    mcpserver_id: McpServerId, patch: McpServerPatch, runtime: TheRuntime
) -> McpServer:
    """Change the given fields of a server; sessions pick up the change at their next turn."""
    return await runtime.mcp_servers.update(mcpserver_id, patch)


@routes.add(
    "DELETE /mcp-servers/{mcpserver_id}",
    status_code=204,
    responses={409: {"description": "Conflict"}},
)
async def delete_mcp_server(mcpserver_id: McpServerId, runtime: TheRuntime) -> None:
    """Remove a server and its headers; agents that use it go on without it."""
    await runtime.mcp_servers.delete(mcpserver_id)


@routes.add("POST /mcp-servers/{mcpserver_id}/test", name="test_mcp_server")
async def try_mcp_server(mcpserver_id: McpServerId, runtime: TheRuntime) -> McpTested:
    """Connect to a server and list its tools; if that fails, say in words what is wrong."""
    return await runtime.mcp_servers.test(mcpserver_id)
