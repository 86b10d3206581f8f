"""Copies of logs in a database, for forks.

The database copies the rows by itself, so that they do not pass through this process.
"""

from sqlalchemy import Connection

from everruns.domain.events import Event
from everruns.domain.snapshots import FORMAT, Snapshot, copied
from everruns.storage.logs import EventQuery
from everruns.storage.sessions import Fork
from everruns.storage.sql.chunks import copy_chunks, event_owner, read_first_chunk
from everruns.storage.sql.log_statements import copy_events, select_wide_events
from everruns.storage.sql.logs import read_events
from everruns.storage.sql.session_statements import keep_session
from everruns.storage.sql.snapshots import find_snapshot


def keep_source(connection: Connection, fork: Fork) -> bool:
    """Keep a fork's source from being deleted until the transaction ends.

    Returns:
        Whether it has the events that are to be copied.
    """
    length = keep_session(connection, fork.source_id)
    return length is not None and length >= fork.sequence


def copy_log(connection: Connection, session_id: str, other_id: str, sequence: int) -> None:
    """Copy a session's events up to a sequence to the empty log of another one."""
    if sequence == 0:
        return
    copy_events(connection, session_id, other_id, sequence)
    for place, identity, kind in select_wide_events(connection, session_id):
        if place > sequence:
            continue
        owner = event_owner(session_id, place)
        # Its ids are at its beginning.
        beginning = read_first_chunk(connection, owner)
        event = Event(session_id, place, identity, kind, None, 0, beginning).copied(other_id)
        copy_chunks(connection, owner, event_owner(other_id, place), event.body)


def snapshot_for(connection: Connection, fork: Fork) -> Snapshot | None:
    """Return the snapshot that a fork gets, if its source has one of an event that is copied."""
    snapshot = find_snapshot(connection, fork.source_id, FORMAT) if fork.sequence else None
    if snapshot is None or snapshot.sequence > fork.sequence:
        return None
    place = EventQuery(after=snapshot.sequence - 1, before=snapshot.sequence + 1)
    found = read_events(connection, fork.source_id, place)
    return copied(snapshot, found[0], fork.session.id) if found else None
