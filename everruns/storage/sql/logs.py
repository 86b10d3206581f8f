"""Event logs in a database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from everruns.domain.events import Event
from everruns.storage.append_rule import first_of_each_session, judge
from everruns.storage.logs import Append, EventQuery, LogHead, Verdict
from everruns.storage.pages import cut
from everruns.storage.sql.budgets import SqlBudgets
from everruns.storage.sql.chunks import (
    EVENTS,
    delete_chunks,
    event_owner,
    is_apart,
    put_chunks,
    read_chunks,
    size_of,
)
from everruns.storage.sql.database import Database
from everruns.storage.sql.log_statements import (
    count_events,
    delete_events,
    insert_events,
    select_events,
    select_log,
    select_wide_events,
)
from everruns.storage.sql.session_statements import (
    advance_sessions,
    raise_holders,
    select_heads,
)
from everruns.storage.sql.tables import Row


class SqlLogs:
    """Implements ``LogStore``.

    Args:
        database: Has the tables.
        budgets: Are charged for what is stored.
    """

    def __init__(self, database: Database, budgets: SqlBudgets) -> None:
        self._database = database
        self._budgets = budgets

    def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store many appends in one transaction, each all or nothing."""
        with self._database.writing() as connection:
            return self._append(connection, appends)

    def apply(self, taken: Mapping[str, int], appends: Sequence[Append]) -> list[Verdict]:
        """Store what a journal has judged, in one transaction.

        Args:
            taken: The newest number of each session that was taken.
            appends: Appends of which only the lengths are compared again. Their holders had the
                sessions when they were judged, whoever has taken them since.
        """
        with self._database.writing() as connection:
            raise_holders(connection, taken)
            return self._append(connection, [replace(append, holder=None) for append in appends])

    def _append(self, connection: Connection, appends: Sequence[Append]) -> list[Verdict]:
        # The first append of each session is compared and stored at once; usually that is all of
        # them. The others are compared with the log after that.
        first = first_of_each_session(appends)
        stored = {id(append) for append in self.advance(connection, first)}
        rest = [append for append in appends if id(append) not in stored]
        verdicts = iter(self._judge(connection, rest))
        return [None if id(append) in stored else next(verdicts) for append in appends]

    def advance(self, connection: Connection, appends: Sequence[Append]) -> list[Append]:
        """Store the appends that their holder may add to the log as it is; return them.

        Args:
            connection: In a transaction.
            appends: At most one per session, each numbered correctly.
        """
        advanced = advance_sessions(connection, appends)
        stored = [append for append in appends if append.session_id in advanced]
        new = [event_row(event) for append in stored for event in append.events]
        rows, apart = EVENTS.narrow(new)
        insert_events(connection, rows)
        put_chunks(connection, apart)
        self._budgets.charge(connection, stored)
        return stored

    def _judge(self, connection: Connection, appends: Sequence[Append]) -> list[Verdict]:
        if not appends:
            return []

        def stored(session_id: str, first: int, last: int) -> list[bytes]:
            query = EventQuery(after=first - 1, before=last + 1)
            return [event.body for event in read_events(connection, session_id, query)]

        heads = select_heads(connection, [append.session_id for append in appends])
        verdicts, accepted = judge(appends, heads, stored)
        for append in accepted:
            self.advance(connection, [append])
        return verdicts

    def heads(self, session_ids: Sequence[str]) -> dict[str, LogHead]:
        """Return where the log of each session stands, for those that exist."""
        with self._database.reading() as connection:
            return select_heads(connection, session_ids)

    def read(self, session_id: str, query: EventQuery) -> list[Event]:
        """Return events of a log; empty if the session does not exist."""
        with self._database.reading() as connection:
            return read_page(connection, session_id, query)

    def count(self, session_id: str, query: EventQuery) -> int:
        """Return how many events match a query, on all pages together."""
        with self._database.reading() as connection:
            return count_events(connection, session_id, query)


def read_log(connection: Connection, session_id: str, first: int | None = None) -> list[Event]:
    """Return the log of a session.

    Args:
        connection: In a transaction.
        session_id: The session.
        first: The sequence of the first event to return, if not all are wanted.
    """
    if first is None:
        return _events(connection, session_id, select_log(connection, session_id))
    return read_events(connection, session_id, EventQuery(after=first - 1))


def read_page(connection: Connection, session_id: str, query: EventQuery) -> list[Event]:
    """Return the events of a log that match a query, on the page that it asks for."""
    rows = select_events(connection, session_id, query)
    if query.is_page:
        rows = cut(rows, lambda row: size_of(row.body), query.size_bytes)
    return _events(connection, session_id, rows)


def read_events(connection: Connection, session_id: str, query: EventQuery) -> list[Event]:
    """Return the events of a log that match a query, on all pages together."""
    return _events(connection, session_id, select_events(connection, session_id, query))


def delete_log(connection: Connection, session_id: str) -> None:
    """Delete the events of a session."""
    wide = select_wide_events(connection, session_id, EventQuery())
    delete_events(connection, session_id)
    delete_chunks(connection, [event_owner(session_id, sequence) for sequence, _, _ in wide])


def event_row(event: Event) -> Row:
    """Return the row of an event, its body as wide as it is."""
    return {
        "session_id": event.session_id,
        "sequence": event.sequence,
        "id": event.id,
        "type": event.type,
        "turn_id": event.turn_id,
        "ts": event.ts,
        "body": event.body.decode(),
    }


def _events(connection: Connection, session_id: str, rows: Iterable[Sequence[Any]]) -> list[Event]:
    """Return the events of a session's rows, each with the columns but the first, in order.

    By place and not by name, and with one session id for all: a log has thousands of events.
    """
    found = [
        Event(session_id, sequence, identity, kind, turn_id, ts, body.encode())
        for sequence, identity, kind, turn_id, ts, body in rows
    ]
    return [_whole(connection, event) if is_apart(event.body) else event for event in found]


def _whole(connection: Connection, event: Event) -> Event:
    owner = event_owner(event.session_id, event.sequence)
    return replace(event, body=read_chunks(connection, owner))
