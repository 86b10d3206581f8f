"""The statements about the rows of events.

All of them are SQL that DuckDB and PostgreSQL both take.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    bindparam,
    case,
    delete,
    func,
    literal,
    select,
)
from sqlalchemy import Row as EngineRow
from sqlalchemy.dialects.postgresql import insert

from everruns.domain.events import BODY_AFTER_ID, ID_FIELD, EventType, session_field
from everruns.ids import EVENT_ID_LENGTH, MARK_LENGTH, event_mark
from everruns.storage.logs import EventQuery
from everruns.storage.sql.chunks import MARK
from everruns.storage.sql.dialects import is_duckdb
from everruns.storage.sql.session_statements import select_lengths
from everruns.storage.sql.statements import by_column, rendered, rows_of
from everruns.storage.sql.tables import Row, events

# DuckDB reads no more rows than this by an index (``index_scan_max_count``).
INDEXED_EVENTS = 2048

# What a message's body has before the text of it: ids, times and digests.
LONGEST_HEAD = 2048

_LOGGED = [column for column in events.c if column is not events.c.session_id]
_SELECT_LOG = rendered(select(*_LOGGED).where(events.c.session_id == bindparam("id")))
_IN_LOG = events.c.session_id == bindparam("id")
_SELECT_WIDE = rendered(
    # As plain comparisons, both would make DuckDB read the events of all sessions.
    select(events.c.sequence, events.c.id, events.c.type).where(
        _IN_LOG, case((_IN_LOG, func.starts_with(events.c.body, bindparam("mark"))))
    )
)
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
    log = select(*_LOGGED).where(_IN_LOG)
    if query == EventQuery():
        statement: Select[Any] = log.order_by(events.c.sequence)
    else:
        statement = _matching(log, query, is_long=_is_long(connection, session_id))
        sequence = statement.selected_columns["sequence"]
        order = sequence.desc() if query.newest_first else sequence
        statement = statement.order_by(order).offset(query.offset).limit(query.limit)
    return connection.execute(statement, {"id": session_id}).all()


def copy_events(connection: Connection, session_id: str, other_id: str, sequence: int) -> None:
    """Copy a session's events up to a sequence to the empty log of another one.

    A body is copied as ``Event.copied`` does it, and the mark of one that is stored in chunks as
    it is.
    """
    log = select(*_LOGGED).where(_IN_LOG)
    is_long = _is_long(connection, session_id)
    found = _matching(log, EventQuery(before=sequence + 1), is_long=is_long).subquery()
    values: dict[str, ColumnElement[Any]] = {
        **dict(found.c.items()),
        "session_id": literal(other_id),
        "id": _copied_id(found, other_id),
        "body": _copied_body(found, session_id, other_id),
    }
    copied = select(*(values[column.name] for column in events.c))
    statement = insert(events).from_select(events.c.keys(), copied)
    connection.execute(statement, {"id": session_id})


def _copied_id(found: Subquery, other_id: str) -> ColumnElement[str]:
    return func.substr(found.c.id, 1, EVENT_ID_LENGTH - MARK_LENGTH).concat(event_mark(other_id))


def _copied_body(found: Subquery, session_id: str, other_id: str) -> ColumnElement[str]:
    # By places in the text: with regular expressions, PostgreSQL takes twice as long.
    body, is_message = found.c.body, found.c.type == EventType.MESSAGE_CREATED
    own, other = session_field(session_id), literal(session_field(other_id))
    beyond = func.strpos(body, own) + len(own)
    again = func.strpos(func.substr(body, beyond, LONGEST_HEAD), own)
    names_it_again = is_message & (again > 0)
    whole = (
        literal(ID_FIELD)
        .concat(_copied_id(found, other_id))
        .concat(func.substr(body, BODY_AFTER_ID + 1, beyond - len(own) - BODY_AFTER_ID - 1))
        .concat(other)
    )
    once = whole.concat(func.substr(body, beyond))
    twice = (
        whole.concat(func.substr(body, beyond, again - 1))
        .concat(other)
        .concat(func.substr(body, beyond + again - 1 + len(own)))
    )
    is_apart = func.starts_with(body, MARK)
    return case((is_apart, body), (names_it_again, twice), else_=once)


def count_events(connection: Connection, session_id: str, query: EventQuery) -> int:
    """Return how many of a session's events match a query, on all pages of a list."""
    narrow = [column for column in _LOGGED if column is not events.c.body]
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


def select_wide_events(connection: Connection, session_id: str) -> list[tuple[int, str, str]]:
    """Return sequence, id and type of a session's events whose bodies are stored in chunks."""
    found = connection.execute(_SELECT_WIDE, {"id": session_id, "mark": MARK})
    return [(row.sequence, row.id, row.type) for row in found]


def delete_events(connection: Connection, session_id: str) -> None:
    """Delete the rows of a session's events."""
    connection.execute(delete(events).where(events.c.session_id == session_id))
