"""All sessions and logs in memory."""

from collections.abc import Mapping, Sequence

from everruns.domain.events import Event
from everruns.ids import parse_time
from everruns.storage.history import (
    HeadQuery,
    Heads,
    SessionEntry,
    SessionHead,
    Stretch,
    Totals,
    bucket_of,
)
from everruns.storage.memory.contents import Contents, StoredSession


class MemoryHistory:
    """Implements ``HistoryStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def totals(self) -> Mapping[str, Totals]:
        """Return the totals of each bucket that has sessions."""
        totals: dict[str, Totals] = {}
        for head in self._all_heads():
            bucket = bucket_of(head.id)
            totals[bucket] = totals.get(bucket, Totals()) + _totals(head)
        return totals

    def heads(self, query: HeadQuery) -> Heads:
        """Return a page of heads of sessions, and the totals of all."""
        heads = self._all_heads()
        found = [
            head
            for head in heads
            if head.updated_ms >= query.since_ms
            and query.bucket in {None, bucket_of(head.id)}
            and head.id > query.after
        ]
        found.sort(key=lambda head: head.id)
        return Heads(found[: query.limit], sum(map(_totals, heads), Totals()))

    def _all_heads(self) -> list[SessionHead]:
        with self._contents.lock:
            return [_head(stored) for stored in self._contents.sessions.values()]

    def entries(self, session_ids: Sequence[str]) -> list[SessionEntry]:
        """Return those of the sessions that exist."""
        with self._contents.lock:
            sessions = self._contents.sessions
            return [_entry(sessions[found]) for found in session_ids if found in sessions]

    def agent_names(self) -> Mapping[str, str]:
        """Return the name of each agent by its id."""
        with self._contents.lock:
            return {agent.id: agent.name for agent in self._contents.agents.values()}

    def events(self, stretches: Sequence[Stretch], size_bytes: int) -> list[Event]:
        """Return the events of stretches until they have a size together."""
        found: list[Event] = []
        for stretch in stretches:
            with self._contents.lock:
                stored = self._contents.sessions.get(stretch.session_id)
                events = stored.events[stretch.after : stretch.until] if stored else []
            for event in events:
                found.append(event)
                size_bytes -= len(event.body)
                if size_bytes <= 0:
                    return found
        return found


def _head(stored: StoredSession) -> SessionHead:
    session = stored.session
    created_ms = parse_time(session.created_at)
    return SessionHead(session.id, len(stored.events), created_ms, stored.updated_ms)


def _totals(head: SessionHead) -> Totals:
    return Totals(1, head.length, head.created_ms)


def _entry(stored: StoredSession) -> SessionEntry:
    session = stored.session
    return SessionEntry(
        id=session.id,
        agent_id=session.agent_id,
        end_user=session.end_user,
        title=session.title,
        tags=session.tags,
        status=session.status,
        created_ms=parse_time(session.created_at),
        updated_ms=stored.updated_ms,
        forked_from_session_id=session.forked_from_session_id,
        forked_from_sequence=session.forked_from_sequence,
    )
