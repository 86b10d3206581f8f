"""What is new in a live session after a cursor: events, then the draft.

A reading has a limit, whatever there is to read: the next one goes on where it ends. Only an event
that is larger by itself exceeds it, since an event cannot be divided.
"""

from collections.abc import Sequence
from enum import Enum

from everruns.domain.base import KIB
from everruns.domain.events import Delta, Event, EventType, Passing
from everruns.domain.logged_messages import message_of
from everruns.domain.messages import Message
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.session import LiveSession

# Bytes of events and code points of deltas together.
READING_SIZE = 128 * KIB
RECENT_MESSAGES = 64


def start_cursor(session: LiveSession, cursor: Cursor) -> Cursor:
    """Give a cursor without a sequence its place: just before the newest user message."""
    if cursor.sequence is not None:
        return cursor
    return cursor._replace(sequence=max(0, session.state.last_input_sequence - 1))


def size_of(items: Sequence[Event | Passing]) -> int:
    """Return the size of what was read, as ``READING_SIZE`` counts it."""
    return sum(len(item.body) if isinstance(item, Event) else len(item.text) for item in items)


class News(Enum):
    """What a session has that a reader has not."""

    NONE = "none"
    MORE_TEXT = "more text"
    """More of a text that it has begun to read, or of a tool's progress, which can be gathered."""
    AT_ONCE = "at once"
    """An event, the first words of a text, or as much as a reading holds."""


def news_after(session: LiveSession, cursor: Cursor, events: Sequence[Event]) -> News:
    """Tell what a reader has not seen, without reading it.

    Args:
        session: The session.
        cursor: Where the reader stands; its sequence is set.
        events: Stored events after the cursor.
    """
    if events:
        return News.AT_ONCE
    has_progress = session.progress_ms > cursor.progress_ms
    draft = session.draft
    if draft is None:
        return News.MORE_TEXT if has_progress else News.NONE
    text, reasoning = draft.text.length, draft.reasoning.length
    is_known = cursor.message_id == draft.message_id
    text_read, reasoning_read = (cursor.offset, cursor.reasoning_offset) if is_known else (0, 0)
    unread = text - text_read + reasoning - reasoning_read
    if not unread:
        return News.MORE_TEXT if has_progress else News.NONE
    begins = (text and not text_read) or (reasoning and not reasoning_read)
    return News.AT_ONCE if begins or unread >= READING_SIZE else News.MORE_TEXT


def read_session(
    session: LiveSession, cursor: Cursor, events: Sequence[Event], *, complete: bool
) -> tuple[list[Event | Passing], Cursor]:
    """Return what a reader has not seen, up to a limit, and where it stands then.

    A message that a live reader saw being written, or would have, is completed with deltas before
    the event that stores it, so that its deltas alone rebuild its text.

    Args:
        session: The session.
        cursor: Where the reader stands; its sequence is set.
        events: Stored events after the cursor, in order.
        complete: Whether these are all there are.
    """
    reading = _Reading(cursor)
    for event in events:
        if cursor.live and event.type == EventType.MESSAGE_CREATED:
            message = _message(session, event)
            if message.role == "agent" and not reading.complete_message(message, event):
                return reading.items, reading.cursor
        if not reading.add_event(event):
            return reading.items, reading.cursor
    if complete:
        reading.add_draft(session)
        reading.add_progress(session)
    return reading.items, reading.cursor


class _Reading:
    """A reading that is being filled.

    Attributes:
        items: What it holds so far.
        cursor: Where its reader stands after that.
    """

    def __init__(self, cursor: Cursor) -> None:
        self.items: list[Event | Passing] = []
        self.cursor = cursor
        self._room = READING_SIZE
        self._is_completing = False

    def add_event(self, event: Event) -> bool:
        """Add an event; return whether there was room for it."""
        if self.items and len(event.body) > self._room:
            return False
        self.items.append(event)
        self._room -= len(event.body)
        self.cursor = self.cursor._replace(sequence=event.sequence)
        if self._is_completing:
            # However its readers came to have the message, they stand at one place from here on.
            self.cursor = Cursor(event.sequence, live=True, progress_ms=self.cursor.progress_ms)
            self._is_completing = False
        return True

    def complete_message(self, message: Message, event: Event) -> bool:
        """Add what the reader lacks of a finished message; return whether there was room."""
        self._begin(message.id)
        thinking = message.thinking or ""
        offset = self.cursor.reasoning_offset
        stretch = thinking[offset : offset + self._size_left]
        self._add_delta(EventType.REASONING_DELTA, stretch, event.turn_id, event.ts)
        text = message.text
        offset = self.cursor.offset
        stretch = text[offset : offset + self._size_left]
        self._add_delta(EventType.MESSAGE_DELTA, stretch, event.turn_id, event.ts)
        self._is_completing = True
        has_thinking = self.cursor.reasoning_offset >= len(thinking)
        return has_thinking and self.cursor.offset >= len(text)

    def add_draft(self, session: LiveSession) -> None:
        """Add what the reader lacks of the message being written, as far as there is room."""
        if not self.cursor.live:
            self.cursor = self.cursor._replace(live=True)
        draft = session.draft
        if draft is None:
            return
        self._begin(draft.message_id)
        stretch = draft.reasoning.since(self.cursor.reasoning_offset, self._size_left)
        self._add_delta(EventType.REASONING_DELTA, stretch, draft.turn_id, session.draft_ms)
        stretch = draft.text.since(self.cursor.offset, self._size_left)
        self._add_delta(EventType.MESSAGE_DELTA, stretch, draft.turn_id, session.draft_ms)

    def add_progress(self, session: LiveSession) -> None:
        """Add the latest progress of each running tool that the reader lacks."""
        for progress in session.progress_after(self.cursor.progress_ms):
            self.items.append(progress)
            self._room -= len(progress.text)
            self.cursor = self.cursor._replace(progress_ms=progress.ts)

    @property
    def _size_left(self) -> int:
        return max(0, self._room)

    def _begin(self, message_id: str) -> None:
        if self.cursor.message_id != message_id:
            self.cursor = Cursor(
                self.cursor.sequence,
                live=True,
                message_id=message_id,
                progress_ms=self.cursor.progress_ms,
            )

    def _add_delta(self, kind: EventType, text: str, turn_id: str | None, ts: int) -> None:
        if not text:
            return
        cursor = self.cursor
        assert cursor.message_id is not None  # noqa: S101
        is_reasoning = kind == EventType.REASONING_DELTA
        offset = cursor.reasoning_offset if is_reasoning else cursor.offset
        position = 1 + cursor.reasoning_offset + cursor.offset
        sequence = cursor.sequence or 0
        self.items.append(
            Delta(kind, cursor.message_id, offset, text, position, sequence, turn_id, ts)
        )
        self._room -= len(text)
        self.cursor = cursor._replace(
            live=True,
            offset=cursor.offset if is_reasoning else offset + len(text),
            reasoning_offset=offset + len(text) if is_reasoning else cursor.reasoning_offset,
        )


def _message(session: LiveSession, event: Event) -> Message:
    """Return the message that an event stores, decoding it only if it is not a recent one."""
    recent = session.state.history[-RECENT_MESSAGES:]
    found = (message for message in reversed(recent) if message.sequence == event.sequence)
    return next(found, None) or message_of(event)
