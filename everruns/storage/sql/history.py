"""All sessions and logs of a database."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson
from sqlalchemy import ColumnElement, Connection, Select, func, select

from everruns.domain.events import Event
from everruns.domain.sessions import SessionStatus
from everruns.storage.history import (
    BUCKET_DIGITS,
    HeadQuery,
    Heads,
    SessionEntry,
    SessionHead,
    Stretch,
    Totals,
)
from everruns.storage.logs import EventQuery
from everruns.storage.sql.chunks import SESSIONS
from everruns.storage.sql.database import Database
from everruns.storage.sql.logs import read_page
from everruns.storage.sql.session_statements import select_sessions
from everruns.storage.sql.tables import StoredRow, agents, sessions

STRETCH_EVENTS = 1_000

_updated: ColumnElement[int] = func.coalesce(sessions.c.updated_ms, sessions.c.created_ms)
_bucket: ColumnElement[str] = func.right(sessions.c.id, BUCKET_DIGITS)
_SUMS = (
    func.count(),
    func.coalesce(func.sum(sessions.c.sequence), 0),
    func.coalesce(func.sum(sessions.c.created_ms), 0),
)


class SqlHistory:
    """Implements ``HistoryStore``.

    Args:
        database: Has the tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def totals(self) -> Mapping[str, Totals]:
        """Return the totals of each bucket that has sessions."""
        with self._database.reading() as connection:
            rows = connection.execute(select(_bucket, *_SUMS).group_by(_bucket)).all()
        return {bucket: _totals(sums) for bucket, *sums in rows}

    def heads(self, query: HeadQuery) -> Heads:
        """Return a page of heads of sessions, and the totals of all."""
        with self._database.reading() as connection:
            rows = connection.execute(_heads(query)).all()
            sums = connection.execute(select(*_SUMS).select_from(sessions)).one()
        return Heads([SessionHead(*row) for row in rows], _totals(sums))

    def entries(self, session_ids: Sequence[str]) -> list[SessionEntry]:
        """Return those of the sessions that exist."""
        with self._database.reading() as connection:
            rows = SESSIONS.whole(connection, select_sessions(connection, session_ids))
        return [_entry(row) for row in rows]

    def agent_names(self) -> Mapping[str, str]:
        """Return the name of each agent by its id."""
        with self._database.reading() as connection:
            rows = connection.execute(select(agents.c.id, agents.c.name)).all()
        return {row.id: row.name for row in rows}

    def events(self, stretches: Sequence[Stretch], size_bytes: int) -> list[Event]:
        """Return the events of stretches until they have a size together."""
        found: list[Event] = []
        left = size_bytes
        with self._database.reading() as connection:
            for stretch in stretches:
                events = _events(connection, stretch, left)
                found += events
                left -= sum(len(event.body) for event in events)
                is_whole = bool(events) and events[-1].sequence == stretch.until
                if left <= 0 or (events and not is_whole):
                    break
        return found


def _events(connection: Connection, stretch: Stretch, size_bytes: int) -> list[Event]:
    query = EventQuery(
        after=stretch.after,
        before=stretch.until + 1,
        limit=STRETCH_EVENTS,
        size_bytes=max(size_bytes, 1),
    )
    return read_page(connection, stretch.session_id, query)


def _heads(query: HeadQuery) -> Select[str, int, int, Any]:
    c = sessions.c
    statement = select(c.id, c.sequence, c.created_ms, _updated)
    if query.since_ms:
        statement = statement.where(_updated >= query.since_ms)
    if query.bucket is not None:
        statement = statement.where(_bucket == query.bucket)
    return statement.where(c.id > query.after).order_by(c.id).limit(query.limit)


def _totals(sums: Sequence[Any]) -> Totals:
    # Sums are decimal numbers in PostgreSQL.
    return Totals(*map(int, sums))


def _entry(row: StoredRow) -> SessionEntry:
    # Not as a whole session: all of them are read when a copy begins.
    document = orjson.loads(row["document"])
    end_user = row["end_user"]
    return SessionEntry(
        id=row["id"],
        agent_id=row["agent_id"],
        end_user=document.get("end_user") if end_user is None else end_user,
        title=row["title"],
        tags=document.get("tags") or [],
        status=cast("SessionStatus", (row["state"] or "started").split(" ")[0]),
        created_ms=row["created_ms"],
        updated_ms=row["created_ms"] if row["updated_ms"] is None else row["updated_ms"],
        forked_from_session_id=document.get("forked_from_session_id"),
        forked_from_sequence=document.get("forked_from_sequence"),
    )
