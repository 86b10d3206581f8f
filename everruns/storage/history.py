"""What a store promises about all sessions together, for whoever keeps a copy of their logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from everruns.domain.events import Event
from everruns.domain.sessions import SessionStatus

BUCKET_DIGITS = 2
"""The last digits of a session's id, which are random, say in which bucket it is."""


@dataclass(frozen=True)
class SessionHead:
    """Where a session stands.

    Attributes:
        id: The session.
        length: The sequence of the last event of its log; 0 if that is empty.
        created_ms: When it was created, in milliseconds since the epoch.
        updated_ms: When it or its log last changed, in milliseconds since the epoch.
    """

    id: str
    length: int
    created_ms: int
    updated_ms: int


@dataclass(frozen=True)
class Totals:
    """What sessions add up to. Two stores whose totals are equal have the same sessions.

    Attributes:
        sessions: How many there are.
        events: How many events their logs have together.
        created_ms: The sum of the times of their creation, which tells sessions apart.
    """

    sessions: int = 0
    events: int = 0
    created_ms: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.sessions + other.sessions,
            self.events + other.events,
            self.created_ms + other.created_ms,
        )

    def __sub__(self, other: "Totals") -> "Totals":
        return self + Totals(-other.sessions, -other.events, -other.created_ms)


@dataclass(frozen=True)
class HeadQuery:
    """A query for heads of sessions in the order of their ids; all conditions must hold.

    Attributes:
        since_ms: Only sessions updated at or after this time, in milliseconds since the epoch.
        bucket: Only sessions whose ids end in these ``BUCKET_DIGITS`` digits.
        after: Only sessions with a greater id.
        limit: Maximum number of heads.
    """

    since_ms: int = 0
    bucket: str | None = None
    after: str = ""
    limit: int = 1_000


@dataclass(frozen=True)
class Heads:
    """A page of heads, with the totals of all sessions at the same moment."""

    heads: Sequence[SessionHead]
    totals: Totals


@dataclass(frozen=True)
class SessionEntry:
    """A session as a copy of its log needs it: without prompts, settings and secrets."""

    id: str
    agent_id: str | None
    end_user: str | None
    title: str | None
    tags: Sequence[str]
    status: SessionStatus
    created_ms: int
    updated_ms: int
    forked_from_session_id: str | None
    forked_from_sequence: int | None


@dataclass(frozen=True)
class Stretch:
    """A part of a session's log: the events after one sequence, up to another one."""

    session_id: str
    after: int
    until: int


class HistoryStore(Protocol):
    """Reads sessions and logs as a whole. What was acknowledged before a call is in its answer."""

    def totals(self) -> Mapping[str, Totals]:
        """Return the totals of each bucket that has sessions."""
        ...

    def heads(self, query: HeadQuery) -> Heads:
        """Return a page of heads of sessions."""
        ...

    def entries(self, session_ids: Sequence[str]) -> list[SessionEntry]:
        """Return those of the sessions that exist, in no order."""
        ...

    def agent_names(self) -> Mapping[str, str]:
        """Return the name of each agent, active or archived, by its id."""
        ...

    def events(self, stretches: Sequence[Stretch], size_bytes: int) -> list[Event]:
        """Return the events of stretches, one after the other, until they have a size together.

        At least one event is returned, if any is there. Deleted sessions have none.
        """
        ...


def bucket_of(session_id: str) -> str:
    """Return the bucket of a session."""
    return session_id[-BUCKET_DIGITS:]
