"""Snapshots of sessions in the database."""

from sqlalchemy import Connection, bindparam, delete, select

from everruns.domain.snapshots import Snapshot
from everruns.storage.sql import chunks
from everruns.storage.sql.statements import rendered
from everruns.storage.sql.tables import snapshots

_OF_SESSION = snapshots.c.session_id == bindparam("id")
_SELECT = rendered(select(snapshots).where(_OF_SESSION))
_DELETE = rendered(delete(snapshots).where(_OF_SESSION))


def put_snapshot(connection: Connection, snapshot: Snapshot) -> None:
    """Store a session's snapshot, replacing an earlier one."""
    row = {
        "session_id": snapshot.session_id,
        "sequence": snapshot.sequence,
        "format": snapshot.format,
        "content": snapshot.content,
    }
    chunks.SNAPSHOTS.put(connection, [row])


def find_snapshot(connection: Connection, session_id: str, format_: int) -> Snapshot | None:
    """Return a session's snapshot if it has one of this format."""
    found = connection.execute(_SELECT, {"id": session_id}).mappings()
    rows = [row for row in found if row["format"] == format_]
    return next((Snapshot(**row) for row in chunks.SNAPSHOTS.whole(connection, rows)), None)


def delete_snapshot(connection: Connection, session_id: str) -> None:
    """Delete a session's snapshot, if it has one."""
    connection.execute(_DELETE, {"id": session_id})
    chunks.delete_chunks(connection, [chunks.snapshot_owner(session_id)])
