"""Event logs that the journal has before the database."""

from collections.abc import Sequence

from everruns.domain.events import Event
from everruns.storage.journal.write_ahead import WriteAhead
from everruns.storage.logs import Append, EventQuery, LogHead, Verdict


class JournaledLogs:
    """Implements ``LogStore``."""

    def __init__(self, ahead: WriteAhead) -> None:
        self._ahead = ahead

    def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store many appends, each all or nothing."""
        return self._ahead.append(appends)

    def heads(self, session_ids: Sequence[str]) -> dict[str, LogHead]:
        """Return where the log of each session stands, for those that exist."""
        return self._ahead.heads(session_ids)

    def read(self, session_id: str, query: EventQuery) -> list[Event]:
        """Return events of a log; empty if the session does not exist."""
        return self._ahead.settled(session_id).logs.read(session_id, query)

    def count(self, session_id: str, query: EventQuery) -> int:
        """Return how many events match a query, on all pages together."""
        return self._ahead.settled(session_id).logs.count(session_id, query)
