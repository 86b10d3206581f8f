"""Where a reader stands in what a session shows: its durable events, then one draft."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from everruns.domain.events import Delta, Event
from everruns.errors import EverrunsError


class Cursor(NamedTuple):
    """A reader's place. A tuple, since one is made, hashed and sent for every batch.

    Attributes:
        sequence: The last durable event it has; ``None`` to begin with the newest user message.
        live: Whether it has seen all there was. Only then is a message that gets finished first
            completed with deltas: a replay needs none.
        message_id: The unfinished message it is reading, if any.
        offset: Code points of that message's text it has.
        reasoning_offset: Code points of that message's reasoning it has.
    """

    sequence: int | None = None
    live: bool = False
    message_id: str | None = None
    offset: int = 0
    reasoning_offset: int = 0


class Want(NamedTuple):
    """What the readers at one place wait for: what is new in a session after a cursor.

    Attributes:
        session_id: The session.
        cursor: Where the readers stand.
    """

    session_id: str
    cursor: Cursor


class Reading(NamedTuple):
    """What is new at one place, for all readers there.

    Attributes:
        number: Which of the wants it answers, counted from 0.
        items: Durable events and deltas in order.
        cursor: Where the readers stand after them.
        start: Where the items begin, if that is not the wanted cursor, which has no sequence.
        status: ``open``; ``gone`` when the session was deleted; ``moved`` when another host
            holds it; ``failed`` when it cannot be read.
        error: Why it failed.
    """

    number: int
    items: Sequence[Event | Delta] = ()
    cursor: Cursor = Cursor()
    start: Cursor | None = None
    status: Literal["open", "gone", "moved", "failed"] = "open"
    error: EverrunsError | None = None
