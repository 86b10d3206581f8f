"""Vocabularies: the names under which a face shows the event log.

Source: docs/contract.md, "Events".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from everruns.api.v1.event_types import EXAMPLE_STREAM, EventList
from everruns.domain.base import Model
from everruns.domain.events import Event, EventType, Passing
from everruns.ids import EventPlace
from everruns.runtime.feed.cursor import Cursor


@dataclass(frozen=True)
class ShownEvent:
    """An event as one face shows it.

    Attributes:
        type: Its name there.
        id: What a client resumes from; ``None`` for transient events.
        sequence: Its number, unique and rising within the session on this face; ``None`` for
            transient events.
        body: Its envelope, UTF-8 JSON on one line.
    """

    type: str
    id: str | None
    sequence: int | None
    body: bytes


class Showing(Protocol):
    """What one reader has seen of a session, which decides what it is shown next.

    Readers whose showings are equal are shown the same. A showing does not change.
    """

    def show(self, items: Iterable[Event | Passing]) -> "tuple[list[ShownEvent], Showing]":
        """Return what is shown of the next items, in order, and the reader's showing then."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Vocabulary:
    """How a face shows events.

    Attributes:
        shown_as: For each type of the log, the names under which it can be shown.
        cursor: Returns where a reader stands that has seen an event of this face last.
        sequence_of: Returns the sequence of the last event that a reader at a place has seen.
        place_at: The inverse: returns the place of a reader whose last event has this sequence.
            The place has no time.
        begin: Given the session and what the reader has seen last, returns its showing.
        listed: What a list of events is, for the OpenAPI document.
        event_schema: The name of an event's schema there.
        example: A stream, for the OpenAPI document.
    """

    shown_as: Mapping[EventType, Sequence[str]]
    cursor: Callable[[EventPlace], Cursor]
    sequence_of: Callable[[EventPlace], int]
    place_at: Callable[[int], EventPlace]
    begin: Callable[[str, EventPlace | None], Showing]
    listed: type[Model]
    event_schema: str
    example: str

    @property
    def event_types(self) -> list[str]:
        """The names of all events, sorted."""
        return sorted({name for names in self.shown_as.values() for name in names})


def _cursor(place: EventPlace) -> Cursor:
    # A delta says that its message was being read live: it is sent again from its start.
    return Cursor(place.sequence, live=place.position > 0)


@dataclass(frozen=True)
class _AsLogged:
    """Shows every reader of a session the same events."""

    session_id: str
    hidden: frozenset[str]

    def show(self, items: Iterable[Event | Passing]) -> "tuple[list[ShownEvent], _AsLogged]":
        return [self._shown(item) for item in items if item.type not in self.hidden], self

    def _shown(self, item: Event | Passing) -> ShownEvent:
        if isinstance(item, Event):
            return ShownEvent(item.type, item.id, item.sequence, item.body)
        return ShownEvent(item.type, None, None, item.body(self.session_id))


def _as_logged(hidden: frozenset[str] = frozenset()) -> Vocabulary:
    return Vocabulary(
        shown_as={kind: (kind,) for kind in EventType if kind not in hidden},
        cursor=_cursor,
        sequence_of=lambda place: place.sequence,
        place_at=lambda sequence: EventPlace(0, sequence, 0),
        begin=lambda session_id, _place: _AsLogged(session_id, hidden),
        listed=EventList,
        event_schema="Event",
        example=EXAMPLE_STREAM,
    )


AS_LOGGED = _as_logged()
"""The log's own names, its bytes as they are."""

AS_LOGGED_WITH_LIMITS = _as_logged(
    frozenset({EventType.CAPABILITIES_PREPARED, EventType.TOOL_SUSPENDED})
)
"""The same without what an agent is made of, and its tools' state.

End users must not see these, in channels or elsewhere, nor a sender who may not read agents.
"""
