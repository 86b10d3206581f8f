"""The statements of the store that are more than a plain select, insert or delete.

All of them are SQL that DuckDB and PostgreSQL both take.
"""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from duckdb_engine import Dialect
from sqlalchemy import (
    BigInteger,
    ClauseElement,
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    TextClause,
    and_,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from everruns.domain.sessions import Session
from everruns.ids import now_ms
from everruns.storage.base import Append, EventQuery, ListQuery, Receipt
from everruns.storage.tables import (
    Row,
    event_row,
    events,
    receipt_row,
    receipts,
    session_row,
    sessions,
    summary_row,
)


def _rows_of(columns: Iterable[Column[Any]]) -> Select[Any]:
    """Select rows whose values are bound as one list a column.

    One statement for any number of rows: with executemany DuckDB needs ten times as long.
    """
    lists = {column.name: ARRAY(column.type) for column in columns}
    return select(
        *(
            func.unnest(cast(bindparam(name, type_=values), values)).label(name)
            for name, values in lists.items()
        )
    )


def _rendered(statement: ClauseElement) -> TextClause:
    """Compile once what is used all the time, since the dialect of DuckDB caches nothing."""
    return text(str(statement.compile(dialect=Dialect(paramstyle="named"))))


_ADVANCED = ("sequence", "turn_id", "preview", "summary")
_LENGTH = Column[int]("length", BigInteger)
_LOG = _rows_of([sessions.c.id, *(sessions.c[name] for name in _ADVANCED), _LENGTH]).subquery("log")

_SELECT_LENGTHS = _rendered(
    select(sessions.c.id, sessions.c.sequence).where(sessions.c.id.in_(_rows_of([sessions.c.id])))
)
_SELECT_SESSION = _rendered(select(sessions).where(sessions.c.id == bindparam("id")))
_INSERT_SESSION = _rendered(
    insert(sessions)
    .values({column.name: bindparam(column.name) for column in sessions.c})
    .on_conflict_do_nothing()
    .returning(sessions.c.id)
)
_LOGGED = [column for column in events.c if column is not events.c.session_id]
_SELECT_LOG = _rendered(select(*_LOGGED).where(events.c.session_id == bindparam("id")))
_INSERT_EVENTS = _rendered(insert(events).from_select(events.c.keys(), _rows_of(events.c)))
# DuckDB finds a row by its index only if it compares no other column while it scans: as plain
# comparisons these conditions on the sequence would make it read every session.
_ADVANCE_SESSIONS = _rendered(
    update(sessions)
    .where(sessions.c.id == _LOG.c.id, sessions.c.sequence - _LOG.c.length == text("0"))
    .values({name: _LOG.c[name] for name in _ADVANCED})
    .returning(sessions.c.id)
)


# For one session alone, without the join, DuckDB needs half the time.
_ADVANCE_SESSION = _rendered(
    update(sessions)
    .where(
        sessions.c.id == bindparam("id"),
        case((sessions.c.id == bindparam("id"), sessions.c.sequence == bindparam("length"))),
    )
    .values({name: bindparam(f"new_{name}") for name in _ADVANCED})
    .returning(sessions.c.id)
)


def insert_session(connection: Connection, session: Session) -> bool:
    """Store a new session; return false, and change nothing, if it is stored already."""
    return bool(connection.execute(_INSERT_SESSION, session_row(session)).all())


def select_session(connection: Connection, session_id: str) -> RowMapping | None:
    """Return the row of a session."""
    return connection.execute(_SELECT_SESSION, {"id": session_id}).mappings().first()


def select_log(connection: Connection, session_id: str) -> Sequence[Sequence[Any]]:
    """Return the rows of a session's whole log, all columns but its id."""
    # DuckDB needs half as long again for a log of ten events when it is to sort them.
    rows = connection.execute(_SELECT_LOG, {"id": session_id}).all()
    return sorted(rows, key=itemgetter(0))


def select_lengths(connection: Connection, session_ids: Iterable[str]) -> dict[str, int]:
    """Return the length of each session's log, for those sessions that exist."""
    rows = connection.execute(_SELECT_LENGTHS, {"id": list(set(session_ids))})
    return {row.id: row.sequence for row in rows}


def advance_sessions(connection: Connection, appends: Sequence[Append]) -> set[str]:
    """Compare and advance: move on each session whose log is where its append expects it.

    Args:
        connection: In a transaction.
        appends: At most one a session, each well numbered.

    Returns:
        The sessions that were moved on; the events of their appends are to be stored with it.
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
        new = {f"new_{name}": rows[0][name] for name in _ADVANCED}
        one = {"id": rows[0]["id"], "length": rows[0]["length"], **new}
        return set(connection.execute(_ADVANCE_SESSION, one).scalars())
    return set(connection.execute(_ADVANCE_SESSIONS, _by_column(rows)).scalars())


def insert_events(connection: Connection, appends: Iterable[Append]) -> None:
    """Store the events of appends."""
    rows = [event_row(event) for append in appends for event in append.events]
    if rows:
        connection.execute(_INSERT_EVENTS, _by_column(rows))


def _by_column(rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, or update those whose primary key exists.

    An update in place is also what DuckDB needs: within a transaction its indexes refuse a key
    that was deleted and comes again.
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


def put_receipt(connection: Connection, receipt: Receipt | None) -> None:
    """Remember an answer, if there is one to remember; of two under one key the first stays."""
    if receipt is not None:
        row = receipt_row(receipt, now_ms())
        connection.execute(insert(receipts).on_conflict_do_nothing(), row)


def contains(search: str | None, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that any of the columns holds a text, in any case."""
    if not search:
        return true()
    return or_(*(column.icontains(search, autoescape=True) for column in columns))


def listed_sessions(query: ListQuery) -> ColumnElement[bool]:
    """Return the condition that a list shows a session, whatever text is searched for."""
    c = sessions.c
    conditions: list[ColumnElement[bool]] = []
    if query.agent_id is not None:
        conditions.append(c.agent_id == query.agent_id)
    if query.caller is not None:
        of_agent = c.agent_id == query.caller.agent_id
        conditions += [of_agent, c.end_user == query.caller.end_user]
    if query.older_than is not None:
        ms, session_id = query.older_than
        same_time = and_(c.created_ms == ms, c.id < session_id)
        conditions.append(or_(c.created_ms < ms, same_time))
    return and_(true(), *conditions)


def select_page(
    connection: Connection,
    created: Column[Any],
    matching: ColumnElement[bool],
    query: ListQuery,
    since: int | None = None,
) -> tuple[Sequence[RowMapping], int]:
    """Return a page of the matching rows of a table, newest first, and how many match in all.

    Args:
        connection: To the database.
        created: The table's column of the time by which its rows are sorted.
        matching: Which rows.
        query: Which page of them.
        since: Look first among the rows made since then. If they fill the page it is the right
            one, whatever the time, since all other rows are older.
    """
    table = created.table
    page = (
        select(table)
        .where(matching)
        .order_by(created.desc(), table.c.id.desc())
        .offset(query.offset)
        .limit(query.limit)
    )
    rows: Sequence[RowMapping] = ()
    if since is not None:
        rows = connection.execute(page.where(created >= since)).mappings().all()
    if len(rows) < query.limit or since is None:
        rows = connection.execute(page).mappings().all()
    if 0 < len(rows) < query.limit:
        return rows, query.offset + len(rows)
    count = select(func.count()).select_from(table).where(matching)
    return rows, connection.execute(count).scalar_one()


def select_events(session_id: str, query: EventQuery) -> Select[Any]:
    """Return the statement that lists events of a session, all columns but its id."""
    log = select(*_LOGGED).where(events.c.session_id == session_id)
    if query == EventQuery():
        return log.order_by(events.c.sequence)
    # DuckDB finds a log by its index only if it compares nothing else while it scans: conditions
    # beside the session's id would make it read the events of all sessions.
    found = log.cte("log").prefix_with("MATERIALIZED")
    c = found.c
    statement = select(found)
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
    order = c.sequence.desc() if query.newest_first else c.sequence
    return statement.order_by(order).limit(query.limit)
