"""Where a reader stands in what a session shows: its durable events, then one draft."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from everruns.domain.events import Delta, Event


@dataclass(frozen=True)
class Cursor:
    """A reader's place.

    Attributes:
        sequence: The last durable event it has; ``None`` to begin with the newest user message.
        live: Whether it has seen all there was. Only then is a message that gets finished first
            completed with deltas: a replay needs none.
        message_id: The draft it is reading, if any.
        offset: Code points of the draft's text it has.
        reasoning_offset: Code points of the draft's reasoning it has.
    """

    sequence: int | None = None
    live: bool = False
    message_id: str | None = None
    offset: int = 0
    reasoning_offset: int = 0


@dataclass(frozen=True)
class Want:
    """One reader's wish: what is new in a session after a cursor.

    Attributes:
        key: By which the reader knows its answer.
        session_id: The session.
        cursor: Where the reader stands.
    """

    key: int
    session_id: str
    cursor: Cursor


@dataclass(frozen=True)
class Reading:
    """What is new for one reader.

    Attributes:
        key: The wish's key.
        items: Durable events and deltas in order.
        cursor: Where the reader stands after them.
        status: ``open``; ``gone`` when the session was deleted; ``moved`` when another host
            holds it.
    """

    key: int
    items: Sequence[Event | Delta]
    cursor: Cursor
    status: Literal["open", "gone", "moved"] = "open"
