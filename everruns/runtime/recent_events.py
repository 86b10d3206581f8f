"""The newest events of a session's log, kept in memory for its readers."""

from collections.abc import Sequence

from everruns.domain.events import Event, body_bytes

RECENT_EVENTS = 256


class RecentEvents:
    """The last ``RECENT_EVENTS`` events of a log, or up to twice as many.

    Args:
        events: The end of the log, of any length.

    Attributes:
        size_bytes: The size of the events that are kept.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = list(events[-RECENT_EVENTS:])
        self.size_bytes = body_bytes(self._events)

    @property
    def last(self) -> Event:
        """The last event of the log, which must have one."""
        return self._events[-1]

    def add(self, events: Sequence[Event]) -> int:
        """Keep the next events of the log; return how many bytes they have."""
        self._events += events
        size_bytes = body_bytes(events)
        self.size_bytes += size_bytes
        if len(self._events) > 2 * RECENT_EVENTS:
            self.size_bytes -= body_bytes(self._events[:-RECENT_EVENTS])
            del self._events[:-RECENT_EVENTS]
        return size_bytes

    def after(self, sequence: int) -> list[Event] | None:
        """Return the events after a sequence; ``None`` if they are not kept any more."""
        if not self._events:
            return []
        first = self._events[0].sequence
        return None if sequence + 1 < first else self._events[sequence + 1 - first :]
