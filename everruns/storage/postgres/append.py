"""Appending in one statement, which PostgreSQL commits by itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

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
        CAST(:id AS text[]), CAST(:length AS bigint[]), CAST(:new_length AS bigint[]),
        CAST(:state AS text[]), CAST(:preview AS text[]), CAST(:summary AS text[]),
        CAST(:updated_ms AS bigint[]), CAST(:holder AS bigint[]), CAST(:is_charged AS boolean[])
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
        CAST(:event_session_id AS text[]), CAST(:event_sequence AS bigint[]),
        CAST(:event_id AS text[]), CAST(:event_type AS text[]), CAST(:event_turn_id AS text[]),
        CAST(:event_ts AS bigint[]), CAST(:event_body AS text[])
    ) AS event (session_id, sequence, id, type, turn_id, ts, body)
    WHERE event.session_id IN (SELECT id FROM advanced)
)"""
_KEEP_APART = """, apart AS (
    INSERT INTO chunks (owner, number, content)
    SELECT owner, number, content FROM unnest(
        CAST(:chunk_session_id AS text[]), CAST(:chunk_owner AS text[]),
        CAST(:chunk_number AS bigint[]), CAST(:chunk_content AS bytea[])
    ) AS chunk (session_id, owner, number, content)
    WHERE chunk.session_id IN (SELECT id FROM advanced)
)"""
# Also what the process that appends has to know of what others have changed.
_ADVANCED = """
SELECT advanced.id, EXISTS (
    SELECT FROM budgets WHERE subject_id = advanced.id AND status <> 'disabled'
) AS is_budgeted, (SELECT revision FROM registry) AS revision
FROM advanced"""

_APPEND = text(_ADVANCE_AND_KEEP + _ADVANCED)
_APPEND_WIDE = text(_ADVANCE_AND_KEEP + _KEEP_APART + _ADVANCED)
_LOOK = text("WITH advanced AS (SELECT unnest(CAST(:id AS text[])) AS id)" + _ADVANCED)

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


def append_at_once(connection: Connection, appends: Sequence[Append]) -> Seen:
    """Compare and advance sessions, and store the events of those that were advanced.

    A session stays as it is if it has another holder than its append says, if its log has another
    length than that expects, or if a budget has to be charged.

    Args:
        connection: To the database.
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
    if not apart:
        return _seen(connection.execute(_APPEND, values))
    values |= _by_column(_CHUNK_COLUMNS, "chunk_", apart)
    return _seen(connection.execute(_APPEND_WIDE, values))


def look(connection: Connection, session_ids: Iterable[str]) -> Seen:
    """Return what others have changed about sessions."""
    return _seen(connection.execute(_LOOK, {"id": list(session_ids)}))


def _seen(rows: Iterable[Any]) -> Seen:
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


def _by_column(names: Sequence[str], prefix: str, rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {prefix + name: [row[name] for row in rows] for name in names}
