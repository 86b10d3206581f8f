"""Sessions in memory."""

from collections.abc import Sequence
from typing import Any

from everruns.domain.sessions import OPEN_STATUSES, Session
from everruns.domain.snapshots import Snapshot
from everruns.ids import parse_time
from everruns.storage.append_rule import check_life
from everruns.storage.files import StoredFile
from everruns.storage.logs import Append
from everruns.storage.memory.contents import Contents, StoredSession, age, page_of
from everruns.storage.receipts import Receipt
from everruns.storage.sessions import Fork, NewSession, SessionQuery, StoredLog


class MemorySessions:
    """Implements ``SessionStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

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
        with self._contents.lock:
            for each in new:
                if each.session.id in self._contents.sessions:
                    continue
                stored = self._contents.sessions[each.session.id] = StoredSession.of(each.session)
                if each.log is not None:
                    stored.take(each.log)
                self._contents.put_files(each.files)
                self._contents.remember(each.receipt)

    def copy_log(self, fork: Fork) -> bool:
        """Copy nothing: in memory, ``fork`` takes events as they are."""
        with self._contents.lock:
            source = self._contents.sessions.get(fork.source_id)
            return source is not None and len(source.events) >= fork.sequence

    def clear_copy(self, session_id: str) -> None:
        """Delete nothing, as nothing was copied."""

    def fork(self, fork: Fork) -> bool:
        """Store a new session with a copy of another one's events, and of its files if wanted."""
        contents = self._contents
        with contents.lock:
            source = contents.sessions.get(fork.source_id)
            if source is None or len(source.events) < fork.sequence:
                return False
            new = fork.session
            stored = contents.sessions[new.id] = StoredSession.of(new)
            stored.events = [event.copied(new.id) for event in source.events[: fork.sequence]]
            if fork.log is not None:
                stored.take(fork.log)
            stored.snapshot = source.snapshot_for(new.id, fork.sequence)
            if fork.files_of is not None:
                contents.put_files(contents.files_for(fork.files_of, new.workspace_id))
            if fork.shared is not None:
                contents.workspaces.setdefault(fork.shared.id, fork.shared)
            contents.remember(fork.receipt)
            return True

    def find(self, session_id: str) -> Session | None:
        """Return a session with its log's summary applied."""
        with self._contents.lock:
            stored = self._contents.sessions.get(session_id)
            return stored.session if stored else None

    def take(
        self, session_id: str, life: int, snapshot_format: int | None = None
    ) -> StoredLog | None:
        """Take a session for a new holder; return it with its log, or ``None`` if it is gone."""
        with self._contents.lock:
            check_life(life, self._contents.life)
            stored = self._contents.sessions.get(session_id)
            if stored is None:
                return None
            stored.holder += 1
            snapshot = stored.snapshot
            if snapshot is None or snapshot.format != snapshot_format:
                return StoredLog(stored.session, [*stored.events], stored.holder)
            events = stored.events[snapshot.sequence - 1 :]
            return StoredLog(stored.session, events, stored.holder, snapshot)

    def put_snapshot(self, snapshot: Snapshot) -> bool:
        """Store a session's snapshot, replacing an earlier one; return whether it exists."""
        with self._contents.lock:
            stored = self._contents.sessions.get(snapshot.session_id)
            if stored is not None:
                stored.snapshot = snapshot
            return stored is not None

    def update(self, session: Session) -> bool:
        """Store the changed fields of a session; return whether it exists."""
        with self._contents.lock:
            stored = self._contents.sessions.get(session.id)
            if stored is not None:
                stored.change(session)
            return stored is not None

    def delete(self, session_id: str) -> bool:
        """Delete a session and all its data; return whether it existed."""
        contents = self._contents
        with contents.lock:
            stored = contents.sessions.pop(session_id, None)
            if stored is None:
                return False
            for budget in [*contents.budgets.values()]:
                if budget.subject_id == session_id:
                    del contents.budgets[budget.id]
                    contents.ledgers.pop(budget.id, None)
            workspace_id = stored.session.workspace_id
            if workspace_id not in contents.workspaces:
                contents.files = {
                    place: file
                    for place, file in contents.files.items()
                    if place[0] != workspace_id
                }
            contents.receipts = {
                key: stored
                for key, stored in contents.receipts.items()
                if stored.receipt.resource_id != session_id
            }
            return True

    def unfinished(self, now_ms: int | None = None) -> list[str]:
        """Return the ids of sessions whose turn is open, oldest first."""
        with self._contents.lock:
            sessions = [
                stored.session
                for stored in self._contents.sessions.values()
                if stored.session.status in OPEN_STATUSES
                and (now_ms is None or not stored.summary.only_waits(now_ms))
            ]
        return [session.id for session in sorted(sessions, key=age)]

    def list(self, query: SessionQuery) -> tuple[list[Session], int]:
        """Return a page of sessions and how many match in all."""
        with self._contents.lock:
            found = [
                stored for stored in self._contents.sessions.values() if _is_listed(stored, query)
            ]
            updated = {stored.session.id: stored.updated_ms for stored in found}
            sessions = [stored.session for stored in found]

        def time(session: Session) -> tuple[Any, str]:
            by_update = query.sort == "updated"
            return updated[session.id] if by_update else parse_time(session.created_at), session.id

        return page_of(
            sessions,
            query,
            lambda session: (session.id, session.title, session.preview),
            time,
            ascending=query.ascending,
        )


def _is_listed(stored: StoredSession, query: SessionQuery) -> bool:
    session = stored.session
    created_ms = parse_time(session.created_at)
    waits = {wait.type for wait in session.waiting_for}
    return (
        query.agent_id in {None, session.agent_id}
        and query.end_user in {None, session.end_user}
        and query.status in {None, session.status}
        and (query.caller is None or query.caller.owns(session))
        and (query.within is None or query.within.covers(session))
        and (query.older_than is None or (created_ms, session.id) < query.older_than)
        and (query.waiting is None or query.waiting in waits or _waits(session, query))
        and set(query.tags) <= set(session.tags)
        and _is_within(created_ms, query.created_from_ms, query.created_until_ms)
        and _is_within(stored.updated_ms, query.updated_from_ms, query.updated_until_ms)
    )


def _waits(session: Session, query: SessionQuery) -> bool:
    is_waiting = bool(session.waiting_for) or session.status == "waitingfortoolresults"
    return query.waiting is True and is_waiting


def _is_within(ms: int, from_ms: int | None, until_ms: int | None) -> bool:
    return (from_ms is None or ms >= from_ms) and (until_ms is None or ms < until_ms)
