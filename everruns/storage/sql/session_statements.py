"""The statements about the rows of sessions and their tags.

All of them are SQL that DuckDB and PostgreSQL both take.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    RowMapping,
    and_,
    bindparam,
    case,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from everruns.storage.logs import Append, LogHead
from everruns.storage.sql.dialects import is_duckdb
from everruns.storage.sql.session_rows import summary_row
from everruns.storage.sql.statements import by_column, rendered, rows_of
from everruns.storage.sql.tables import Row, session_tags, sessions

_ADVANCED = ("sequence", "state", "preview", "summary")
_LENGTH = Column[int]("length", BigInteger)
_LOG = rows_of(
    [sessions.c.id, *(sessions.c[name] for name in (*_ADVANCED, "updated_ms", "holder")), _LENGTH]
).subquery("log")
_TAKEN = rows_of([sessions.c.id, sessions.c.holder]).subquery("taken")

_SELECT_HEADS = rendered(
    select(sessions.c.id, sessions.c.sequence, sessions.c.holder).where(
        sessions.c.id.in_(rows_of([sessions.c.id]))
    )
)
_SELECT_SESSIONS = rendered(select(sessions).where(sessions.c.id.in_(rows_of([sessions.c.id]))))
_SELECT_SESSION = rendered(select(sessions).where(sessions.c.id == bindparam("id")))
_INSERT_SESSIONS = rendered(
    insert(sessions)
    .from_select(sessions.c.keys(), rows_of(sessions.c))
    .on_conflict_do_nothing()
    .returning(sessions.c.id)
)
_INSERT_TAGS = rendered(
    insert(session_tags).from_select(session_tags.c.keys(), rows_of(session_tags.c))
)
# DuckDB finds a row by its index only if it compares no other column while it scans: as plain
# comparisons these conditions on the sequence and the holder would make it read every session.
# Without a holder, what is given was judged before: only the length is compared.
_ADVANCE_SESSIONS = rendered(
    update(sessions)
    .where(
        sessions.c.id == _LOG.c.id,
        sessions.c.sequence - _LOG.c.length == text("0"),
        func.coalesce(sessions.c.holder - _LOG.c.holder, text("0")) == text("0"),
    )
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
        case(
            (
                sessions.c.id == bindparam("id"),
                and_(
                    sessions.c.sequence == bindparam("length"),
                    func.coalesce(sessions.c.holder - bindparam("holder"), text("0")) == text("0"),
                ),
            )
        ),
    )
    .values(
        {
            **{name: bindparam(f"new_{name}") for name in _ADVANCED},
            "updated_ms": func.greatest(sessions.c.updated_ms, bindparam("new_updated_ms")),
        }
    )
    .returning(sessions.c.id)
)
_TAKE_SESSION = rendered(
    update(sessions)
    .where(sessions.c.id == bindparam("id"))
    .values(holder=sessions.c.holder + text("1"))
    .returning(sessions.c.holder)
)
_RAISE_HOLDERS = rendered(
    update(sessions)
    .where(sessions.c.id == _TAKEN.c.id)
    .values(holder=func.greatest(sessions.c.holder, _TAKEN.c.holder))
)
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


def insert_sessions(connection: Connection, rows: Sequence[Row]) -> set[str]:
    """Store the rows of at least one new session; return the ids of those that did not exist."""
    return set(connection.execute(_INSERT_SESSIONS, by_column(rows)).scalars())


def select_session(connection: Connection, session_id: str) -> RowMapping | None:
    """Return the row of a session."""
    return connection.execute(_SELECT_SESSION, {"id": session_id}).mappings().first()


def select_sessions(connection: Connection, session_ids: Sequence[str]) -> Sequence[RowMapping]:
    """Return the rows of those sessions that exist, in no order."""
    if not session_ids:
        return []
    return connection.execute(_SELECT_SESSIONS, {"id": [*session_ids]}).mappings().all()


def select_lengths(connection: Connection, session_ids: Iterable[str]) -> dict[str, int]:
    """Return the length of each session's log, for those sessions that exist."""
    heads = select_heads(connection, session_ids)
    return {session_id: head.length for session_id, head in heads.items()}


def select_heads(connection: Connection, session_ids: Iterable[str]) -> dict[str, LogHead]:
    """Return where each session's log stands, for those sessions that exist."""
    rows = connection.execute(_SELECT_HEADS, {"id": list(set(session_ids))})
    return {row.id: LogHead(row.sequence, row.holder) for row in rows}


def keep_session(connection: Connection, session_id: str) -> int | None:
    """Keep a session from being deleted until the transaction ends; its log goes on.

    Returns:
        The length of its log, or ``None`` if there is no session.
    """
    length = select(sessions.c.sequence).where(sessions.c.id == session_id)
    if not is_duckdb(connection):
        # In DuckDB there is no other writer.
        length = length.with_for_update(read=True, key_share=True)
    return connection.execute(length).scalar_one_or_none()


def take_session(connection: Connection, session_id: str) -> int | None:
    """Raise the number of a session's holder and return it; ``None`` if there is no session."""
    return connection.execute(_TAKE_SESSION, {"id": session_id}).scalar_one_or_none()


def raise_holders(connection: Connection, taken: Mapping[str, int]) -> None:
    """Raise the numbers of holders to those given by session, where they are lower."""
    if taken:
        connection.execute(_RAISE_HOLDERS, {"id": [*taken], "holder": [*taken.values()]})


def advance_sessions(connection: Connection, appends: Sequence[Append]) -> set[str]:
    """Compare and advance each session that has its append's holder and the expected length.

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
            "holder": append.holder,
        }
        for append in appends
    ]
    if len(rows) == 1:
        new = {f"new_{name}": rows[0][name] for name in (*_ADVANCED, "updated_ms")}
        one = {name: rows[0][name] for name in ("id", "length", "holder")} | new
        return set(connection.execute(_ADVANCE_SESSION, one).scalars())
    return set(connection.execute(_ADVANCE_SESSIONS, by_column(rows)).scalars())


def update_session(connection: Connection, row: Row) -> bool:
    """Store what a client can change of a session's row; return whether the session exists."""
    new = {f"new_{name}": row[name] for name in ("title", "document", "updated_ms")}
    return bool(connection.execute(_UPDATE_SESSION, {"id": row["id"], **new}).all())


def insert_tags(connection: Connection, rows: Sequence[Row]) -> None:
    """Store the rows of tags."""
    if rows:
        connection.execute(_INSERT_TAGS, by_column(rows))


def delete_tags(connection: Connection, session_id: str) -> None:
    """Delete a session's tags."""
    connection.execute(delete(session_tags).where(session_tags.c.session_id == session_id))
