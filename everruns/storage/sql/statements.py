"""The statements of the store that are more than a plain select, insert or delete.

All of them are SQL that DuckDB and PostgreSQL both take.
"""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    bindparam,
    case,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy import Row as EngineRow
from sqlalchemy.dialects.postgresql import insert

from everruns.storage.sql.compiled import by_column, rendered, rows_of
from everruns.storage.sql.tables import Row, events, receipts, session_tags, sessions, summary_row
from everruns.storage.store import Append, EventQuery, ListQuery

# DuckDB reads no more rows than this by an index (``index_scan_max_count``).
INDEXED_EVENTS = 2048

_ADVANCED = ("sequence", "state", "preview", "summary")
_LENGTH = Column[int]("length", BigInteger)
_LOG = rows_of(
    [sessions.c.id, *(sessions.c[name] for name in (*_ADVANCED, "updated_ms")), _LENGTH]
).subquery("log")

_SELECT_LENGTHS = rendered(
    select(sessions.c.id, sessions.c.sequence).where(sessions.c.id.in_(rows_of([sessions.c.id])))
)
_SELECT_SESSION = rendered(select(sessions).where(sessions.c.id == bindparam("id")))
_INSERT_SESSION = rendered(
    insert(sessions)
    .values({column.name: bindparam(column.name) for column in sessions.c})
    .on_conflict_do_nothing()
    .returning(sessions.c.id)
)
_LOGGED = [column for column in events.c if column is not events.c.session_id]
_SELECT_LOG = rendered(select(*_LOGGED).where(events.c.session_id == bindparam("id")))
_IN_LOG = events.c.session_id == bindparam("id")
_SELECT_WIDE = rendered(
    # As plain comparisons, both would make DuckDB read the events of all sessions.
    select(events.c.sequence).where(
        _IN_LOG, case((_IN_LOG, func.starts_with(events.c.body, bindparam("mark"))))
    )
)
_INSERT_EVENTS = rendered(insert(events).from_select(events.c.keys(), rows_of(events.c)))
# DuckDB finds a row by its index only if it compares no other column while it scans: as plain
# comparisons these conditions on the sequence would make it read every session.
_ADVANCE_SESSIONS = rendered(
    update(sessions)
    .where(sessions.c.id == _LOG.c.id, sessions.c.sequence - _LOG.c.length == text("0"))
    .values(
        {
            **{name: _LOG.c[name] for name in _ADVANCED},
            # A client may have changed the session after the events.
            "updated_ms": func.greatest(sessions.c.updated_ms, _LOG.c.updated_ms),
        }
    )
    .returning(sessions.c.id)
)


# For one session alone, without the join, DuckDB needs half the time.
_ADVANCE_SESSION = rendered(
    update(sessions)
    .where(
        sessions.c.id == bindparam("id"),
        case((sessions.c.id == bindparam("id"), sessions.c.sequence == bindparam("length"))),
    )
    .values(
        {
            **{name: bindparam(f"new_{name}") for name in _ADVANCED},
            "updated_ms": func.greatest(sessions.c.updated_ms, bindparam("new_updated_ms")),
        }
    )
    .returning(sessions.c.id)
)


def insert_session(connection: Connection, row: Row) -> bool:
    """Store the row of a new session; return false, and change nothing, if it exists."""
    return bool(connection.execute(_INSERT_SESSION, row).all())


def select_session(connection: Connection, session_id: str) -> RowMapping | None:
    """Return the row of a session."""
    return connection.execute(_SELECT_SESSION, {"id": session_id}).mappings().first()


def select_log(connection: Connection, session_id: str) -> Sequence[Sequence[Any]]:
    """Return the rows of a session's whole log, all columns but its id."""
    # DuckDB needs half as long again for a log of ten events when it is to sort them.
    rows = connection.execute(_SELECT_LOG, {"id": session_id}).all()
    return sorted(rows, key=itemgetter(0))


def select_wide_events(connection: Connection, session_id: str, mark: str) -> Sequence[int]:
    """Return the sequences of a session's events whose bodies are stored in chunks."""
    return connection.execute(_SELECT_WIDE, {"id": session_id, "mark": mark}).scalars().all()


def select_lengths(connection: Connection, session_ids: Iterable[str]) -> dict[str, int]:
    """Return the length of each session's log, for those sessions that exist."""
    rows = connection.execute(_SELECT_LENGTHS, {"id": list(set(session_ids))})
    return {row.id: row.sequence for row in rows}


def advance_sessions(connection: Connection, appends: Sequence[Append]) -> set[str]:
    """Compare and advance each session whose log has the length that its append expects.

    Args:
        connection: In a transaction.
        appends: At most one per session, each numbered correctly.

    Returns:
        The advanced sessions; store the events of their appends in the same transaction.
    """
    if not appends:
        return set()
    rows = [
        {
            **summary_row(append.summary),
            "id": append.session_id,
            "sequence": append.expected - 1 + len(append.events),
            "length": append.expected - 1,
        }
        for append in appends
    ]
    if len(rows) == 1:
        new = {f"new_{name}": rows[0][name] for name in (*_ADVANCED, "updated_ms")}
        one = {"id": rows[0]["id"], "length": rows[0]["length"], **new}
        return set(connection.execute(_ADVANCE_SESSION, one).scalars())
    return set(connection.execute(_ADVANCE_SESSIONS, by_column(rows)).scalars())


_UPDATE_SESSION = rendered(
    update(sessions)
    .where(sessions.c.id == bindparam("id"))
    .values(
        title=bindparam("new_title"),
        document=bindparam("new_document"),
        updated_ms=func.greatest(sessions.c.updated_ms, bindparam("new_updated_ms")),
    )
    .returning(sessions.c.id)
)


def update_session(connection: Connection, row: Row) -> bool:
    """Store what a client can change of a session's row; return whether the session exists."""
    new = {f"new_{name}": row[name] for name in ("title", "document", "updated_ms")}
    return bool(connection.execute(_UPDATE_SESSION, {"id": row["id"], **new}).all())


def insert_tags(connection: Connection, rows: Sequence[Row]) -> None:
    """Store the rows of a session's tags."""
    if rows:
        connection.execute(insert(session_tags), rows)


def delete_tags(connection: Connection, session_id: str) -> None:
    """Delete a session's tags."""
    connection.execute(delete(session_tags).where(session_tags.c.session_id == session_id))


def insert_events(connection: Connection, rows: Sequence[Row]) -> None:
    """Store the rows of events."""
    if rows:
        connection.execute(_INSERT_EVENTS, by_column(rows))


def upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, or update those whose primary key exists.

    An update in place is also what DuckDB needs: within a transaction its indexes refuse a key
    that was deleted and is inserted again.
    """
    if not rows:
        return
    statement = insert(table)
    replaced = {
        column.name: statement.excluded[column.name] for column in table.c if not column.primary_key
    }
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=replaced),
        rows,
    )


def insert_receipt(connection: Connection, row: Row) -> bool:
    """Store the row of a receipt; return false, and change nothing, if its key has one."""
    statement = insert(receipts).on_conflict_do_nothing().returning(receipts.c.key)
    return bool(connection.execute(statement, row).all())


def select_page(
    connection: Connection,
    time: Column[Any],
    matching: ColumnElement[bool],
    query: ListQuery,
    since: int | None = None,
    *,
    ascending: bool = False,
) -> tuple[Sequence[RowMapping], int]:
    """Return a page of the matching rows of a table, and how many match in all.

    Args:
        connection: To the database.
        time: The time column that sorts the table's rows.
        matching: The condition for rows.
        query: The page.
        since: Search the rows since then first. If they fill the page it is the right one for any
            time, since all other rows are older. Only for the newest first.
        ascending: Whether the oldest come first.
    """
    table = time.table
    order = (time, table.c.id) if ascending else (time.desc(), table.c.id.desc())
    page = select(table).where(matching).order_by(*order).offset(query.offset).limit(query.limit)
    rows: Sequence[RowMapping] = ()
    if since is not None:
        rows = connection.execute(page.where(time >= since)).mappings().all()
    if len(rows) < query.limit or since is None:
        rows = connection.execute(page).mappings().all()
    if 0 < len(rows) < query.limit:
        return rows, query.offset + len(rows)
    count = select(func.count()).select_from(table).where(matching)
    return rows, connection.execute(count).scalar_one()


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


def count_events(connection: Connection, session_id: str, query: EventQuery) -> int:
    """Return how many of a session's events match a query, on all pages of a list."""
    narrow = [column for column in _LOGGED if column is not events.c.body]
    log = select(*narrow).where(_IN_LOG)
    matching = _matching(log, query, is_long=_is_long(connection, session_id))
    counted = select(func.count()).select_from(matching.subquery())
    return connection.execute(counted, {"id": session_id}).scalar_one()


def _is_long(connection: Connection, session_id: str) -> bool:
    return select_lengths(connection, [session_id]).get(session_id, 0) > INDEXED_EVENTS


def _matching(log: Select[Any], query: EventQuery, *, is_long: bool) -> Select[Any]:
    """Return the events of a log that match a query.

    DuckDB finds a log by its index only if it compares nothing else while it scans, and if the log
    is short. Then conditions besides the session's id are applied to the log that was found. In a
    long log they decide which bodies are read at all, and which parts of the table are passed over.
    """
    if is_long:
        c, statement = events.c, log
    else:
        found = log.cte("log").prefix_with("MATERIALIZED")
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
