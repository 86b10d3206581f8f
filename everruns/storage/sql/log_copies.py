"""The statements that copy the events of a log to another one, within the database."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    MetaData,
    Subquery,
    Table,
    case,
    cast,
    func,
    insert,
    literal,
    select,
)

from everruns.domain.events import BODY_AFTER_ID, ID_FIELD, EventType, session_field
from everruns.ids import EVENT_ID_LENGTH, MARK_LENGTH, event_mark
from everruns.storage.logs import EventQuery
from everruns.storage.sql.chunks import MARK
from everruns.storage.sql.dialects import is_duckdb
from everruns.storage.sql.log_statements import LOGGED, find_events
from everruns.storage.sql.tables import events

# What a message's body has before the text of it: ids, times and digests.
LONGEST_HEAD = 2048

# What a row takes besides its body, as far as it matters how many are copied together.
ROW_BYTES = 256


def select_stretches(
    connection: Connection, session_id: str, query: EventQuery, size_bytes: int
) -> list[int]:
    """Divide a log's events into stretches that are hardly larger than a size.

    Args:
        connection: In a transaction.
        session_id: The session.
        query: The events.
        size_bytes: The size of a stretch; one with a larger event has little else.

    Returns:
        The last sequence of each stretch, in order.
    """
    found = find_events(connection, session_id, query).c
    in_chunks = cast(func.substr(found.body, len(MARK) + 1), BigInteger) * 8
    bits = case((func.starts_with(found.body, MARK), in_chunks), else_=func.bit_length(found.body))
    reached = func.sum(bits + ROW_BYTES * 8).over(order_by=found.sequence)
    number = func.floor(reached / (size_bytes * 8)).label("number")
    numbered = select(found.sequence, number).subquery().c
    last = func.max(numbered.sequence)
    ends = select(last).group_by(numbered.number).order_by(last)
    return list(connection.execute(ends, {"id": session_id}).scalars())


def stage_events(connection: Connection, session_id: str, query: EventQuery) -> FromClause:
    """Return where stretches of a log's events are found quickly by their sequences.

    In DuckDB that is a temporary table of this connection, since each stretch would make it read
    the events of all sessions.

    Args:
        connection: In a transaction.
        session_id: The session.
        query: The events.
    """
    if not is_duckdb(connection):
        return events
    columns = [Column[Any](column.name, column.type) for column in LOGGED]
    staged = Table("staged_events", MetaData(), *columns, prefixes=["TEMPORARY"])
    staged.create(connection)
    found = find_events(connection, session_id, query)
    in_order = select(found).order_by(found.c.sequence)
    statement = insert(staged).from_select(staged.c.keys(), in_order)
    connection.execute(statement, {"id": session_id})
    return staged


def copy_events(
    connection: Connection,
    session_id: str,
    other_id: str,
    query: EventQuery,
    source: FromClause = events,
) -> None:
    """Copy a session's events that match a query to the log of another one, which lacks them.

    A body is copied as ``Event.copied`` does it, and the mark of one that is stored in chunks as
    it is.

    Args:
        connection: In a transaction.
        session_id: The session.
        other_id: The other one.
        query: The events.
        source: Where they are; see ``stage_events``.
    """
    found = find_events(connection, session_id, query, source)
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
