"""Reading the list of a server's tools, page by page, within bounds."""

import asyncio
from collections.abc import Mapping, Sequence

from mcp.client import Client
from mcp_types import DiscoverResult, PaginatedRequestParams, Tool

from everruns.mcp.failures import said
from everruns.mcp.offer import ListedTool, Listing

MAX_PAGES = 50
MAX_LISTED = 5000
MAX_NAME_CHARACTERS = 200


async def list_tools(client: Client, left_out: Mapping[str, str]) -> tuple[Listing, float | None]:
    """Return what a server offers, and the seconds for which it says that this holds.

    Args:
        client: A connected client.
        left_out: Filled, while the list is read, with the tools that cannot be read.

    Raises:
        MCPError: The server refused, or the connection broke.
    """
    tools: list[ListedTool] = []
    cursor: str | None = None
    ttl_ms: int | None = None
    takes_tasks = _takes_tasks(client)
    for _ in range(MAX_PAGES):
        if client.server_capabilities.tools is None and client.session.initialize_result:
            break
        page = await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        # In a thread, because checking some hundred schemas takes a while. The verdict is kept.
        tools += await asyncio.to_thread(_checked, page.tools, takes_tasks=takes_tasks)
        ttl_ms = page.ttl_ms if ttl_ms is None else min(ttl_ms, page.ttl_ms)
        cursor = page.next_cursor
        if not cursor or len(tools) > MAX_LISTED:
            break
    discovered = isinstance(client.session.discover_result, DiscoverResult)
    info = client.server_info
    listing = Listing(
        tools=tools[:MAX_LISTED],
        left_out=dict(left_out),
        instructions=client.instructions,
        server_name=said(info.name)[:MAX_NAME_CHARACTERS] if info else None,
        server_version=said(info.version)[:MAX_NAME_CHARACTERS] if info else None,
        revision=client.protocol_version,
        is_cut=bool(cursor) or len(tools) > MAX_LISTED,
    )
    return listing, ttl_ms / 1000 if discovered and ttl_ms is not None else None


def _takes_tasks(client: Client) -> bool:
    """Tell whether a server makes tasks of calls that ask for it, as in revision 2025-11-25."""
    tasks = client.server_capabilities.tasks
    is_asked = tasks is not None and tasks.requests is not None and tasks.requests.tools is not None
    return is_asked and client.session.initialize_result is not None


def _checked(tools: Sequence[Tool], *, takes_tasks: bool) -> list[ListedTool]:
    listed = [_listed(tool, takes_tasks=takes_tasks) for tool in tools]
    for tool in listed:
        _ = tool.problem
    return listed


def _listed(tool: Tool, *, takes_tasks: bool) -> ListedTool:
    hints = tool.annotations
    support = tool.execution.task_support if tool.execution else None
    return ListedTool(
        name=tool.name,
        schema=tool.input_schema,
        description=tool.description or "",
        title=tool.title or (hints.title if hints else None),
        reads_only=bool(hints and hints.read_only_hint),
        idempotent=bool(hints and hints.idempotent_hint),
        destructive=not (hints and hints.destructive_hint is False),
        needs_task=takes_tasks and support == "required",
    )
