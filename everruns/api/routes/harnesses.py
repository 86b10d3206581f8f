"""Routes of harnesses: the built-in ``generic`` harness is the only one.

Source: docs/contract.md, "Resources", Session.
"""

from typing import Literal

from everruns.api.http.pages import page_of
from everruns.api.http.parameters import DEFAULT_LIMIT, HarnessId, Limit, Offset, Search
from everruns.api.http.routes import Routes
from everruns.domain.agents import CapabilityConfig
from everruns.domain.base import Model, Page
from everruns.errors import HarnessNotFound
from everruns.ids import GENERIC_HARNESS_ID, format_time


class Harness(Model):
    """The environment of a session without an agent, and the base of every agent."""

    id: str
    name: str
    display_name: str
    description: str
    system_prompt: str
    capabilities: list[CapabilityConfig]
    tags: list[str]
    is_built_in: bool
    status: Literal["active"]
    created_at: str
    updated_at: str


GENERIC = Harness(
    id=GENERIC_HARNESS_ID,
    name="generic",
    display_name="Generic",
    description="Adds nothing of its own; the agent decides everything.",
    system_prompt="",
    capabilities=[],
    tags=[],
    is_built_in=True,
    status="active",
    created_at=format_time(0),
    updated_at=format_time(0),
)


routes = Routes("harnesses")


@routes.add("GET /harnesses")
async def list_harnesses(
    search: Search = None, offset: Offset = 0, limit: Limit = DEFAULT_LIMIT
) -> Page[Harness]:
    """List the harnesses."""
    return page_of([GENERIC], offset, limit, search, lambda harness: harness.name)


@routes.add("GET /harnesses/{harness_id}")
async def get_harness(harness_id: HarnessId) -> Harness:
    """Read a harness."""
    if harness_id != GENERIC.id:
        raise HarnessNotFound(f"Harness {harness_id} not found")
    return GENERIC
