"""What is new in a live session after a cursor: events, then the draft."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from everruns.domain.events import Delta, Event, EventType
from everruns.domain.state import message_of
from everruns.runtime.cursor import Cursor
from everruns.runtime.session import LiveSession


def start_cursor(session: LiveSession, cursor: Cursor) -> Cursor:
    """Give a cursor without a sequence its place: just before the newest user message."""
    if cursor.sequence is not None:
        return cursor
    return replace(cursor, sequence=max(0, session.state.last_input_sequence - 1))


def read_session(
    session: LiveSession, cursor: Cursor, events: Sequence[Event], *, complete: bool
) -> tuple[list[Event | Delta], Cursor]:
    """Return what a reader has not seen, and where it stands then.

    A message that a live reader saw being written, or would have, is completed with deltas before
    the event that stores it, so that its deltas alone rebuild its text.

    Args:
        session: The session.
        cursor: Where the reader stands; its sequence is set.
        events: Stored events after the cursor, in order.
        complete: Whether these are all there are.
    """
    items: list[Event | Delta] = []
    for event in events:
        if cursor.live and event.type == EventType.MESSAGE_CREATED:
            items += _completing_deltas(event, cursor)
        items.append(event)
        cursor = replace(cursor, sequence=event.sequence)
    if complete:
        cursor = replace(cursor, live=True)
        items += _draft_deltas(session, cursor)
        if session.draft is not None:
            cursor = replace(
                cursor,
                message_id=session.draft.message_id,
                offset=session.draft.text.length,
                reasoning_offset=session.draft.reasoning.length,
            )
    return items, cursor


def _completing_deltas(event: Event, cursor: Cursor) -> Iterator[Delta]:
    message = message_of(event)
    if message.role != "agent":
        return
    known = cursor if cursor.message_id == message.id else Cursor(cursor.sequence)
    yield from _deltas(
        message.id,
        known,
        (message.thinking or "")[known.reasoning_offset :],
        message.text[known.offset :],
        event.turn_id,
        event.ts,
    )


def _draft_deltas(session: LiveSession, cursor: Cursor) -> Iterator[Delta]:
    draft = session.draft
    if draft is None:
        return
    known = cursor if cursor.message_id == draft.message_id else Cursor(cursor.sequence)
    yield from _deltas(
        draft.message_id,
        known,
        draft.reasoning.since(known.reasoning_offset),
        draft.text.since(known.offset),
        draft.turn_id,
        session.draft_ms,
    )


def _deltas(
    message_id: str, known: Cursor, reasoning: str, text: str, turn_id: str | None, ts: int
) -> Iterator[Delta]:
    sequence = known.sequence or 0
    position = 1 + known.reasoning_offset + known.offset
    if reasoning:
        offset = known.reasoning_offset
        yield Delta(
            EventType.REASONING_DELTA,
            message_id,
            offset,
            reasoning,
            position,
            sequence,
            turn_id,
            ts,
        )
    if text:
        position += len(reasoning)
        yield Delta(
            EventType.MESSAGE_DELTA, message_id, known.offset, text, position, sequence, turn_id, ts
        )
