"""Where a reader stands in what a session shows: its durable events, then one draft."""

from typing import NamedTuple


class Cursor(NamedTuple):
    """A reader's position. A tuple, since one is made, hashed and sent for every batch.

    Attributes:
        sequence: The last durable event it has; ``None`` to begin with the newest user message.
        live: Whether it has seen all there was. Only then is a message that gets finished first
            completed with deltas: a replay needs none.
        message_id: The unfinished message it is reading, if any.
        offset: Code points of that message's text it has.
        reasoning_offset: Code points of that message's reasoning it has.
        progress_ms: The time of the last progress of a tool that it has.
    """

    sequence: int | None = None
    live: bool = False
    message_id: str | None = None
    offset: int = 0
    reasoning_offset: int = 0
    progress_ms: int = 0


class Place(NamedTuple):
    """A position in a certain session.

    Attributes:
        session_id: The session.
        cursor: The position.
    """

    session_id: str
    cursor: Cursor
