"""Sessions and appends that are acknowledged by the journal before the database has them.

A transaction of DuckDB takes some 4 ms of CPU for a single append, and hardly more for a hundred.
An append is therefore judged in memory, written to the journal, and answered, and so is a new
session that brings no files. After a crash the journal says what the database lacks.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

import structlog

from everruns.domain.sessions import Session
from everruns.errors import SequenceConflict
from everruns.log import error_kind
from everruns.storage.append_rule import check_life, judge
from everruns.storage.failures import is_disk_full, not_stored
from everruns.storage.journal.applier import Applier
from everruns.storage.journal.codec import Entry, Taken, encode, end
from everruns.storage.journal.file import Journal
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery, LogHead, Verdict
from everruns.storage.sql.store import SqlStore
from everruns.storage.store import Backlog

REMEMBERED_LOGS = 20_000

_log = structlog.stdlib.get_logger(__name__)


class _Log(NamedTuple):
    """What is known of a log that was written lately.

    Attributes:
        head: Where it stands.
        changed: The number of the last entry that readers have to see.
        noted: The number of its last entry, which may be a take: no reader waits for one.
    """

    head: LogHead
    changed: int
    noted: int


class WriteAhead:
    """Writes entries to a journal, and opens the one door to the database behind it.

    Args:
        database: The database of this journal. What goes through the journal is read from it by
            ``settled`` alone, so that no read misses what was acknowledged.
        journal: The journal.
    """

    def __init__(self, database: SqlStore, journal: Journal) -> None:
        self._database = database
        self._journal = journal
        self._applier = Applier(database, journal)
        # Held while entries are judged and written.
        self._appending = Lock()
        self._logs: dict[str, _Log] = {}
        # Sessions that are being deleted: they get no more entries.
        self._leaving: set[str] = set()
        self._life = database.registry.newest_life()

    # Reading: first the database gets what it lacks

    def settled(self, session_id: str | None = None) -> SqlStore:
        """Return the database once it has what was acknowledged about a session.

        Args:
            session_id: The session, or ``None`` for everything that was acknowledged.

        Raises:
            StoreUnavailable: The database does not take it.
        """
        if session_id is None:
            self._applier.wait_for()
        else:
            log = self._logs.get(session_id)
            self._applier.wait_for(log.changed if log else 0)
        return self._database

    @contextmanager
    def still(self) -> Generator[SqlStore]:
        """Give the database with everything acknowledged; nothing else is, until the end."""
        with self._appending:
            yield self.settled()

    def heads(self, session_ids: Sequence[str]) -> dict[str, LogHead]:
        """Return where the log of each session stands, for those that exist."""
        with self._appending:
            return self._heads(set(session_ids))

    # Writing

    def insert(self, new: Sequence[Session]) -> None:
        """Store new sessions."""
        with self._appending:
            number = self._write(new)
            log = _Log(LogHead(0, FIRST_HOLDER), number, number)
            self._logs.update({session.id: log for session in new})

    @property
    def life(self) -> int:
        """The life of the registry that began last; 0 before the first one."""
        return self._life

    def begin_life(self) -> int:
        """Return the number of the life that a registry begins."""
        with self._appending:
            self._life = self._database.registry.begin_life()
            return self._life

    def take(self, session_id: str, life: int) -> int | None:
        """Take a session for a new holder; return its number, or ``None`` if the session is gone.

        Raises:
            RegistryReplaced: Another registry has begun its life since.
        """
        with self._appending:
            check_life(life, self._life)
            head = self._heads({session_id}).get(session_id)
            if head is None:
                return None
            taken = Taken(session_id, head.holder + 1)
            number = self._write([taken])
            log = self._logs.get(session_id)
            changed = log.changed if log else 0
            self._logs[session_id] = _Log(LogHead(head.length, taken.holder), changed, number)
            return taken.holder

    def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store many appends, each all or nothing."""
        with self._appending:
            heads = self._heads({append.session_id for append in appends})
            verdicts, accepted = judge(appends, heads, self._bodies)
            if accepted:
                number = self._write(accepted)
                for append in accepted:
                    head = LogHead(end(append), heads[append.session_id].holder)
                    self._logs[append.session_id] = _Log(head, number, number)
            if refused := self._forget_refused():
                return [
                    verdict or (_conflict(append) if append.session_id in refused else None)
                    for append, verdict in zip(appends, verdicts, strict=True)
                ]
        return verdicts

    def delete(self, session_id: str) -> bool:
        """Delete a session and all its data; return whether it existed."""
        with self.still() as database:
            with self._using_journal():
                # Found in it after a crash, the session would come back.
                self._journal.settle()
            self._logs.pop(session_id, None)
            self._leaving.add(session_id)
        try:
            # A long log takes seconds, in which the appends of other sessions go on.
            return database.sessions.delete(session_id)
        finally:
            with self._appending:
                self._leaving.discard(session_id)

    def _heads(self, session_ids: set[str]) -> dict[str, LogHead]:
        """Return where logs stand; what is not remembered is in the database."""
        self._forget_refused()
        known = {found: self._logs[found].head for found in session_ids & self._logs.keys()}
        if unknown := session_ids - known.keys() - self._leaving:
            known.update(self._database.logs.heads(list(unknown)))
        return known

    def _bodies(self, session_id: str, first: int, last: int) -> list[bytes]:
        query = EventQuery(after=first - 1, before=last + 1)
        return [event.body for event in self.settled(session_id).logs.read(session_id, query)]

    def _forget_refused(self) -> set[str]:
        """Forget the logs of which the database has refused an entry, and return their sessions."""
        refused = self._applier.take_refused()
        for session_id in refused:
            self._logs.pop(session_id, None)
        return refused

    def _write(self, entry: Entry) -> int:
        """Make an entry durable; return its number."""
        content = encode(entry)
        self._applier.wait_for_room()
        with self._using_journal():
            self._journal.write(content)
        if len(self._logs) > REMEMBERED_LOGS:
            applied = self._applier.applied
            self._logs = {found: log for found, log in self._logs.items() if log.noted > applied}
        return self._applier.add(entry, len(content))

    # The journal itself

    @property
    def backlog(self) -> Backlog:
        """What was acknowledged and is not in the database yet."""
        return self._applier.backlog

    def check(self) -> None:
        """Check that the journal takes entries, as far as known.

        Raises:
            StoreUnavailable: It does not.
        """
        with self._using_journal():
            self._journal.check()

    @contextmanager
    def _using_journal(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            _log.error("journal failed", error=error_kind(error))
            raise not_stored(disk_full=is_disk_full(error)) from None

    def close(self) -> None:
        """Bring everything into the database and let go of the journal."""
        self._applier.close()
        self._journal.close()


def _conflict(append: Append) -> SequenceConflict:
    return SequenceConflict(
        f"The database has refused an earlier event of session {append.session_id}. Load it again"
    )
