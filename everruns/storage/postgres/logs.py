"""Event logs in PostgreSQL."""

from collections.abc import Sequence

from everruns.domain.events import Event
from everruns.storage.append_rule import first_of_each_session
from everruns.storage.logs import Append, EventQuery, LogHead, Verdict
from everruns.storage.postgres.append import Seen, append_at_once, look
from everruns.storage.postgres.database import Postgres
from everruns.storage.sql.budgets import SqlBudgets
from everruns.storage.sql.logs import SqlLogs
from everruns.storage.sql.registry import SqlRegistry


class PostgresLogs:
    """Implements ``LogStore``: appends in one statement wherever that is possible.

    Args:
        database: Has the tables.
        logs: Stores in a transaction what takes more than one statement.
        budgets: Learns with each append which sessions have budgets now.
        registry: Learns with each append what the revision is now.
    """

    def __init__(
        self, database: Postgres, logs: SqlLogs, budgets: SqlBudgets, registry: SqlRegistry
    ) -> None:
        self._database = database
        self._logs = logs
        self._budgets = budgets
        self._registry = registry

    def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store many appends, each all or nothing.

        What is not stored at once is then judged in a transaction: a retry, a conflict, the second
        append of a session, or an answer that is charged.
        """
        first = first_of_each_session(appends)
        with self._database.at_once() as connection:
            seen = append_at_once(connection, first)
        self._heed(seen)
        stored = {id(append) for append in first if append.session_id in seen.budgeted}
        rest = [append for append in appends if id(append) not in stored]
        verdicts = iter(self._append_more(rest) if rest else ())
        return [None if id(append) in stored else next(verdicts) for append in appends]

    def _append_more(self, appends: Sequence[Append]) -> list[Verdict]:
        verdicts = self._logs.append(appends)
        with self._database.at_once() as connection:
            self._heed(look(connection, {append.session_id for append in appends}))
        return verdicts

    def _heed(self, seen: Seen) -> None:
        self._budgets.heed(seen.budgeted)
        self._registry.heed(seen.revision)

    def heads(self, session_ids: Sequence[str]) -> dict[str, LogHead]:
        """Return where the log of each session stands, for those that exist."""
        return self._logs.heads(session_ids)

    def read(self, session_id: str, query: EventQuery) -> list[Event]:
        """Return events of a log; empty if the session does not exist."""
        return self._logs.read(session_id, query)

    def count(self, session_id: str, query: EventQuery) -> int:
        """Return how many events match a query, on all pages together."""
        return self._logs.count(session_id, query)
