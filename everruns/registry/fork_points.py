"""Where a log can be forked, and the summary of a fork, both read without folding the log.

A log can be forked where no turn is open and no message waits for one. Both are read from
a few events of the log, however long it is.

Source: docs/contract.md, "Fork".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from everruns.domain.events import TURN_ENDS, TURN_OUTCOMES, Event, EventType
from everruns.domain.excerpts import preview_of
from everruns.domain.forks import InsideTurn
from everruns.domain.logged_messages import message_of
from everruns.domain.messages import Message
from everruns.domain.retries import Ranges, disjoint
from everruns.domain.sessions import SessionSummary
from everruns.errors import Conflict, InvalidRequest
from everruns.storage.logs import EventQuery, LogStore

TURN_BOUNDS = (EventType.SESSION_STARTED, *sorted(TURN_ENDS))
MESSAGES_AT_ONCE = 20


@dataclass(frozen=True)
class ForkPoint:
    """A place in a log, and the nearest ones where it can be forked.

    Attributes:
        before: The last sequence, at the place or before it, where it can be forked.
        after: The first one, at the place or after it; ``None`` while the turn there is open.
    """

    before: int
    after: int | None

    @classmethod
    def at(cls, logs: LogStore, session_id: str, sequence: int) -> "ForkPoint":
        """Return what is known of the place after an event; 0 is the place before the first."""
        up_to = EventQuery(before=sequence + 1)
        bounds = replace(up_to, types=TURN_BOUNDS, newest_first=True)
        ended = _first(logs, session_id, replace(bounds, types=sorted(TURN_ENDS)))
        begun = _first(logs, session_id, replace(bounds, types=(EventType.SESSION_STARTED,)))
        last_end = ended.sequence if ended else 0
        waiting = _first_waiting(logs, session_id, replace(up_to, after=last_end))
        is_open = begun is not None and begun.sequence > last_end
        if waiting is None and not is_open:
            return cls(sequence, sequence)
        starts = [waiting.sequence] if waiting else []
        starts += [begun.sequence] if begun is not None and is_open else []
        query = EventQuery(after=sequence, types=sorted(TURN_ENDS))
        following = _first(logs, session_id, query)
        return cls(min(starts) - 1, following.sequence if following else None)

    def chosen(self, sequence: int, inside_turn: InsideTurn) -> int:
        """Return the last event that a fork begins with.

        Args:
            sequence: The event that was asked for.
            inside_turn: What to do if a turn is open there.

        Raises:
            Conflict: The log cannot be forked there; the message says where it can.
        """
        if self.after == self.before:
            return sequence
        if inside_turn == "before":
            return self.before
        if inside_turn == "after" and self.after is not None:
            return self.after
        if self.after is None:
            raise Conflict(
                f"A turn is open at event {sequence} and has not ended yet. Fork at sequence "
                f"{self.before}, before that turn, or when it has ended."
            )
        raise Conflict(
            f"Event {sequence} is inside a turn. Fork at sequence {self.before}, before that turn, "
            f'or {self.after}, after it; or set inside_turn to "before" or "after".'
        )


def fork_sequence(
    logs: LogStore, session_id: str, length: int, sequence: int | None, inside_turn: InsideTurn
) -> int:
    """Return the last event that a fork begins with.

    Args:
        logs: Have the log.
        session_id: The session that is forked.
        length: The length of its log.
        sequence: The event that was asked for; ``None`` for the newest where that is possible.
        inside_turn: What to do if a turn is open there.

    Raises:
        InvalidRequest: The log is shorter.
        Conflict: The log cannot be forked there.
    """
    if sequence is None:
        return ForkPoint.at(logs, session_id, length).before
    if sequence > length:
        raise InvalidRequest(
            f"sequence: the log of session {session_id} has {length} events. Give one of them, or "
            "leave it out to fork at the end of the last turn."
        )
    return ForkPoint.at(logs, session_id, sequence).chosen(sequence, inside_turn)


def summary_at(logs: LogStore, session_id: str, sequence: int, forked: Event) -> SessionSummary:
    """Return the summary of a fork, the same that the fold of its log gives.

    Args:
        logs: Have the log of its source.
        session_id: The source.
        sequence: The last event that it begins with.
        forked: The event after that.
    """
    up_to = EventQuery(before=sequence + 1)
    starts = logs.read(session_id, replace(up_to, types=(EventType.SESSION_STARTED,)))
    ended = _first(logs, session_id, replace(up_to, types=sorted(TURN_ENDS), newest_first=True))
    superseded = disjoint(
        (first, last) for event in starts for first, last in event.data.get("superseded", ())
    )
    return SessionSummary(
        status="idle",
        sequence=forked.sequence,
        preview=_preview(_messages(logs, session_id, up_to), "user"),
        output_preview=_preview(
            _messages(logs, session_id, replace(up_to, newest_first=True), superseded), "agent"
        ),
        started_at=starts[0].envelope["ts"] if starts else None,
        finished_at=ended.envelope["ts"] if ended else None,
        last_outcome=TURN_OUTCOMES[ended.type] if ended else None,
        updated_at=forked.envelope["ts"],
    )


def _preview(messages: Iterator[Message], role: str) -> str | None:
    previews = (preview_of(message) for message in messages if message.role == role)
    return next(filter(None, previews), None)


def _messages(
    logs: LogStore, session_id: str, query: EventQuery, without: Ranges = ()
) -> Iterator[Message]:
    """Yield messages of users and agents in the order of a query."""
    created = (EventType.MESSAGE_CREATED,)
    page = replace(query, types=created, without=without, limit=MESSAGES_AT_ONCE)
    while events := logs.read(session_id, page):
        yield from map(message_of, events)
        last = events[-1].sequence
        page = replace(page, before=last) if query.newest_first else replace(page, after=last)


def _first_waiting(logs: LogStore, session_id: str, query: EventQuery) -> Event | None:
    """Return the first user message of a query's events."""
    created = replace(query, types=(EventType.MESSAGE_CREATED,), limit=MESSAGES_AT_ONCE)
    while events := logs.read(session_id, created):
        for event in events:
            if message_of(event).role == "user":
                return event
        created = replace(created, after=events[-1].sequence)
    return None


def _first(logs: LogStore, session_id: str, query: EventQuery) -> Event | None:
    found: Sequence[Event] = logs.read(session_id, replace(query, limit=1))
    return found[0] if found else None
