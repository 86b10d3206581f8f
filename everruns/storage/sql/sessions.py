"""Sessions in a database."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, and_, case, delete, func, select

from everruns.domain.rights import Grant
from everruns.domain.sessions import Session, SessionSummary
from everruns.domain.snapshots import Snapshot
from everruns.storage.append_rule import check_life
from everruns.storage.files import StoredFile
from everruns.storage.logs import Append
from everruns.storage.receipts import Receipt
from everruns.storage.sessions import (
    AgentSessions,
    Fork,
    NewSession,
    SessionCounts,
    SessionQuery,
    SessionsInState,
    StoredLog,
)
from everruns.storage.sql.budgets import SqlBudgets
from everruns.storage.sql.chunks import SESSIONS, delete_chunks, put_chunks
from everruns.storage.sql.database import Database
from everruns.storage.sql.files import copy_files, delete_all_files, put_files
from everruns.storage.sql.forks import (
    clear_unfinished,
    copy_in_stretches,
    copy_rest,
    keep_source,
    snapshot_for,
)
from everruns.storage.sql.lists import full, select_page
from everruns.storage.sql.logs import SqlLogs, delete_log, read_log
from everruns.storage.sql.page_bound import NewestSessions
from everruns.storage.sql.receipts import forget_receipts_of, remember
from everruns.storage.sql.registry import newest_life
from everruns.storage.sql.session_conditions import is_open, listed_sessions, may_only_wait
from everruns.storage.sql.session_rows import parse_state, session_of, session_row, tag_rows
from everruns.storage.sql.session_statements import (
    delete_tags,
    insert_sessions,
    insert_tags,
    keep_session,
    select_session,
    take_session,
    update_session,
)
from everruns.storage.sql.session_texts import has_text
from everruns.storage.sql.snapshots import delete_snapshot, find_snapshot, put_snapshot
from everruns.storage.sql.tables import sessions
from everruns.storage.sql.workspaces import is_shared, make_shared


class SqlSessions:
    """Implements ``SessionStore``.

    Args:
        database: Has the tables.
        logs: Store the first events of new sessions.
        budgets: Those of deleted sessions are deleted.
    """

    def __init__(self, database: Database, logs: SqlLogs, budgets: SqlBudgets) -> None:
        self._database = database
        self._logs = logs
        self._budgets = budgets
        self._newest = NewestSessions()

    def insert(
        self,
        session: Session,
        files: Sequence[StoredFile] = (),
        receipt: Receipt | None = None,
        log: Append | None = None,
    ) -> None:
        """Store a new session with its first files and events."""
        self.insert_many([NewSession(session, files, receipt, log)])

    def insert_many(self, new: Sequence[NewSession]) -> None:
        """Store new sessions with what they begin with, in one transaction."""
        with self._database.writing() as connection:
            made = self._insert(connection, [each.session for each in new])
            stored = [each for each in new if each.session.id in made]
            self._logs.advance(connection, [each.log for each in stored if each.log])
            put_files(connection, [file for each in stored for file in each.files])
            remember(connection, *filter(None, (each.receipt for each in stored)))

    def copy_log(self, fork: Fork) -> bool:
        """Copy most of a long log for a fork, in transactions that others need not wait for."""
        return copy_in_stretches(self._database, fork)

    def clear_copy(self, session_id: str) -> None:
        """Delete what was copied for a fork that is not stored."""
        clear_unfinished(self._database, session_id)

    def fork(self, fork: Fork) -> bool:
        """Store a new session with a copy of another one's events, and of its files if wanted."""
        new = fork.session
        with self._database.reading() as connection:
            snapshot = snapshot_for(connection, fork)
        with self._database.writing() as connection:
            if not keep_source(connection, fork):
                return False
            self._insert(connection, [new], fork.sequence)
            copy_rest(connection, fork)
            self._logs.advance(connection, [] if fork.log is None else [fork.log])
            if snapshot is not None:
                put_snapshot(connection, snapshot)
            if fork.files_of is not None:
                copy_files(connection, fork.files_of, new.workspace_id)
            if fork.shared is not None:
                make_shared(connection, fork.shared)
            remember(connection, *filter(None, [fork.receipt]))
        return True

    def _insert(
        self, connection: Connection, new: Sequence[Session], length: int = 0
    ) -> Collection[str]:
        rows, apart = SESSIONS.narrow(session_row(session, length) for session in new)
        tags = [row for session in new for row in tag_rows(session)]
        made = insert_sessions(connection, rows)
        put_chunks(connection, [row for row in apart if row["owner"] in made])
        insert_tags(connection, [row for row in tags if row["session_id"] in made])
        self._newest.made(len(made))
        return made

    def find(self, session_id: str) -> Session | None:
        """Return a session with its log's summary applied."""
        with self._database.reading() as connection:
            return _session(connection, session_id)

    def take(
        self, session_id: str, life: int, snapshot_format: int | None = None
    ) -> StoredLog | None:
        """Take a session for a new holder; return it with its log, or ``None`` if it is gone."""
        with self._database.writing() as connection:
            check_life(life, newest_life(connection))
            if take_session(connection, session_id) is None:
                return None
            self._budgets.look(connection, session_id)
            return _load(connection, session_id, snapshot_format)

    def load(self, session_id: str, snapshot_format: int | None = None) -> StoredLog | None:
        """Return a session with its log and take it not: for a journal, which does that itself."""
        with self._database.reading() as connection:
            return _load(connection, session_id, snapshot_format)

    def put_snapshot(self, snapshot: Snapshot) -> bool:
        """Store a session's snapshot, replacing an earlier one; return whether it exists."""
        with self._database.writing() as connection:
            if keep_session(connection, snapshot.session_id) is None:
                return False
            put_snapshot(connection, snapshot)
            return True

    def update(self, session: Session) -> bool:
        """Store the changed fields of a session; return whether it exists."""
        (row,), apart = SESSIONS.narrow([session_row(session)])
        with self._database.writing() as connection:
            if not update_session(connection, row):
                return False
            delete_chunks(connection, [session.id])
            put_chunks(connection, apart)
            delete_tags(connection, session.id)
            insert_tags(connection, tag_rows(session))
        return True

    def delete(self, session_id: str) -> bool:
        """Delete a session and all its data; return whether it existed."""
        statement = delete(sessions).where(sessions.c.id == session_id)
        with self._database.writing() as connection:
            returned = connection.execute(statement.returning(sessions.c.workspace_id))
            workspace_id = returned.scalar_one_or_none()
            if workspace_id is None:
                return False
            delete_log(connection, session_id)
            delete_chunks(connection, [session_id])
            delete_tags(connection, session_id)
            delete_snapshot(connection, session_id)
            forget_receipts_of(connection, session_id)
            self._budgets.delete_of(connection, session_id)
            if not is_shared(connection, workspace_id):
                delete_all_files(connection, workspace_id)
        self._budgets.forget(session_id)
        return True

    def unfinished(self, now_ms: int | None = None) -> list[str]:
        """Return the ids of sessions whose turn is open, oldest first."""
        c = sessions.c
        # Most open turns wait for nobody. To read the summary of each would take long.
        waiting = case((may_only_wait(), c.summary))
        unfinished = select(c.id, waiting).where(is_open())
        with self._database.reading() as connection:
            rows = connection.execute(unfinished.order_by(c.created_ms, c.id)).all()
        return [
            identity
            for identity, summary in rows
            if now_ms is None
            or summary is None
            or not SessionSummary.model_validate_json(summary).only_waits(now_ms)
        ]

    def count(self) -> SessionCounts:
        """Return how many sessions there are, and what they do."""
        c = sessions.c
        state = func.coalesce(c.state, "")
        counted = select(state, func.count(), func.min(c.updated_ms)).group_by(state)
        with self._database.reading() as connection:
            rows = connection.execute(counted).all()
        return SessionCounts.of(
            SessionsInState(*parse_state(state), count, updated_ms)
            for state, count, updated_ms in rows
        )

    def count_by_agent(
        self, agent_ids: Collection[str], within: Grant | None = None
    ) -> dict[str, AgentSessions]:
        """Return how many sessions each of these agents has, for those that have some."""
        agent_id = sessions.c.agent_id
        counted = (
            select(agent_id, func.count(), func.count(case((is_open(), 1))))
            .where(agent_id.in_(agent_ids), listed_sessions(SessionQuery(within=within)))
            .group_by(agent_id)
        )
        with self._database.reading() as connection:
            rows = connection.execute(counted).all()
        return {identity: AgentSessions(stored, opened) for identity, stored, opened in rows}

    def list(self, query: SessionQuery) -> tuple[list[Session], int]:
        """Return a page of sessions and how many match in all."""
        c = sessions.c
        time = c.created_ms if query.sort == "created" else c.updated_ms
        is_newest_first = query.sort == "created" and not query.ascending
        with self._database.reading() as connection:
            matching = and_(listed_sessions(query), has_text(connection, query.search))
            within = is_newest_first and not query.search
            since = self._newest.since(connection) if within else None
            found, total = select_page(
                connection, time, matching, query, since, ascending=query.ascending
            )
            rows = SESSIONS.whole(connection, full(found))
        return [session_of(row) for row in rows], total


def _load(connection: Connection, session_id: str, snapshot_format: int | None) -> StoredLog | None:
    snapshot: Snapshot | None = None
    row = select_session(connection, session_id)
    if row is None:
        return None
    # An empty log has none, and most sessions are loaded with one first.
    if snapshot_format is not None and row["sequence"]:
        snapshot = find_snapshot(connection, session_id, snapshot_format)
    log = read_log(connection, session_id, snapshot.sequence if snapshot else None)
    session = session_of(SESSIONS.whole(connection, [row])[0])
    return StoredLog(session, log, row["holder"], snapshot)


def _session(connection: Connection, session_id: str) -> Session | None:
    row = select_session(connection, session_id)
    return session_of(SESSIONS.whole(connection, [row])[0]) if row else None
