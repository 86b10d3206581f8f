"""Event logs in memory."""

from collections.abc import Sequence

from everruns.domain.events import Event
from everruns.storage.append_rule import judge
from everruns.storage.logs import Append, EventQuery, LogHead, Verdict
from everruns.storage.memory.contents import Contents
from everruns.storage.pages import cut


class MemoryLogs:
    """Implements ``LogStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store many appends in one transaction, each all or nothing."""
        with self._contents.lock:
            heads = self._heads([append.session_id for append in appends])
            verdicts, accepted = judge(appends, heads, self._bodies)
            sessions = self._contents.sessions
            for append in accepted:
                sessions[append.session_id].take(append)
            agents = {found: sessions[found].session.agent_id for found in heads}
            self._contents.charge(accepted, agents)
            return verdicts

    def _bodies(self, session_id: str, first: int, last: int) -> list[bytes]:
        events = self._contents.sessions[session_id].events
        return [event.body for event in events if first <= event.sequence <= last]

    def heads(self, session_ids: Sequence[str]) -> dict[str, LogHead]:
        """Return where the log of each session stands, for those that exist."""
        with self._contents.lock:
            return self._heads(session_ids)

    def _heads(self, session_ids: Sequence[str]) -> dict[str, LogHead]:
        sessions = self._contents.sessions
        return {
            found: LogHead(len(sessions[found].events), sessions[found].holder)
            for found in session_ids
            if found in sessions
        }

    def read(self, session_id: str, query: EventQuery) -> list[Event]:
        """Return events of a log; empty if the session does not exist."""
        events = self._matching(session_id, query)
        if query.newest_first:
            events.reverse()
        found = events[query.offset :][: query.limit]
        return (
            cut(found, lambda event: len(event.body), query.size_bytes) if query.is_page else found
        )

    def count(self, session_id: str, query: EventQuery) -> int:
        """Return how many events match a query, on all pages together."""
        return len(self._matching(session_id, query))

    def _matching(self, session_id: str, query: EventQuery) -> list[Event]:
        with self._contents.lock:
            stored = self._contents.sessions.get(session_id)
            return [event for event in stored.events if _matches(event, query)] if stored else []


def _matches(event: Event, query: EventQuery) -> bool:
    return (
        (query.after is None or event.sequence > query.after)
        and (query.before is None or event.sequence < query.before)
        and (not query.types or event.type in query.types)
        and (query.turn_id is None or event.turn_id == query.turn_id)
        and (query.since_ms is None or event.ts >= query.since_ms)
        and (query.until_ms is None or event.ts <= query.until_ms)
        and not any(first <= event.sequence <= last for first, last in query.without)
    )
