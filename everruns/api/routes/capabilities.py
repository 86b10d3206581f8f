"""Routes of capabilities.

Source: docs/contract.md, "Resources", Capability.
"""

from typing import Annotated

from fastapi import Path

from everruns.api.http.pages import page_of
from everruns.api.http.parameters import DEFAULT_LIMIT, Limit, Offset, Search, TheCapabilities
from everruns.api.http.routes import Routes
from everruns.capabilities.registry import describe
from everruns.domain.base import Page
from everruns.domain.capabilities import CapabilityInfo
from everruns.errors import CapabilityNotFound

CapabilityId = Annotated[str, Path(max_length=256, examples=["current_time"])]


routes = Routes("capabilities")


@routes.add("GET /capabilities")
async def list_capabilities(
    capabilities: TheCapabilities,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[CapabilityInfo]:
    """List the capabilities."""
    found = [describe(capability) for capability in capabilities.values()]
    return page_of(found, offset, limit, search, lambda item: f"{item.id} {item.name}")


@routes.add("GET /capabilities/{capability_id}")
async def get_capability(
    capability_id: CapabilityId, capabilities: TheCapabilities
) -> CapabilityInfo:
    """Read a capability."""
    if capability_id not in capabilities:
        raise CapabilityNotFound(f"Capability {capability_id} not found")
    return describe(capabilities[capability_id])
