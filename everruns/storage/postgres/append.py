"""Appending in one statement, which PostgreSQL commits by itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from everruns.domain.charges import CHARGED_EVENTS
from everruns.storage.logs import Append
from everruns.storage.sql.chunks import EVENTS
from everruns.storage.sql.logs import event_row
from everruns.storage.sql.session_rows import summary_row
from everruns.storage.sql.tables import Row

# An update that had to wait for a row compares again with what the row has become, so of two
# appends at the same place one is stored.
_ADVANCE_AND_KEEP = """
WITH given AS (
    SELECT * FROM unnest(
        %(id)s::text[], %(length)s::bigint[], %(new_length)s::bigint[],
        %(state)s::text[], %(preview)s::text[], %(summary)s::text[],
        %(updated_ms)s::bigint[], %(holder)s::bigint[], %(is_charged)s::boolean[]
    ) AS given (id, length, sequence, state, preview, summary, updated_ms, holder, is_charged)
), advanced AS (
    UPDATE sessions
    SET sequence = given.sequence, state = given.state, preview = given.preview,
        summary = given.summary, updated_ms = greatest(sessions.updated_ms, given.updated_ms)
    FROM given
    WHERE sessions.id = given.id AND sessions.sequence = given.length
        AND sessions.holder = given.holder
        AND NOT (given.is_charged AND EXISTS (
            SELECT FROM budgets
            WHERE subject_id IN (sessions.id, sessions.agent_id) AND status <> 'disabled'
        ))
    RETURNING sessions.id
), kept AS (
    INSERT INTO events (session_id, sequence, id, type, turn_id, ts, body)
    SELECT * FROM unnest(
        %(event_session_id)s::text[], %(event_sequence)s::bigint[],
        %(event_id)s::text[], %(event_type)s::text[], %(event_turn_id)s::text[],
        %(event_ts)s::bigint[], %(event_body)s::text[]
    ) AS event (session_id, sequence, id, type, turn_id, ts, body)
    WHERE event.session_id IN (SELECT id FROM advanced)
)"""
_KEEP_APART = """, apart AS (
    INSERT INTO chunks (owner, number, content)
    SELECT owner, number, content FROM unnest(
        %(chunk_session_id)s::text[], %(chunk_owner)s::text[],
        %(chunk_number)s::bigint[], %(chunk_content)s::bytea[]
    ) AS chunk (session_id, owner, number, content)
    WHERE chunk.session_id IN (SELECT id FROM advanced)
)"""
# Also what the process that appends has to know of what others have changed.
_ADVANCED = """
SELECT advanced.id, EXISTS (
    SELECT FROM budgets WHERE subject_id = advanced.id AND status <> 'disabled'
) AS is_budgeted, (SELECT revision FROM registry) AS revision
FROM advanced"""

_APPEND = (_ADVANCE_AND_KEEP + _ADVANCED).encode()
_APPEND_WIDE = (_ADVANCE_AND_KEEP + _KEEP_APART + _ADVANCED).encode()
_LOOK = ("WITH advanced AS (SELECT unnest(%(id)s::text[]) AS id)" + _ADVANCED).encode()

_SESSION_COLUMNS = (
    "id", "length", "new_length", "state", "preview", "summary", "updated_ms", "holder",
    "is_charged",
)  # fmt: skip
_EVENT_COLUMNS = ("session_id", "sequence", "id", "type", "turn_id", "ts", "body")
_CHUNK_COLUMNS = ("session_id", "owner", "number", "content")


@dataclass(frozen=True)
class Seen:
    """What others had changed by the time of a statement.

    Attributes:
        budgeted: Whether each session has active budgets of its own.
        revision: The revision; see ``RegistryStore``.
    """

    budgeted: Mapping[str, bool]
    revision: int


def append_at_once(connection: Connection[TupleRow], appends: Sequence[Append]) -> Seen:
    """Compare and advance sessions, and store the events of those that were advanced.

    A session stays as it is if it has another holder than its append says, if its log has another
    length than that expects, or if a budget has to be charged.

    Args:
        connection: Commits each statement. It is the driver's own: SQLAlchemy would take more CPU
            time than all the rest.
        appends: At most one per session, each numbered correctly.

    Returns:
        What was seen with each advanced session.
    """
    new: list[Row] = []
    apart: list[Row] = []
    for append in appends:
        rows, chunks = EVENTS.narrow(event_row(event) for event in append.events)
        new += rows
        apart += [{**chunk, "session_id": append.session_id} for chunk in chunks]
    values = {
        **_by_column(_SESSION_COLUMNS, "", [_advance(append) for append in appends]),
        **_by_column(_EVENT_COLUMNS, "event_", new),
    }
    if apart:
        values |= _by_column(_CHUNK_COLUMNS, "chunk_", apart)
    return _seen(connection.execute(_APPEND_WIDE if apart else _APPEND, values, prepare=True))


def look(connection: Connection[TupleRow], session_ids: Iterable[str]) -> Seen:
    """Return what others have changed about sessions."""
    return _seen(connection.execute(_LOOK, {"id": list(session_ids)}, prepare=True))


def _seen(rows: Iterable[TupleRow]) -> Seen:
    budgeted: dict[str, bool] = {}
    newest = 0
    for session_id, is_budgeted, revision in rows:
        budgeted[session_id] = is_budgeted
        newest = revision or 0
    return Seen(budgeted, newest)


def _advance(append: Append) -> Row:
    return {
        **summary_row(append.summary),
        "id": append.session_id,
        "length": append.expected - 1,
        "new_length": append.expected - 1 + len(append.events),
        "holder": append.holder,
        "is_charged": any(event.type in CHARGED_EVENTS for event in append.events),
    }


def _by_column(names: Sequence[str], prefix: str, rows: Sequence[Row]) -> dict[str, str]:
    return {prefix + name: _array([row[name] for row in rows]) for name in names}


def _array(values: Sequence[str | int | bool | bytes | None]) -> str:
    """Return an array as PostgreSQL reads it.

    The driver would do it with regular expressions, which take longer than all else in an append.

    Source: PostgreSQL documentation, "Array Input and Output Syntax".
    """
    return f"{{{','.join(map(_item, values))}}}"


def _item(value: str | int | bool | bytes | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    # As text of the type ``bytea``; the backslash is one of the array.
    return f'"\\\\x{value.hex()}"' if isinstance(value, bytes) else str(value)
