"""The store whose sessions and event logs are durable before the database has them.

A transaction of DuckDB takes some 4 ms of CPU for a single append, and hardly more for a hundred.
An append is therefore judged in memory, written to a journal, and answered, and so is a new session
that brings no files; what has gathered there goes into the database a tenth of a second later,
together, or at once when somebody reads what it is about. After a crash the journal says what the
database lacks.
"""

import sys
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Condition, Lock, Thread
from types import MappingProxyType

import structlog
from sqlalchemy import Engine

from everruns.domain.budgets import Budget, LedgerEntry
from everruns.domain.events import Event
from everruns.domain.sessions import Session
from everruns.domain.snapshots import Snapshot
from everruns.errors import EverrunsError, SequenceConflict, StoreUnavailable
from everruns.storage.append_rule import judge
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.duckdb.database import not_stored
from everruns.storage.journal.codec import Entry, after, decode, encode, end, joined
from everruns.storage.journal.file import Journal
from everruns.storage.sql.page_cache import PageCache
from everruns.storage.sql.store import SqlStore
from everruns.storage.store import (
    Append,
    EventQuery,
    Receipt,
    SessionQuery,
    StoredFile,
    StoredLog,
    Verdict,
)

APPLY_AFTER_S = 0.1
RETRY_S = 1.0
APPLY_TIMEOUT_S = 60.0
MAX_CHANGES = 512
MAX_GATHERED_BYTES = 64 * 1024 * 1024
REMEMBERED_LOGS = 20_000

_log = structlog.stdlib.get_logger(__name__)


class JournaledStore(SqlStore):
    """Keeps what is new in a journal first and in the database soon after; implements ``Store``.

    What the journal holds from an earlier life is brought into the database before anything else.

    Args:
        engine: Of a database that has the tables.
        cipher: Encrypts the API keys of providers.
        journal: The journal of this database.
    """

    def __init__(self, engine: Engine, cipher: Cipher, journal: Journal) -> None:
        super().__init__(engine, cipher)
        self._journal = journal
        self._appending = Lock()
        # For each log that was written lately: its length, and the number of its last entry.
        self._logs: dict[str, tuple[int, int]] = {}
        # Guards what follows, and tells of its changes.
        self._changed = Condition()
        # Sessions of which the database has refused an entry, and that ``_logs`` may still have.
        self._refused: set[str] = set()
        self._gathered: list[tuple[Entry, int]] = []
        self._gathered_bytes = 0
        self._written = 0
        self._applied = 0
        self._wanted = 0
        self._problem: StoreUnavailable | None = None
        self._closing = False
        self._recover()
        self._applier = Thread(target=self._apply_all, name="journal-applier", daemon=True)
        self._applier.start()
        self._page_cache = PageCache(self._transactions.trim_cache)

    def _recover(self) -> None:
        left = [change for entry in self._journal.left for change in decode(entry)]
        for start in range(0, len(left), MAX_CHANGES):
            self._apply(left[start : start + MAX_CHANGES], doubtful=True)
        if left:
            _log.info("journal_recovered", changes=len(left))
        self._journal.forget_left()

    # What goes through the journal

    def insert_session(
        self,
        session: Session,
        files: Sequence[StoredFile] = (),
        receipt: Receipt | None = None,
        log: Append | None = None,
    ) -> None:
        """Store a new session with its first files and events."""
        if files or receipt or log:
            super().insert_session(session, files, receipt, log)
            return
        with self._appending:
            self._logs[session.id] = 0, self._write([session])

    def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store many appends, each all or nothing."""
        with self._appending:
            lengths = self._lengths({append.session_id for append in appends})
            verdicts, accepted = judge(appends, lengths, self._stored_bodies)
            if accepted:
                number = self._write(accepted)
                for append in accepted:
                    self._logs[append.session_id] = end(append), number
            if refused := self._forget_refused():
                return [
                    verdict or (_conflict(append) if append.session_id in refused else None)
                    for append, verdict in zip(appends, verdicts, strict=True)
                ]
        return verdicts

    def _lengths(self, session_ids: set[str]) -> dict[str, int]:
        """Return the lengths of logs; what is not remembered is in the database."""
        self._forget_refused()
        known = {found: self._logs[found][0] for found in session_ids & self._logs.keys()}
        if unknown := session_ids - known.keys():
            known.update(super().log_lengths(list(unknown)))
        return known

    def _forget_refused(self) -> set[str]:
        """Forget the logs of which the database has refused an entry, and return their sessions.

        Called with ``_appending`` held, as everything that changes ``_logs``.
        """
        if not self._refused:
            return set()
        # Entries that follow a refused one are refused as well. All must be gone from the journal
        # before the session goes on, or its next entry would be joined with them.
        self._bring_all()
        with self._changed:
            refused, self._refused = self._refused, set()
        for session_id in refused:
            self._logs.pop(session_id, None)
        return refused

    def _stored_bodies(self, session_id: str, first: int, last: int) -> list[bytes]:
        query = EventQuery(after=first - 1, before=last + 1)
        return [event.body for event in self.read_events(session_id, query)]

    def _write(self, entry: Entry) -> int:
        """Make an entry durable; return its number."""
        content = encode(entry)
        with self._changed:
            # Nothing is lost when the database does not keep up, but memory has an end.
            self._wait_until(lambda: self._gathered_bytes < MAX_GATHERED_BYTES)
        with self._using_journal():
            self._journal.write(content)
        if len(self._logs) > REMEMBERED_LOGS:
            self._logs = {
                found: (length, number)
                for found, (length, number) in self._logs.items()
                if number > self._applied
            }
        with self._changed:
            self._written += 1
            self._gathered.append((entry, len(content)))
            self._gathered_bytes += len(content)
            self._changed.notify_all()
            return self._written

    # Reading: first the database gets what it lacks

    def find_session(self, session_id: str) -> Session | None:
        """Return a session with what its log says of it."""
        self._bring(session_id)
        return super().find_session(session_id)

    def load_session(self, session_id: str, snapshot_format: int | None = None) -> StoredLog | None:
        """Return a session with its log, from its snapshot on if it has one of this format."""
        self._bring(session_id)
        return super().load_session(session_id, snapshot_format)

    def put_snapshot(self, snapshot: Snapshot) -> bool:
        """Store a session's snapshot, replacing an earlier one; return whether it exists."""
        self._bring(snapshot.session_id)
        return super().put_snapshot(snapshot)

    def update_session(self, session: Session) -> bool:
        """Store the changed fields of a session; return whether it exists."""
        self._bring(session.id)
        return super().update_session(session)

    def list_sessions(self, query: SessionQuery) -> tuple[list[Session], int]:
        """Return a page of sessions and how many match in all."""
        self._bring_all()
        return super().list_sessions(query)

    def unfinished_sessions(self, now_ms: int | None = None) -> list[str]:
        """Return the ids of sessions whose turn is open, oldest first."""
        self._bring_all()
        return super().unfinished_sessions(now_ms)

    def log_lengths(self, session_ids: Sequence[str]) -> dict[str, int]:
        """Return how many events the log of each session has, for those that exist."""
        with self._appending:
            return self._lengths(set(session_ids))

    def read_events(self, session_id: str, query: EventQuery) -> list[Event]:
        """Return events of a log; empty when there is no such session."""
        self._bring(session_id)
        return super().read_events(session_id, query)

    def count_events(self, session_id: str, query: EventQuery) -> int:
        """Return how many events a query finds on all of its pages together."""
        self._bring(session_id)
        return super().count_events(session_id, query)

    def delete_session(self, session_id: str) -> bool:
        """Delete a session and all that is kept of it; return whether it was there."""
        with self._appending:
            self._bring_all()
            with self._using_journal():
                # Found in it after a crash, the session would come back.
                self._journal.settle()
            self._logs.pop(session_id, None)
            return super().delete_session(session_id)

    def put_budget(self, budget: Budget) -> None:
        """Store a budget, replacing the one with its id."""
        with self._appending:
            # What came before is none of its business, and charged where the old one said so.
            self._bring_all()
            super().put_budget(budget)

    def list_ledger(self, budget_id: str, offset: int, limit: int) -> list[LedgerEntry]:
        """Return entries of a budget's ledger, newest first."""
        self._bring_all()
        return super().list_ledger(budget_id, offset, limit)

    def ledger_totals(
        self, budget_ids: Collection[str], since: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, Decimal]:
        """Return the sum of each ledger that has entries."""
        self._bring_all()
        return super().ledger_totals(budget_ids, since)

    def _bring(self, session_id: str) -> None:
        _, number = self._logs.get(session_id, (0, 0))
        self._bring_up_to(number)

    def _bring_all(self) -> None:
        self._bring_up_to(self._written)

    def _bring_up_to(self, number: int) -> None:
        """Return when an entry of the journal and all before it are in the database.

        Raises:
            StoreUnavailable: The database does not take them.
        """
        with self._changed:
            self._wanted = max(self._wanted, number)
            self._changed.notify_all()
            self._wait_until(lambda: self._applied >= number)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: condition() or self._problem, APPLY_TIMEOUT_S)
        if not condition():
            raise self._problem or StoreUnavailable(
                "The database does not keep up. Try again in a moment"
            )

    # From the journal to the database

    def _apply_all(self) -> None:
        doubtful = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._gathered or self._closing)
                if not self._gathered:
                    break
                self._changed.wait_for(
                    lambda: self._wanted > self._applied or self._closing, APPLY_AFTER_S
                )
                entries = self._next_entries()
            try:
                self._apply([change for entry, _ in entries for change in entry], doubtful)
                self._journal.done(len(entries))
            except Exception as error:  # noqa: BLE001 - this thread must go on, whatever it is
                # Readers see the error; acknowledged writes stay in the journal. A commit that
                # raises may have stored everything all the same.
                doubtful = True
                _log.exception("journal_not_applied", entries=len(entries))
                with self._changed:
                    self._problem = _unavailable(error)
                    self._changed.notify_all()
                    if self._changed.wait_for(lambda: self._closing, RETRY_S):
                        break
                continue
            doubtful = False
            with self._changed:
                self._problem = None
                del self._gathered[: len(entries)]
                self._gathered_bytes -= sum(size for _, size in entries)
                self._applied += len(entries)
                self._changed.notify_all()
        with self._changed:
            # Nobody is to wait for what does not come.
            self._problem = self._problem or StoreUnavailable("The server is stopping")
            self._changed.notify_all()

    def _next_entries(self) -> list[tuple[Entry, int]]:
        entries: list[tuple[Entry, int]] = []
        changes = 0
        for entry, size in self._gathered:
            changes += len(entry)
            if entries and changes > MAX_CHANGES:
                break
            entries.append((entry, size))
        return entries

    def _apply(self, changes: Sequence[Session | Append], doubtful: bool) -> None:
        """Bring changes into the database, which has some of them already where it is doubtful."""
        if new := [change for change in changes if isinstance(change, Session)]:
            super().insert_sessions(new)
        appends = [change for change in changes if isinstance(change, Append)]
        together = joined(self._lacking(appends) if doubtful else appends)
        if not together:
            return
        for append, verdict in zip(together, super().append(together), strict=True):
            if verdict is not None:
                self._refuse(append, verdict)

    def _lacking(self, appends: Sequence[Append]) -> list[Append]:
        """Return what the database may lack of appends that it may have in part or whole."""
        lengths = super().log_lengths([append.session_id for append in appends])
        if gone := {append.session_id for append in appends} - lengths.keys():
            _log.info("journal_of_deleted_sessions", sessions=len(gone))
        return [
            after(append, lengths[append.session_id])
            for append in appends
            if end(append) >= lengths.get(append.session_id, sys.maxsize)
        ]

    def _refuse(self, append: Append, verdict: EverrunsError) -> None:
        """Keep what the database cannot have: it or the journal was taken from a backup.

        Whoever goes on with the session goes on from the database.
        """
        kept = str(self._journal.keep_aside(encode([append])))
        with self._changed:
            self._refused.add(append.session_id)
        session_id, code = append.session_id, verdict.code
        _log.error("journal_entry_refused", session_id=session_id, code=code, kept=kept)

    # The store itself

    def ping(self) -> None:
        """Return when the store answers and takes appends."""
        with self._using_journal():
            self._journal.check()
        super().ping()

    def copy_to(self, target: Path) -> None:
        """Write a copy of everything that was acknowledged into a new file."""
        self._bring_all()
        super().copy_to(target)

    @contextmanager
    def _using_journal(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            _log.error("journal_failed", detail=str(error))
            raise not_stored(str(error)) from None

    def close(self) -> None:
        """Bring everything into the database and let go of it."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._applier.join(APPLY_TIMEOUT_S)
        self._page_cache.close()
        self._journal.close()
        super().close()


def _unavailable(error: Exception) -> StoreUnavailable:
    if isinstance(error, StoreUnavailable):
        return error
    return StoreUnavailable("The database does not take what was stored. The log has the details")


def _conflict(append: Append) -> SequenceConflict:
    return SequenceConflict(
        f"The database has refused an earlier event of session {append.session_id}. Load it again"
    )
