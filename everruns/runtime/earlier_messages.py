"""Messages of a session that are in its log and not in memory, read when a model needs them."""

from collections.abc import Sequence
from dataclasses import replace

from everruns.domain.base import MIB
from everruns.domain.events import MESSAGE_EVENTS, body_bytes
from everruns.domain.logged_messages import message_of
from everruns.domain.messages import Message
from everruns.errors import SessionUnreadable
from everruns.storage.logs import EventQuery, ReadEvents

# So little that the host's other sessions do not wait for the messages to be decoded.
EARLIER_EVENTS = 1_000
EARLIER_BYTES = MIB


async def read_messages(
    session_id: str, sequences: Sequence[int], read_events: ReadEvents
) -> tuple[list[Message], int]:
    """Return the messages of events, and the bytes of these events.

    Args:
        session_id: The session.
        sequences: The events, at least one.
        read_events: Reads events of the log.

    Raises:
        SessionUnreadable: The log does not have them.
        StoreUnavailable: They cannot be read now.
    """
    wanted = set(sequences)
    messages: list[Message] = []
    size_bytes = 0
    query = EventQuery(
        types=MESSAGE_EVENTS,
        after=min(wanted) - 1,
        before=max(wanted) + 1,
        limit=EARLIER_EVENTS,
        size_bytes=EARLIER_BYTES,
    )
    while len(messages) < len(wanted):
        events = await read_events(session_id, query)
        if not events:
            raise SessionUnreadable.of(session_id)
        found = [event for event in events if event.sequence in wanted]
        messages += map(message_of, found)
        size_bytes += body_bytes(found)
        query = replace(query, after=events[-1].sequence)
    return messages, size_bytes
