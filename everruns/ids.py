"""Identifiers and timestamps.

An id is ``<prefix>_<32 hex>`` of a UUIDv7 (RFC 9562), so ids of one kind sort by creation. The ids
of events hold their session's sequence in the UUID's free bits: an event id *is* a cursor, and no
look-up is needed to resume a stream from it.

Source: docs/contract.md, "Resources" and "Events".
"""

import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2s

ID_PATTERN = re.compile(r"[a-z]+_[0-9a-f]{32}")

DEMONSTRATION_AGENT_ID = "agent_00000000000070008000000000000001"
GENERIC_HARNESS_ID = "harness_00000000000070008000000000000001"
DEFAULT_ORGANIZATION_ID = "org_00000000000070008000000000000001"

_POSITION_BITS = 20
_TAG_BITS = 22
_RANDOM_BITS = 62

EVENT_ID_LENGTH = len("event_") + 32

MARK_LENGTH = 6
"""Digits at the end of an event's id that tell logs apart. The position before them is zero."""

MAX_POSITION = (1 << _POSITION_BITS) - 1
"""The greatest position that an event id can hold."""

MAX_SEQUENCE = 2**36 - 1
"""The greatest sequence that a request can name; no log is as long. Event ids hold 32 bits, and the
face of the SDK counts up to 16 to one event."""


def now_ms() -> int:
    """Return the current time in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def format_time(ms: int) -> str:
    """Render milliseconds since the epoch as RFC 3339 UTC, e.g. ``2026-01-31T10:00:00.000Z``."""
    return f"{_format_second(ms // 1000)}.{ms % 1000:03d}Z"


# Nearly every time that is rendered is of the current second.
@lru_cache
def _format_second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def parse_time(text: str) -> int:
    """Parse a text made by ``format_time`` into milliseconds since the epoch.

    Raises:
        ValueError: The text is not an RFC 3339 time.
    """
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _uuid7_hex(ms: int, free: int) -> str:
    """Lay out a UUIDv7: 48 bits of time, then 12 and 62 bits of ``free`` around the marks."""
    high, low = free >> 62, free & ((1 << 62) - 1)
    return f"{ms << 80 | 7 << 76 | high << 64 | 0b10 << 62 | low:032x}"


def new_id(prefix: str) -> str:
    """Return a fresh id such as ``agent_0198…``, unique and sorting by time.

    The 12 bits after the milliseconds hold their fraction (RFC 9562, section 6.2, method 3), so
    ids of one millisecond sort too.
    """
    ms, rest_ns = divmod(time.time_ns(), 1_000_000)
    fraction = rest_ns * 4096 // 1_000_000
    return f"{prefix}_{_uuid7_hex(ms, fraction << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS))}"


def is_id(text: str, prefix: str) -> bool:
    """Tell whether ``text`` has the form of an id with this prefix."""
    return ID_PATTERN.fullmatch(text) is not None and text.startswith(prefix + "_")


def made_ms(identity: str) -> int:
    """Return when an id was made, in milliseconds since the epoch."""
    return int(identity.rpartition("_")[2][:12], 16)


@dataclass(frozen=True)
class EventPlace:
    """The contents of an event id.

    Attributes:
        ms: The event's time, in milliseconds since the epoch.
        sequence: Its place in the log; for what is shown between two events, that of the first.
        position: 0 for the event itself; more for what is shown after it and before the next: a
            delta, or (see ``everruns.api.sdk.events``) a part of the next event.
    """

    ms: int
    sequence: int
    position: int


def _session_tag(session_id: str) -> int:
    digest = blake2s(session_id.encode(), digest_size=4).digest()
    return int.from_bytes(digest) >> (32 - _TAG_BITS)


def event_id(session_id: str, ms: int, sequence: int, position: int = 0) -> str:
    """Return the id of an event; ids sort by time, then sequence, then position.

    Args:
        session_id: Whose log the event belongs to.
        ms: The event's time, never earlier than that of the event before it.
        sequence: The event's place in the log; for a delta, that of the last event before it.
        position: 0 for durable events; for a delta, one more than the characters sent so far.
    """
    bounded = min(position, MAX_POSITION)
    free = sequence << (_POSITION_BITS + _TAG_BITS) | bounded << _TAG_BITS
    return f"event_{_uuid7_hex(ms, free | _session_tag(session_id))}"


def event_mark(session_id: str) -> str:
    """Return the six digits with which the ids of all events in a session's log end."""
    return f"{_session_tag(session_id):06x}"


def copied_id(identity: str, session_id: str) -> str:
    """Return the id of an event, or of a tool's result, at the same place in another log.

    Args:
        identity: Its id in the log that it is copied from.
        session_id: Whose log it is copied to.
    """
    return identity[:-MARK_LENGTH] + event_mark(session_id)


def read_event_id(session_id: str, text: str) -> EventPlace | None:
    """Parse an event id; ``None`` if the text is not an event id of this session."""
    if not is_id(text, "event"):
        return None
    bits = int(text.removeprefix("event_"), 16)
    free = (bits >> 64 & 0xFFF) << 62 | bits & ((1 << 62) - 1)
    if free & ((1 << _TAG_BITS) - 1) != _session_tag(session_id):
        return None
    position = free >> _TAG_BITS & MAX_POSITION
    return EventPlace(bits >> 80, free >> (_POSITION_BITS + _TAG_BITS), position)
