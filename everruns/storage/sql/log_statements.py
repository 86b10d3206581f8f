"""The statements about the rows of events.

All of them are SQL that DuckDB and PostgreSQL both take.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Subquery,
    bindparam,
    case,
    delete,
    func,
    select,
)
from sqlalchemy import Row as EngineRow
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from everruns.storage.logs import EventQuery
from everruns.storage.sql.chunks import MARK
from everruns.storage.sql.dialects import is_duckdb
from everruns.storage.sql.session_statements import select_lengths
from everruns.storage.sql.statements import by_column, rendered, rows_of
from everruns.storage.sql.tables import Row, events

# DuckDB reads no more rows than this by an index (``index_scan_max_count``).
INDEXED_EVENTS = 2048

Columns = ReadOnlyColumnCollection[str, ColumnElement[Any]]

LOGGED = [column for column in events.c if column is not events.c.session_id]
_SELECT_LOG = rendered(select(*LOGGED).where(events.c.session_id == bindparam("id")))
_IN_LOG = events.c.session_id == bindparam("id")
_INSERT_EVENTS = rendered(insert(events).from_select(events.c.keys(), rows_of(events.c)))


def insert_events(connection: Connection, rows: Sequence[Row]) -> None:
    """Store the rows of events."""
    if rows:
        connection.execute(_INSERT_EVENTS, by_column(rows))


def select_log(connection: Connection, session_id: str) -> Sequence[Sequence[Any]]:
    """Return the rows of a session's whole log, all columns but its id."""
    # DuckDB needs half as long again for a log of ten events when it is to sort them.
    rows = connection.execute(_SELECT_LOG, {"id": session_id}).all()
    return sorted(rows, key=itemgetter(0))


def select_events(
    connection: Connection, session_id: str, query: EventQuery
) -> Sequence[EngineRow[Any]]:
    """Return the rows of a session's events that match a query, all columns but its id."""
    log = select(*LOGGED).where(_IN_LOG)
    if query == EventQuery():
        statement: Select[Any] = log.order_by(events.c.sequence)
    else:
        statement = _matching(log, query, is_long=_is_long(connection, session_id))
        sequence = statement.selected_columns["sequence"]
        order = sequence.desc() if query.newest_first else sequence
        statement = statement.order_by(order).offset(query.offset).limit(query.limit)
    return connection.execute(statement, {"id": session_id}).all()


def count_events(connection: Connection, session_id: str, query: EventQuery) -> int:
    """Return how many of a session's events match a query, on all pages of a list."""
    narrow = [column for column in LOGGED if column is not events.c.body]
    log = select(*narrow).where(_IN_LOG)
    matching = _matching(log, query, is_long=_is_long(connection, session_id))
    counted = select(func.count()).select_from(matching.subquery())
    return connection.execute(counted, {"id": session_id}).scalar_one()


def _is_long(connection: Connection, session_id: str) -> bool:
    """Tell whether a log is too long for DuckDB to find it by its index."""
    if not is_duckdb(connection):
        return False
    return select_lengths(connection, [session_id]).get(session_id, 0) > INDEXED_EVENTS


def _matching(log: Select[Any], query: EventQuery, *, is_long: bool) -> Select[Any]:
    """Return the events of a log that match a query.

    DuckDB finds a log by its index only if it compares nothing else while it scans, and if the log
    is short. Then conditions besides the session's id are applied to the log that was found. In a
    long log they decide which bodies are read at all, and which parts of the table are passed over.
    PostgreSQL uses its primary key for all conditions together, as the log is not materialized.
    """
    if is_long:
        c, statement = events.c, log
    else:
        found = log.cte("log").prefix_with("MATERIALIZED", dialect="duckdb")
        c, statement = found.c, select(found)
    return _where(statement, c, query)


def _where(statement: Select[Any], c: Columns, query: EventQuery) -> Select[Any]:
    if query.after is not None:
        statement = statement.where(c.sequence > query.after)
    if query.before is not None:
        statement = statement.where(c.sequence < query.before)
    if query.types:
        statement = statement.where(c.type.in_(query.types))
    if query.turn_id is not None:
        statement = statement.where(c.turn_id == query.turn_id)
    if query.since_ms is not None:
        statement = statement.where(c.ts >= query.since_ms)
    if query.until_ms is not None:
        statement = statement.where(c.ts <= query.until_ms)
    for first, last in query.without:
        statement = statement.where(~c.sequence.between(first, last))
    return statement


def select_wide_events(
    connection: Connection, session_id: str, query: EventQuery, source: FromClause = events
) -> list[tuple[int, str, str]]:
    """Return sequence, id and type of events that match a query and are stored in chunks.

    Args:
        connection: In a transaction.
        session_id: The session.
        query: The events.
        source: Where they are; see ``log_copies.stage_events``.
    """
    found = find_events(connection, session_id, query, source).c
    # As a plain comparison, it would make DuckDB read the bodies of all sessions.
    is_wide = case((found.sequence > 0, func.starts_with(found.body, MARK)))
    wide = select(found.sequence, found.id, found.type).where(is_wide)
    return [
        (row.sequence, row.id, row.type) for row in connection.execute(wide, {"id": session_id})
    ]


def find_events(
    connection: Connection, session_id: str, query: EventQuery, source: FromClause = events
) -> Subquery:
    """Select a session's events that match a query, all columns but its id.

    Args:
        connection: In a transaction.
        session_id: The session, which has to be given once more when the query is executed.
        query: The events.
        source: The table of all events, or one that has this session's alone.
    """
    if source is not events:
        return _where(select(source), source.c, query).subquery()
    log = select(*LOGGED).where(_IN_LOG)
    return _matching(log, query, is_long=_is_long(connection, session_id)).subquery()


def delete_events(connection: Connection, session_id: str) -> None:
    """Delete the rows of a session's events."""
    connection.execute(delete(events).where(events.c.session_id == session_id))
