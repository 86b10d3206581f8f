"""The two faces of one system, told apart by their prefix and by nothing else.

Source: docs/contract.md, "Routes".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from everruns.domain.events import Delta, Event, EventType

if TYPE_CHECKING:
    from fastapi.routing import APIRoute


@dataclass(frozen=True)
class ShownEvent:
    """An event as one face shows it.

    Attributes:
        type: Its name there.
        id: What a client resumes from; ``None`` for what only passes by.
        body: Its envelope, UTF-8 JSON on one line.
    """

    type: str
    id: str | None
    body: bytes


Show = Callable[[str, Event | Delta], Sequence[ShownEvent]]


def show_as_logged(session_id: str, item: Event | Delta) -> Sequence[ShownEvent]:
    """Show an event under the name by which the log knows it, its bytes as they are."""
    if isinstance(item, Event):
        return (ShownEvent(item.type, item.id, item.body),)
    return (ShownEvent(item.type, None, item.body(session_id)),)


@dataclass(frozen=True)
class Face:
    """One face of the API.

    Attributes:
        prefix: What its paths begin with.
        names_are_addresses: Whether agents are created by name, and names are slugs.
        streams_at: Where a session streams: at ``events``, unless JSON is asked for, or at a
            path of its own beside ``events``, which then always lists.
        event_types: The names of its events.
        show: Turns what the log holds into what this face shows.
    """

    prefix: str
    names_are_addresses: bool
    streams_at: str
    event_types: frozenset[str] = frozenset(EventType)
    show: Show = show_as_logged

    def operation_id(self, route: "APIRoute") -> str:
        """Name a route's operation in the OpenAPI document, e.g. ``create_agent``."""
        name = route.name
        return name if self is SPECIFICATION else f"sdk_{name}"


SPECIFICATION = Face("/v1", names_are_addresses=False, streams_at="events")
SDK = Face("/api/v1", names_are_addresses=True, streams_at="sse")
FACES = (SPECIFICATION, SDK)
