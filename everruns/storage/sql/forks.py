"""Copies of logs in a database, for forks.

The database copies the rows by itself, so that they do not pass through this process. A long log is
copied in stretches, each a transaction, so that others write between them. Nobody sees the copy
until the row of its session is there. Until then a row of ``unfinished_forks`` says that the copy
has to be cleared away if nobody ends it.
"""

from sqlalchemy import Connection, FromClause, bindparam, delete, insert, select, update

from everruns.domain.base import MIB
from everruns.domain.events import Event
from everruns.domain.snapshots import FORMAT, Snapshot, copied
from everruns.errors import RegistryReplaced
from everruns.storage.logs import EventQuery
from everruns.storage.sessions import Fork
from everruns.storage.sql.chunks import copy_chunks, event_owner, read_first_chunk
from everruns.storage.sql.database import Database
from everruns.storage.sql.log_copies import copy_events, select_stretches, stage_events
from everruns.storage.sql.log_statements import select_wide_events
from everruns.storage.sql.logs import delete_log, read_events
from everruns.storage.sql.session_statements import keep_session, select_lengths
from everruns.storage.sql.snapshots import find_snapshot
from everruns.storage.sql.statements import rendered
from everruns.storage.sql.tables import events, unfinished_forks

# What DuckDB commits in a few hundredths of a second.
STRETCH_BYTES = 2 * MIB

_UNFINISHED = unfinished_forks.c.session_id == bindparam("id")
_FIND = rendered(select(unfinished_forks.c.sequence).where(_UNFINISHED))
_END = rendered(delete(unfinished_forks).where(_UNFINISHED).returning(unfinished_forks.c.sequence))


def copy_in_stretches(database: Database, fork: Fork) -> bool:
    """Copy all of a fork's events if they are more than one stretch.

    Returns:
        Whether its source has them.

    Raises:
        RegistryReplaced: Another registry has cleared the copy away.
    """
    with database.reading() as connection:
        if select_lengths(connection, [fork.source_id]).get(fork.source_id, -1) < fork.sequence:
            return False
        begin = _reached(connection, fork)
        left = EventQuery(after=begin, before=fork.sequence + 1)
        ends = select_stretches(connection, fork.source_id, left, STRETCH_BYTES)
    if begin == 0 and len(ends) <= 1:
        return True
    with database.copying() as transaction:
        with transaction() as connection:
            source = stage_events(connection, fork.source_id, left)
        for end in ends:
            with transaction() as connection:
                if not keep_source(connection, fork):
                    return False
                _advance(connection, fork, begin, end)
                _copy_events(connection, fork, begin, end, source)
            begin = end
    return True


def copy_rest(connection: Connection, fork: Fork) -> None:
    """Copy the events that a fork lacks, however many, and take it for finished."""
    begin = connection.execute(_END, {"id": fork.session.id}).scalar_one_or_none() or 0
    if begin < fork.sequence:
        _copy_events(connection, fork, begin, fork.sequence, events)


def clear_unfinished(database: Database, session_id: str) -> None:
    """Delete the events of a fork that was not finished, if there are any."""
    with database.writing() as connection:
        if connection.execute(_END, {"id": session_id}).first() is not None:
            delete_log(connection, session_id)


def clear_all_unfinished(database: Database) -> None:
    """Delete the events of all forks that were not finished."""
    with database.reading() as connection:
        left = connection.execute(select(unfinished_forks.c.session_id)).scalars().all()
    for session_id in left:
        clear_unfinished(database, session_id)


def keep_source(connection: Connection, fork: Fork) -> bool:
    """Keep a fork's source from being deleted until the transaction ends.

    Returns:
        Whether it has the events that are to be copied.
    """
    length = keep_session(connection, fork.source_id)
    return length is not None and length >= fork.sequence


def snapshot_for(connection: Connection, fork: Fork) -> Snapshot | None:
    """Return the snapshot that a fork gets, if its source has one of an event that is copied."""
    snapshot = find_snapshot(connection, fork.source_id, FORMAT) if fork.sequence else None
    if snapshot is None or snapshot.sequence > fork.sequence:
        return None
    place = EventQuery(after=snapshot.sequence - 1, before=snapshot.sequence + 1)
    found = read_events(connection, fork.source_id, place)
    return copied(snapshot, found[0], fork.session.id) if found else None


def _reached(connection: Connection, fork: Fork) -> int:
    """Return up to where an earlier attempt has copied the events."""
    return connection.execute(_FIND, {"id": fork.session.id}).scalar_one_or_none() or 0


def _advance(connection: Connection, fork: Fork, begin: int, end: int) -> None:
    """Note how far a copy goes, in the transaction that brings it there.

    Raises:
        RegistryReplaced: It goes not as far as it should.
    """
    c = unfinished_forks.c
    if begin == 0:
        first = {"session_id": fork.session.id, "sequence": end}
        connection.execute(insert(unfinished_forks), first)
        return
    reached = update(unfinished_forks).where(c.session_id == fork.session.id, c.sequence == begin)
    if connection.execute(reached.values(sequence=end).returning(c.sequence)).first() is None:
        raise RegistryReplaced(
            f"Session {fork.source_id} was not forked: another registry has taken over, and has"
            " cleared away what was copied. Try again shortly.",
            None,
            1.0,
        )


def _copy_events(
    connection: Connection, fork: Fork, begin: int, end: int, source: FromClause
) -> None:
    own, new = fork.source_id, fork.session.id
    stretch = EventQuery(after=begin, before=end + 1)
    copy_events(connection, own, new, stretch, source)
    for place, identity, kind in select_wide_events(connection, own, stretch, source):
        owner = event_owner(own, place)
        # Its ids are at its beginning.
        beginning = read_first_chunk(connection, owner)
        event = Event(own, place, identity, kind, None, 0, beginning).copied(new)
        copy_chunks(connection, owner, event_owner(new, place), event.body)
