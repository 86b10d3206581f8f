"""What a store promises about the event logs of sessions."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from everruns.domain.events import Event
from everruns.domain.sessions import SessionSummary
from everruns.errors import EverrunsError

Verdict = EverrunsError | None

FIRST_HOLDER = 1
"""The number with which a session is created, for whoever created it to hand out."""


@dataclass(frozen=True)
class LogHead:
    """Where a log stands: what an append is compared with.

    Attributes:
        length: The sequence of its last event; 0 if it is empty.
        holder: The number of its holder: how often the session was taken, its creation included.
    """

    length: int
    holder: int


@dataclass(frozen=True)
class Append:
    """Events to store as the next entries of one session's log.

    Attributes:
        session_id: The session.
        expected: Sequence the first event must get; the log's length plus one.
        events: Events numbered from ``expected``; none if only the summary changes.
        summary: The summary of the session's row after the events.
        holder: The number with which the caller has taken the session (``SessionStore.take``).
            ``None`` only for what a journal has judged already.
    """

    session_id: str
    expected: int
    events: Sequence[Event]
    summary: SessionSummary
    holder: int | None


@dataclass(frozen=True)
class EventQuery:
    """A query for events of a session; all conditions must hold.

    Attributes:
        after: Only events with a greater sequence.
        before: Only events with a smaller sequence.
        types: Only these types, unless empty.
        turn_id: Only events of this turn.
        since_ms: Only events at or after this time, in milliseconds since the epoch.
        until_ms: Only events at or before this time.
        without: Ranges of sequences to leave out, as pairs of the first and the last.
        offset: Number of items to skip.
        limit: Maximum number of events. A page also ends once it is full; see ``pages.py``.
        size_bytes: Size of a full page, instead of ``pages.MAX_PAGE_BYTES``.
        newest_first: Whether the newest come first; ``limit`` then keeps the newest.
    """

    after: int | None = None
    before: int | None = None
    types: Sequence[str] = ()
    turn_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    without: Sequence[tuple[int, int]] = ()
    offset: int = 0
    limit: int | None = None
    size_bytes: int | None = None
    newest_first: bool = False

    @property
    def is_page(self) -> bool:
        """Whether the query is for a page rather than for all events."""
        return self.limit is not None or self.size_bytes is not None


ReadEvents = Callable[[str, EventQuery], Awaitable[Sequence[Event]]]
"""Reads events of a session's log; see ``LogStore.events``."""


class LogStore(Protocol):
    """Keeps the log of each session."""

    def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store many appends in one transaction, each all or nothing.

        Appends whose events are already stored (retries) succeed.

        Returns:
            For each append ``None``, or ``PlacedElsewhere`` (the session was taken since), or
            ``SequenceConflict`` (the log has another length), or ``SessionNotFound``. A failed
            append does not affect the others.
        """
        ...

    def heads(self, session_ids: Sequence[str]) -> dict[str, LogHead]:
        """Return where the log of each session stands, for those that exist."""
        ...

    def read(self, session_id: str, query: EventQuery) -> list[Event]:
        """Return events of a log; empty if the session does not exist."""
        ...

    def count(self, session_id: str, query: EventQuery) -> int:
        """Return how many events match a query, on all pages together."""
        ...
