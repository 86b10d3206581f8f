"""The thread that brings what the journal holds into the database.

What gathers within a quarter of a second goes there in one transaction, or at once when somebody
reads what it is about. That a session was taken waits for something else to go there: its number is
read from memory and from the journal, and after that from the database.
"""

import sys
import time
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import NamedTuple

import structlog

from everruns.domain.sessions import Session
from everruns.errors import EverrunsError, StoreUnavailable
from everruns.log import error_kind
from everruns.storage.journal.codec import (
    Change,
    Entry,
    Taken,
    after,
    decode,
    encode,
    end,
    joined,
)
from everruns.storage.journal.file import Journal
from everruns.storage.logs import Append
from everruns.storage.sessions import NewSession
from everruns.storage.sql.store import SqlStore
from everruns.storage.store import Backlog

APPLY_AFTER_S = 0.25
RETRY_S = 1.0
APPLY_TIMEOUT_S = 60.0
MAX_CHANGES = 512
# A transaction for a few takes would cost more than the loads that they are for.
MAX_TAKES = 256
MAX_GATHERED_BYTES = 64 * 1024 * 1024

_log = structlog.stdlib.get_logger(__name__)


class _Gathered(NamedTuple):
    """An entry that waits, with its size and the time on the monotonic clock since when."""

    entry: Entry
    size_bytes: int
    since_s: float


class Applier:
    """Applies the entries of a journal to the database, first in, first out.

    What an earlier life left in the journal is applied before anything else.

    Args:
        database: The database of this journal.
        journal: The journal.

    Raises:
        JournalFromOtherVersion: What an earlier life left is in another form.
        StoreUnavailable: The database did not take it.
    """

    def __init__(self, database: SqlStore, journal: Journal) -> None:
        self._database = database
        self._journal = journal
        # Guards what follows, and tells of its changes.
        self._changed = Condition()
        self._refused: set[str] = set()
        self._gathered: list[_Gathered] = []
        self._gathered_bytes = 0
        self._written = 0
        self._applied = 0
        self._wanted = 0
        self._problem: StoreUnavailable | None = None
        self._closing = False
        self._recover()
        self._thread = Thread(target=self._run, name="journal-applier", daemon=True)
        self._thread.start()

    def _recover(self) -> None:
        left = [change for entry in self._journal.left for change in decode(entry)]
        for start in range(0, len(left), MAX_CHANGES):
            self._apply(left[start : start + MAX_CHANGES], doubtful=True)
        if left:
            _log.info("journal recovered", changes=len(left))
        self._journal.forget_left()

    @property
    def applied(self) -> int:
        """The number of the last entry that the database has."""
        return self._applied

    @property
    def backlog(self) -> Backlog:
        """What the database does not have yet."""
        with self._changed:
            # Takes may wait for hours.
            oldest = next(filter(_is_due, self._gathered), None)
            waited_s = time.monotonic() - oldest.since_s if oldest else 0.0
            return Backlog(self._gathered_bytes, waited_s)

    def wait_for_room(self) -> None:
        """Wait until memory has room for another entry.

        Raises:
            StoreUnavailable: The database does not keep up. The journal would lose nothing, but
                memory has an end.
        """
        with self._changed:
            self._wait_until(lambda: self._gathered_bytes < MAX_GATHERED_BYTES)

    def add(self, entry: Entry, size_bytes: int) -> int:
        """Take an entry that the journal holds; return its number."""
        with self._changed:
            self._written += 1
            self._gathered.append(_Gathered(entry, size_bytes, time.monotonic()))
            self._gathered_bytes += size_bytes
            self._changed.notify_all()
            return self._written

    def wait_for(self, number: int | None = None) -> None:
        """Hurry the thread until the database has an entry and all before it, or everything.

        Raises:
            StoreUnavailable: The database does not take them.
        """
        with self._changed:
            wanted = self._written if number is None else number
            self._wanted = max(self._wanted, wanted)
            self._changed.notify_all()
            self._wait_until(lambda: self._applied >= wanted)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: condition() or self._problem, APPLY_TIMEOUT_S)
        if not condition():
            raise self._problem or StoreUnavailable(
                "The database does not keep up. Try again in a moment"
            )

    def take_refused(self) -> set[str]:
        """Return the sessions of which the database has refused an entry since the last call.

        Entries that follow a refused one are refused as well. All are gone from the journal when
        this returns, or the session's next entry would be joined with them.
        """
        if not self._refused:
            return set()
        self.wait_for()
        with self._changed:
            refused, self._refused = self._refused, set()
        return refused

    def close(self) -> None:
        """Apply everything and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(APPLY_TIMEOUT_S)

    # The thread

    def _run(self) -> None:
        doubtful = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_due or self._closing)
                if not self._gathered:
                    break
                self._changed.wait_for(
                    lambda: self._wanted > self._applied or self._closing, APPLY_AFTER_S
                )
                entries = self._next_entries()
            try:
                self._apply([change for each in entries for change in each.entry], doubtful)
                self._journal.done(len(entries))
            except Exception as error:  # noqa: BLE001 - this thread must go on, whatever it is
                # Readers see the error; acknowledged writes stay in the journal. A commit that
                # raises may have stored everything all the same.
                doubtful = True
                _log.exception("journal not applied", entries=len(entries))
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
                self._gathered_bytes -= sum(each.size_bytes for each in entries)
                self._applied += len(entries)
                self._changed.notify_all()
        with self._changed:
            # Nobody is to wait for what does not come.
            self._problem = self._problem or StoreUnavailable("The server is stopping")
            self._changed.notify_all()

    @property
    def _is_due(self) -> bool:
        """Whether what has gathered must not wait for more: all but a few takes."""
        if self._wanted > self._applied or len(self._gathered) >= MAX_TAKES:
            return bool(self._gathered)
        return any(map(_is_due, self._gathered))

    def _next_entries(self) -> "list[_Gathered]":
        entries: list[_Gathered] = []
        changes = 0
        for each in self._gathered:
            changes += len(each.entry)
            if entries and changes > MAX_CHANGES:
                break
            entries.append(each)
        return entries

    def _apply(self, changes: Sequence[Change], doubtful: bool) -> None:
        """Bring changes into the database, which has some of them already where it is doubtful."""
        if new := [change for change in changes if isinstance(change, Session)]:
            self._database.sessions.insert_many([NewSession(session) for session in new])
        appends = [change for change in changes if isinstance(change, Append)]
        together = joined(self._lacking(appends) if doubtful else appends)
        # The last take of each session has its newest number.
        takes = [change for change in changes if isinstance(change, Taken)]
        taken = {take.session_id: take.holder for take in takes}
        if not together and not taken:
            return
        verdicts = self._database.logs.apply(taken, together)
        for append, verdict in zip(together, verdicts, strict=True):
            if verdict is not None:
                self._refuse(append, verdict)

    def _lacking(self, appends: Sequence[Append]) -> list[Append]:
        """Return what the database may lack of appends that it may have in part or whole."""
        heads = self._database.logs.heads([append.session_id for append in appends])
        if gone := {append.session_id for append in appends} - heads.keys():
            _log.info("journal of deleted sessions", sessions=len(gone))
        lengths = {session_id: head.length for session_id, head in heads.items()}
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
        session_id, error = append.session_id, error_kind(verdict)
        _log.error("journal entry refused", session_id=session_id, error=error, kept=kept)


def _is_due(gathered: _Gathered) -> bool:
    return any(not isinstance(change, Taken) for change in gathered.entry)


def _unavailable(error: Exception) -> StoreUnavailable:
    if isinstance(error, StoreUnavailable):
        return error
    return StoreUnavailable("The database does not take what was stored. The log has the details")
