"""Trace context: which trace a turn belongs to, and what requests to others say of it.

The ids of a turn's spans are digests of ids that are in the log, so they are known before a span
has happened and are the same whenever and wherever the spans are made.

Source: https://www.w3.org/TR/trace-context/
"""

import re
from dataclasses import dataclass
from hashlib import blake2s

TRACEPARENT = "traceparent"
"""The header, and the field of an event's context."""

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_LONGEST = 256
_SAMPLED = 0x01
# The last digits of a turn's id are random.
_RANDOM_DIGITS = 14


@dataclass(frozen=True, slots=True)
class TraceParent:
    """The span that a request belongs to.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        is_sampled: Whether its sender records the trace.
    """

    trace_id: str
    span_id: str
    is_sampled: bool

    @classmethod
    def parse(cls, text: str | None) -> "TraceParent | None":
        """Parse a ``traceparent``; ``None`` if it is not one, which senders are not told."""
        found = _FORM.fullmatch(text.strip(" \t")) if text and len(text) <= _LONGEST else None
        if found is None:
            return None
        version, trace_id, span_id, flags, more = found.groups()
        is_known = version != "ff" and (version != "00" or more is None)
        if not is_known or not trace_id.strip("0") or not span_id.strip("0"):
            return None
        return cls(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))

    def __str__(self) -> str:
        """Return the value of the header, in the version that everybody reads."""
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED if self.is_sampled else 0:02x}"


@dataclass(frozen=True, slots=True)
class TurnTrace:
    """Where a turn stands in its trace.

    Attributes:
        turn_id: The turn.
        trace_id: The trace of the request that began the turn or, without one, the turn's own.
        parent_id: The span of that request.
        is_sampled: Whether the turn's spans are recorded. Whether they also are because of what
            the turn has come to is known at its end.
    """

    turn_id: str
    trace_id: str
    parent_id: str | None
    is_sampled: bool

    @classmethod
    def of(cls, turn_id: str, traceparent: str | None, share: float) -> "TurnTrace":
        """Return the trace of a turn; the same in every process.

        Args:
            turn_id: The turn.
            traceparent: That of the request that began it, if it had one. Its sender decides
                whether the trace is recorded.
            share: The share of other turns that is recorded, from 0 to 1.
        """
        if parent := TraceParent.parse(traceparent):
            return cls(turn_id, parent.trace_id, parent.span_id, parent.is_sampled)
        own = _own_trace_id(turn_id)
        is_sampled = int(own[-_RANDOM_DIGITS:], 16) < share * 16**_RANDOM_DIGITS
        return cls(turn_id, own, None, is_sampled)

    def span_id(self, identity: str = "") -> str:
        """Return the id of one of the turn's spans.

        Args:
            identity: The id of what the span shows: a message, a call, an event. Without it, the
                span is that of the turn.
        """
        # Ids of calls are unique in their session alone, and a trace may have several sessions.
        return blake2s(f"{self.turn_id}/{identity}".encode(), digest_size=8).hexdigest()

    def traceparent(self, identity: str = "") -> str:
        """Return what a request says that is made within one of the turn's spans."""
        return str(TraceParent(self.trace_id, self.span_id(identity), self.is_sampled))


def trace_id_of(turn_id: str, traceparent: str | None) -> str:
    """Return the id of a turn's trace.

    Args:
        turn_id: The turn.
        traceparent: That of the request that began it, if it had one.
    """
    parent = TraceParent.parse(traceparent)
    return parent.trace_id if parent else _own_trace_id(turn_id)


def _own_trace_id(turn_id: str) -> str:
    return turn_id.rpartition("_")[2]
