"""Routes of capabilities.

Source: docs/contract.md, "Resources", Capability.
"""

from typing import Annotated

from fastapi import Path

from everruns.api.http.pages import page_of
from everruns.api.http.parameters import (
    DEFAULT_LIMIT,
    Limit,
    Offset,
    Search,
    TheCapabilities,
    TheRuntime,
)
from everruns.api.http.routes import Routes
from everruns.capabilities.mcp_servers import with_mcp_servers
from everruns.capabilities.registry import describe
from everruns.domain.base import Page
from everruns.domain.capabilities import CapabilityInfo
from everruns.domain.mcp_choice import catalogue_name
from everruns.errors import CapabilityNotFound

CapabilityId = Annotated[str, Path(max_length=256, examples=["current_time"])]


routes = Routes("capabilities")


@routes.add("GET /capabilities")
async def list_capabilities(
    capabilities: TheCapabilities,
    runtime: TheRuntime,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[CapabilityInfo]:
    """List the capabilities: the built-in ones, those of packages, and active MCP servers."""
    known = with_mcp_servers(capabilities, await runtime.mcp_servers.list())
    found = [describe(capability) for capability in known.values()]
    return page_of(found, offset, limit, search, lambda item: f"{item.id} {item.name}")


@routes.add("GET /capabilities/{capability_id}")
async def get_capability(
    capability_id: CapabilityId, capabilities: TheCapabilities, runtime: TheRuntime
) -> CapabilityInfo:
    """Read a capability."""
    known = capabilities
    if catalogue_name(capability_id) is not None:
        known = with_mcp_servers(capabilities, await runtime.mcp_servers.list())
    if capability_id not in known:
        raise CapabilityNotFound(f"Capability {capability_id} not found")
    return describe(known[capability_id])
