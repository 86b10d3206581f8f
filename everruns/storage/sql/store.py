"""The store in a database."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    and_,
    delete,
    or_,
    select,
    text,
)

from everruns.domain.agents import Agent
from everruns.domain.events import Event
from everruns.domain.llm import ProviderAccount
from everruns.domain.sessions import OPEN_STATUSES, Session
from everruns.domain.snapshots import Snapshot
from everruns.domain.workspaces import Workspace
from everruns.ids import now_ms
from everruns.storage.append_rule import first_of_each_session, judge
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.pages import cut
from everruns.storage.sql import chunks, tables
from everruns.storage.sql.budgets import SqlBudgets
from everruns.storage.sql.chunks import delete_chunks, is_apart, put_chunks, read_chunks, size_of
from everruns.storage.sql.conditions import contains, listed_sessions
from everruns.storage.sql.file_statements import (
    delete_all_files,
    delete_files,
    read_files,
    select_file,
    select_files,
)
from everruns.storage.sql.keys import SqlApiKeys
from everruns.storage.sql.page_bound import NewestSessions
from everruns.storage.sql.snapshots import delete_snapshot, find_snapshot, put_snapshot
from everruns.storage.sql.statements import (
    advance_sessions,
    count_events,
    delete_tags,
    insert_events,
    insert_receipt,
    insert_session,
    insert_tags,
    select_events,
    select_lengths,
    select_log,
    select_page,
    select_session,
    select_wide_events,
    update_session,
    upsert,
)
from everruns.storage.sql.tables import (
    Row,
    StoredRow,
    agents,
    events,
    providers,
    receipts,
    sessions,
    workspaces,
)
from everruns.storage.sql.transactions import Transactions
from everruns.storage.store import (
    Append,
    EventQuery,
    ListQuery,
    Receipt,
    SessionQuery,
    StoredFile,
    StoredLog,
    Verdict,
)
from everruns.tools.base import File


class SqlStore(SqlBudgets, SqlApiKeys):
    """Keeps everything in a database; implements ``Store``.

    Args:
        engine: Of a database that has the tables.
        cipher: Encrypts the API keys of providers.
    """

    def __init__(self, engine: Engine, cipher: Cipher) -> None:
        self._transactions = Transactions(engine)
        SqlBudgets.__init__(self, self._transactions)
        SqlApiKeys.__init__(self, self._transactions, cipher)
        self._cipher = cipher
        self._newest = NewestSessions()

    # Agents

    def put_agent(self, agent: Agent, receipt: Receipt | None = None) -> None:
        """Store an agent, replacing the one with its id."""
        with self._writing() as connection:
            chunks.AGENTS.put(connection, [tables.agent_row(agent)])
            self._remember(connection, receipt)

    def find_agent(self, agent_id: str) -> Agent | None:
        """Return an agent, active or archived."""
        with self._reading() as connection:
            found = connection.execute(select(agents).where(agents.c.id == agent_id))
            rows = chunks.AGENTS.whole(connection, found.mappings())
        return tables.agent_of(rows[0]) if rows else None

    def find_agent_by_name(self, name: str) -> Agent | None:
        """Return the newest active agent of this name."""
        matching = and_(agents.c.name == name, agents.c.status == "active")
        with self._reading() as connection:
            found, _ = select_page(connection, agents.c.created_at, matching, ListQuery(limit=1))
            rows = chunks.AGENTS.whole(connection, found)
        return tables.agent_of(rows[0]) if rows else None

    def list_agents(self, query: ListQuery) -> tuple[list[Agent], int]:
        """Return a page of the active agents and how many match in all."""
        c = agents.c
        contained = contains(query.search, c.id, c.name, c.display_name, c.description)
        matching = and_(c.status == "active", contained)
        with self._reading() as connection:
            found, total = select_page(connection, c.created_at, matching, query)
            rows = chunks.AGENTS.whole(connection, _full(found))
        return [tables.agent_of(row) for row in rows], total

    # Providers

    def put_providers(self, *accounts: ProviderAccount) -> None:
        """Store providers with their secrets, all or none, replacing those with their ids."""
        rows = [tables.provider_row(account, self._cipher) for account in accounts]
        with self._writing() as connection:
            chunks.PROVIDERS.put(connection, rows)

    def list_providers(self) -> list[ProviderAccount]:
        """Return every provider with its secrets, newest first."""
        newest_first = providers.c.created_at.desc(), providers.c.id.desc()
        with self._reading() as connection:
            found = connection.execute(select(providers).order_by(*newest_first)).mappings()
            rows = chunks.PROVIDERS.whole(connection, found)
        return [tables.provider_of(row, self._cipher) for row in rows]

    def delete_provider(self, provider_id: str) -> bool:
        """Delete a provider; return whether it existed."""
        statement = delete(providers).where(providers.c.id == provider_id)
        with self._writing() as connection:
            deleted = connection.execute(statement.returning(providers.c.id)).all()
            delete_chunks(connection, [provider_id])
        return bool(deleted)

    # Sessions

    def insert_session(
        self,
        session: Session,
        files: Sequence[StoredFile] = (),
        receipt: Receipt | None = None,
        log: Append | None = None,
    ) -> None:
        """Store a new session with its first files and events."""
        with self._writing() as connection:
            self._insert(connection, session)
            if log is not None:
                advance_sessions(connection, [log])
                self._store(connection, [log])
            chunks.FILES.put(connection, [tables.file_row(stored) for stored in files])
            self._remember(connection, receipt)

    def insert_sessions(self, new: Sequence[Session]) -> None:
        """Store sessions in one transaction; existing sessions stay as they are."""
        with self._writing() as connection:
            for session in new:
                self._insert(connection, session)

    def _insert(self, connection: Connection, session: Session) -> None:
        (row,), apart = chunks.SESSIONS.narrow([tables.session_row(session)])
        if insert_session(connection, row):
            put_chunks(connection, apart)
            insert_tags(connection, tables.tag_rows(session))
            self._newest.made_one()

    def update_session(self, session: Session) -> bool:
        """Store the changed fields of a session; return whether it exists."""
        (row,), apart = chunks.SESSIONS.narrow([tables.session_row(session)])
        with self._writing() as connection:
            if not update_session(connection, row):
                return False
            delete_chunks(connection, [session.id])
            put_chunks(connection, apart)
            delete_tags(connection, session.id)
            insert_tags(connection, tables.tag_rows(session))
        return True

    def find_session(self, session_id: str) -> Session | None:
        """Return a session with its log's summary applied."""
        with self._reading() as connection:
            row = _session(connection, session_id)
        return tables.session_of(row) if row else None

    def load_session(self, session_id: str, snapshot_format: int | None = None) -> StoredLog | None:
        """Return a session with its log, from its snapshot on if it has one of this format."""
        snapshot: Snapshot | None = None
        with self._reading() as connection:
            row = _session(connection, session_id)
            if row is None:
                return None
            # An empty log has none, and most sessions are loaded with one first.
            if snapshot_format is not None and row["sequence"]:
                snapshot = find_snapshot(connection, session_id, snapshot_format)
            if snapshot is None:
                rows = select_log(connection, session_id)
            else:
                rows = select_events(
                    connection, session_id, EventQuery(after=snapshot.sequence - 1)
                )
            log = _events(connection, session_id, rows)
        return StoredLog(tables.session_of(row), log, snapshot)

    def put_snapshot(self, snapshot: Snapshot) -> bool:
        """Store a session's snapshot, replacing an earlier one; return whether it exists."""
        with self._writing() as connection:
            exists = bool(select_lengths(connection, [snapshot.session_id]))
            if exists:
                put_snapshot(connection, snapshot)
            return exists

    def list_sessions(self, query: SessionQuery) -> tuple[list[Session], int]:
        """Return a page of sessions and how many match in all."""
        c = sessions.c
        matching = and_(listed_sessions(query), contains(query.search, c.id, c.title, c.preview))
        time = c.created_ms if query.sort == "created" else c.updated_ms
        is_newest_first = query.sort == "created" and not query.ascending
        with self._reading() as connection:
            within = is_newest_first and not query.search
            since = self._newest.since(connection) if within else None
            found, total = select_page(
                connection, time, matching, query, since, ascending=query.ascending
            )
            rows = chunks.SESSIONS.whole(connection, _full(found))
        return [tables.session_of(row) for row in rows], total

    def delete_session(self, session_id: str) -> bool:
        """Delete a session and all its data; return whether it existed."""
        statement = delete(sessions).where(sessions.c.id == session_id)
        with self._writing() as connection:
            returned = connection.execute(statement.returning(sessions.c.workspace_id))
            workspace_id = returned.scalar_one_or_none()
            if workspace_id is None:
                return False
            wide = select_wide_events(connection, session_id, chunks.MARK)
            connection.execute(delete(events).where(events.c.session_id == session_id))
            owners = [chunks.event_owner(session_id, sequence) for sequence in wide]
            delete_chunks(connection, [session_id, *owners])
            delete_tags(connection, session_id)
            delete_snapshot(connection, session_id)
            _forget(connection, receipts.c.resource_id == session_id)
            self._delete_budgets(connection, session_id)
            shared = select(workspaces.c.id).where(workspaces.c.id == workspace_id)
            if connection.execute(shared).first() is None:
                found = select_files(connection, workspace_id, "/", contents=False)
                paths = [row["path"] for row in found]
                delete_all_files(connection, workspace_id)
                owners = [chunks.file_owner(workspace_id, path) for path in paths]
                delete_chunks(connection, owners)
        self._budgeted.discard(session_id)
        return True

    def unfinished_sessions(self, now_ms: int | None = None) -> list[str]:
        """Return the ids of sessions whose turn is open, oldest first."""
        c = sessions.c
        is_open = or_(*(c.state.startswith(status) for status in OPEN_STATUSES))
        unfinished = select(c.id, c.summary).where(is_open)
        with self._reading() as connection:
            rows = connection.execute(unfinished.order_by(c.created_ms, c.id)).all()
        return [
            identity
            for identity, summary in rows
            if now_ms is None or not tables.waits(summary, now_ms)
        ]

    # Event logs

    def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store many appends in one transaction, each all or nothing."""
        # The first append of each session is compared and stored at once; usually that is all of
        # them. The others are compared with the log after that.
        first = first_of_each_session(appends)
        with self._writing() as connection:
            advanced = advance_sessions(connection, first)
            stored = {id(append) for append in first if append.session_id in advanced}
            self._store(connection, [append for append in appends if id(append) in stored])
            rest = [append for append in appends if id(append) not in stored]
            verdicts = iter(self._judge(connection, rest))
        return [None if id(append) in stored else next(verdicts) for append in appends]

    def _judge(self, connection: Connection, appends: Sequence[Append]) -> list[Verdict]:
        if not appends:
            return []

        def stored(session_id: str, first: int, last: int) -> list[bytes]:
            query = EventQuery(after=first - 1, before=last + 1)
            rows = select_events(connection, session_id, query)
            return [event.body for event in _events(connection, session_id, rows)]

        lengths = select_lengths(connection, [append.session_id for append in appends])
        verdicts, accepted = judge(appends, lengths, stored)
        for append in accepted:
            advance_sessions(connection, [append])
            self._store(connection, [append])
        return verdicts

    def _store(self, connection: Connection, appends: Sequence[Append]) -> None:
        new = [tables.event_row(event) for append in appends for event in append.events]
        rows, apart = chunks.EVENTS.narrow(new)
        insert_events(connection, rows)
        put_chunks(connection, apart)
        self._charge(connection, appends)

    def log_lengths(self, session_ids: Sequence[str]) -> dict[str, int]:
        """Return how many events the log of each session has, for those that exist."""
        with self._reading() as connection:
            return select_lengths(connection, session_ids)

    def read_events(self, session_id: str, query: EventQuery) -> list[Event]:
        """Return events of a log; empty if the session does not exist."""
        with self._reading() as connection:
            rows = select_events(connection, session_id, query)
            if query.is_page:
                rows = cut(rows, lambda row: size_of(row.body), query.size_bytes)
            return _events(connection, session_id, rows)

    def count_events(self, session_id: str, query: EventQuery) -> int:
        """Return how many events match a query, on all pages together."""
        with self._reading() as connection:
            return count_events(connection, session_id, query)

    # Receipts

    def find_receipt(self, key: str) -> Receipt | None:
        """Return the receipt of this key."""
        c = receipts.c
        statement = select(c.key, c.request, c.answer, c.resource_id).where(c.key == key)
        with self._reading() as connection:
            found = connection.execute(statement).mappings()
            rows = chunks.RECEIPTS.whole(connection, found)
        return Receipt(**rows[0]) if rows else None

    def forget_receipts(self, before_ms: int) -> None:
        """Delete the receipts stored before a time in milliseconds since the epoch."""
        with self._writing() as connection:
            _forget(connection, receipts.c.stored_ms < before_ms)

    def _remember(self, connection: Connection, receipt: Receipt | None) -> None:
        """Store a receipt, if there is one; of two under one key the first stays."""
        if receipt is None:
            return
        (row,), apart = chunks.RECEIPTS.narrow([tables.receipt_row(receipt, now_ms())])
        if insert_receipt(connection, row):
            put_chunks(connection, apart)

    # Workspaces that outlive their sessions

    def put_workspace(self, workspace: Workspace) -> None:
        """Store a workspace, replacing the one with its id."""
        with self._writing() as connection:
            upsert(connection, workspaces, [tables.workspace_row(workspace)])

    def find_workspace(self, workspace_id: str) -> Workspace | None:
        """Return a workspace, active or archived."""
        statement = select(workspaces).where(workspaces.c.id == workspace_id)
        with self._reading() as connection:
            row = connection.execute(statement).mappings().first()
        return tables.workspace_of(row) if row else None

    def list_workspaces(self, query: ListQuery) -> tuple[list[Workspace], int]:
        """Return a page of workspaces and how many match in all."""
        c = workspaces.c
        matching = contains(query.search, c.id, c.name, c.description)
        if not query.include_archived:
            matching = and_(c.status == "active", matching)
        with self._reading() as connection:
            rows, total = select_page(connection, c.created_at, matching, query)
        return [tables.workspace_of(row) for row in rows], total

    # Files

    def find_file(self, workspace_id: str, path: str) -> File | None:
        """Return a file or directory with its content."""
        with self._reading() as connection:
            row = select_file(connection, workspace_id, path)
            return tables.file_of(_with_content(connection, row)) if row else None

    def list_files(self, workspace_id: str, prefix: str, *, contents: bool = False) -> list[File]:
        """Return the files and directories whose path begins with ``prefix``, sorted by path."""
        with self._reading() as connection:
            rows = select_files(connection, workspace_id, prefix, contents=contents)
            if contents:
                return [tables.file_of(_with_content(connection, row)) for row in rows]
        return [tables.file_of(row) for row in rows]

    def read_files(self, workspace_id: str, paths: Collection[str]) -> list[File]:
        """Return the existing files at exactly these paths, sorted by path."""
        with self._reading() as connection:
            rows = read_files(connection, workspace_id, paths)
            return [tables.file_of(_with_content(connection, row)) for row in rows]

    def put_files(self, files: Sequence[StoredFile]) -> None:
        """Store files and directories, replacing those with the same path."""
        with self._writing() as connection:
            chunks.FILES.put(connection, [tables.file_row(stored) for stored in files])

    def delete_files(self, workspace_id: str, paths: Collection[str]) -> int:
        """Delete the files at exactly these paths; return how many existed."""
        with self._writing() as connection:
            return _delete_files(connection, workspace_id, paths)

    def exchange_files(self, workspace_id: str, gone: Collection[str], new: Sequence[File]) -> None:
        """Delete the files at some paths and store others in one transaction."""
        rows = [tables.file_row(StoredFile(workspace_id, file)) for file in new]
        with self._writing() as connection:
            _delete_files(connection, workspace_id, gone)
            chunks.FILES.put(connection, rows)

    # The store itself

    def ping(self) -> None:
        """Check that the store answers."""
        with self._reading() as connection:
            connection.execute(text("SELECT 1"))

    def copy_to(self, target: Path) -> None:
        """Write a copy of everything into a new file."""
        self._transactions.copy_to(target)

    def close(self) -> None:
        """Make everything durable and close the database."""
        self._transactions.close()


def _full(rows: Sequence[RowMapping]) -> list[RowMapping]:
    """Return the rows of a page, up to the one that fills it."""
    return cut(rows, lambda row: size_of(row["document"]))


def _session(connection: Connection, session_id: str) -> Row | None:
    row = select_session(connection, session_id)
    return chunks.SESSIONS.whole(connection, [row])[0] if row else None


def _events(connection: Connection, session_id: str, rows: Sequence[Sequence[Any]]) -> list[Event]:
    found = tables.events_of(session_id, rows)
    return [_whole(connection, event) if is_apart(event.body) else event for event in found]


def _whole(connection: Connection, event: Event) -> Event:
    owner = chunks.event_owner(event.session_id, event.sequence)
    return replace(event, body=read_chunks(connection, owner))


def _with_content(connection: Connection, row: RowMapping) -> StoredRow:
    # A small file may happen to look like the mark for content in chunks.
    if row["size_bytes"] <= chunks.INLINE_BYTES:
        return row
    return chunks.FILES.whole(connection, [row])[0]


def _delete_files(connection: Connection, workspace_id: str, paths: Collection[str]) -> int:
    delete_chunks(connection, [chunks.file_owner(workspace_id, path) for path in paths])
    return delete_files(connection, workspace_id, paths)


def _forget(connection: Connection, is_meant: ColumnElement[bool]) -> None:
    """Delete receipts."""
    gone = delete(receipts).where(is_meant).returning(receipts.c.key, receipts.c.answer)
    owners = [f"receipt/{key}" for key, answer in connection.execute(gone) if is_apart(answer)]
    delete_chunks(connection, owners)
