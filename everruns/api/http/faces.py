"""The two faces of one API, distinguished by their prefix alone.

Source: docs/contract.md, "Routes".
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from everruns.api.http.vocabulary import AS_LOGGED, Vocabulary
from everruns.api.sdk.events import EVERRUNS

if TYPE_CHECKING:
    from fastapi.routing import APIRoute


@dataclass(frozen=True)
class Face:
    """One face of the API.

    Attributes:
        prefix: What its paths begin with.
        names_are_addresses: Whether agents are created by name, and names are slugs.
        streams_at: Where a session streams: at ``events``, unless JSON is asked for, or at a
            path of its own next to ``events``, which then always lists.
        vocabulary: How it shows events.
        default_limit: How many items a list returns by default.
        max_limit: How many items a list can return.
        events_limit: How many events a list returns by default.
        is_strict: Whether it refuses fields and query parameters that it does not know.
    """

    prefix: str
    names_are_addresses: bool
    streams_at: str
    vocabulary: Vocabulary = AS_LOGGED
    default_limit: int = 20
    max_limit: int = 100
    events_limit: int = 100
    is_strict: bool = False

    def operation_id(self, route: "APIRoute") -> str:
        """Name a route's operation in the OpenAPI document, e.g. ``create_agent``."""
        name = route.name
        return name if self is SPECIFICATION else f"sdk_{name}"

    def tag(self, room: str) -> str:
        """Name the group of a room's operations in the OpenAPI document, e.g. ``agents``."""
        return room if self is SPECIFICATION else f"sdk_{room}"


SPECIFICATION = Face("/v1", names_are_addresses=False, streams_at="events", is_strict=True)
# The SDK never requests a second page.
SDK = Face(
    "/api/v1",
    names_are_addresses=True,
    streams_at="sse",
    vocabulary=EVERRUNS,
    default_limit=1000,
    max_limit=1000,
    events_limit=1000,
)
FACES = (SPECIFICATION, SDK)
