"""Event logs in PostgreSQL."""

from collections.abc import Sequence

from everruns.domain.events import Event
from everruns.storage.append_rule import first_of_each_session
from everruns.storage.logs import Append, EventQuery, LogHead, Verdict
from everruns.storage.postgres.append import append_at_once
from everruns.storage.postgres.database import Postgres
from everruns.storage.sql.logs import SqlLogs


class PostgresLogs:
    """Implements ``LogStore``: appends in one statement wherever that is possible.

    Args:
        database: Has the tables.
        logs: Stores in a transaction what takes more than one statement.
    """

    def __init__(self, database: Postgres, logs: SqlLogs) -> None:
        self._database = database
        self._logs = logs

    def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store many appends, each all or nothing.

        What is not stored at once is then judged in a transaction: a retry, a conflict, the second
        append of a session, or an answer that is charged.
        """
        first = first_of_each_session(appends)
        with self._database.at_once() as connection:
            advanced = append_at_once(connection, first)
        stored = {id(append) for append in first if append.session_id in advanced}
        rest = [append for append in appends if id(append) not in stored]
        verdicts = iter(self._logs.append(rest) if rest else ())
        return [None if id(append) in stored else next(verdicts) for append in appends]

    def heads(self, session_ids: Sequence[str]) -> dict[str, LogHead]:
        """Return where the log of each session stands, for those that exist."""
        return self._logs.heads(session_ids)

    def read(self, session_id: str, query: EventQuery) -> list[Event]:
        """Return events of a log; empty if the session does not exist."""
        return self._logs.read(session_id, query)

    def count(self, session_id: str, query: EventQuery) -> int:
        """Return how many events match a query, on all pages together."""
        return self._logs.count(session_id, query)
