"""Sessions that the journal has before the database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from everruns.domain.rights import Grant
from everruns.domain.sessions import Session
from everruns.domain.snapshots import Snapshot
from everruns.storage.files import StoredFile
from everruns.storage.journal.write_ahead import WriteAhead
from everruns.storage.logs import Append
from everruns.storage.receipts import Receipt
from everruns.storage.sessions import (
    AgentSessions,
    Fork,
    NewSession,
    SessionCounts,
    SessionQuery,
    StoredLog,
)


class JournaledSessions:
    """Implements ``SessionStore``."""

    def __init__(self, ahead: WriteAhead) -> None:
        self._ahead = ahead

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
        """Store new sessions, each with its first files and events."""
        if bare := [each.session for each in new if each.is_bare]:
            self._ahead.insert(bare)
        if others := [each for each in new if not each.is_bare]:
            # Nothing was acknowledged about any of them yet.
            self._ahead.settled(others[0].session.id).sessions.insert_many(others)

    def copy_log(self, fork: Fork) -> bool:
        """Copy most of a long log for a fork, in transactions that others need not wait for."""
        return self._ahead.settled(fork.source_id).sessions.copy_log(fork)

    def clear_copy(self, session_id: str) -> None:
        """Delete what was copied for a fork that is not stored."""
        self._ahead.settled(session_id).sessions.clear_copy(session_id)

    def fork(self, fork: Fork) -> bool:
        """Store a new session with a copy of another one's events, and of its files if wanted."""
        return self._ahead.settled(fork.source_id).sessions.fork(fork)

    def find(self, session_id: str) -> Session | None:
        """Return a session with its log's summary applied."""
        return self._ahead.settled(session_id).sessions.find(session_id)

    def take(
        self, session_id: str, life: int, snapshot_format: int | None = None
    ) -> StoredLog | None:
        """Take a session for a new holder; return it with its log, or ``None`` if it is gone."""
        holder = self._ahead.take(session_id, life)
        if holder is None:
            return None
        log = self._ahead.settled(session_id).sessions.load(session_id, snapshot_format)
        return log and replace(log, holder=holder)

    def put_snapshot(self, snapshot: Snapshot) -> bool:
        """Store a session's snapshot, replacing an earlier one; return whether it exists."""
        return self._ahead.settled(snapshot.session_id).sessions.put_snapshot(snapshot)

    def update(self, session: Session) -> bool:
        """Store the changed fields of a session; return whether it exists."""
        return self._ahead.settled(session.id).sessions.update(session)

    def delete(self, session_id: str) -> bool:
        """Delete a session and all its data; return whether it existed."""
        return self._ahead.delete(session_id)

    def unfinished(self, now_ms: int | None = None) -> list[str]:
        """Return the ids of sessions whose turn is open, oldest first."""
        return self._ahead.settled().sessions.unfinished(now_ms)

    def count(self) -> SessionCounts:
        """Return how many sessions there are, and what they do."""
        return self._ahead.settled().sessions.count()

    def count_by_agent(
        self, agent_ids: Collection[str], within: Grant | None = None
    ) -> Mapping[str, AgentSessions]:
        """Return how many sessions each of these agents has, for those that have some."""
        return self._ahead.settled().sessions.count_by_agent(agent_ids, within)

    def list(self, query: SessionQuery) -> tuple[list[Session], int]:
        """Return a page of sessions and how many match in all."""
        return self._ahead.settled().sessions.list(query)
