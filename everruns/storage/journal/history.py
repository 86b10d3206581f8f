"""All sessions and logs, once the database has what the journal holds of them."""

from collections.abc import Mapping, Sequence

from everruns.domain.events import Event
from everruns.storage.history import HeadQuery, Heads, SessionEntry, Stretch, Totals
from everruns.storage.journal.write_ahead import WriteAhead


class JournaledHistory:
    """Implements ``HistoryStore``."""

    def __init__(self, ahead: WriteAhead) -> None:
        self._ahead = ahead

    def totals(self) -> Mapping[str, Totals]:
        """Return the totals of each bucket that has sessions."""
        return self._ahead.settled().history.totals()

    def heads(self, query: HeadQuery) -> Heads:
        """Return a page of heads of sessions, and the totals of all."""
        return self._ahead.settled().history.heads(query)

    def entries(self, session_ids: Sequence[str]) -> list[SessionEntry]:
        """Return those of the sessions that exist."""
        return self._ahead.settled().history.entries(session_ids)

    def agent_names(self) -> Mapping[str, str]:
        """Return the name of each agent by its id."""
        return self._ahead.settled().history.agent_names()

    def events(self, stretches: Sequence[Stretch], size_bytes: int) -> list[Event]:
        """Return the events of stretches until they have a size together."""
        return self._ahead.settled().history.events(stretches, size_bytes)
