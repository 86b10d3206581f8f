"""Sessions in memory."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Literal

from everruns.domain.rights import Grant
from everruns.domain.sessions import OPEN_STATUSES, Session
from everruns.domain.snapshots import Snapshot
from everruns.domain.waits import WaitType
from everruns.storage.append_rule import check_life
from everruns.storage.files import StoredFile
from everruns.storage.logs import Append
from everruns.storage.memory.contents import Contents, StoredSession, age, containing, page_of
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

    def count(self) -> SessionCounts:
        """Return how many sessions there are, and what they do."""
        with self._contents.lock:
            return SessionCounts.of(map(_counted, self._contents.sessions.values()))

    def count_by_agent(
        self, agent_ids: Collection[str], within: Grant | None = None
    ) -> dict[str, AgentSessions]:
        """Return how many sessions each of these agents has, for those that have some."""
        stored, opened = Counter[str](), Counter[str]()
        with self._contents.lock:
            for each in self._contents.sessions.values():
                agent_id = each.session.agent_id
                if agent_id is None or agent_id not in agent_ids:
                    continue
                if within is not None and not within.covers(each.session):
                    continue
                stored[agent_id] += 1
                opened[agent_id] += each.session.status in OPEN_STATUSES
        return {identity: AgentSessions(stored[identity], opened[identity]) for identity in stored}

    def list(self, query: SessionQuery) -> tuple[list[Session], int]:
        """Return a page of sessions and how many match in all."""
        conditions = _conditions(query)
        with self._contents.lock:
            found = [
                stored
                for stored in self._contents.sessions.values()
                if all(condition(stored) for condition in conditions)
            ]
            by_update = query.sort == "updated"
            times = {
                stored.session.id: stored.updated_ms if by_update else stored.created_ms
                for stored in found
            }
            sessions = [stored.session for stored in found]
        return page_of(
            containing(
                query.search, sessions, lambda found: (found.id, found.title, found.preview)
            ),
            query,
            lambda session: (times[session.id], session.id),
            ascending=query.ascending,
        )


def _counted(stored: StoredSession) -> SessionsInState:
    summary = stored.summary
    waits: set[str] = {wait.type for wait in summary.waiting_for}
    if summary.sleeps:
        waits.add("sleeps")
    return SessionsInState(stored.session.status, waits, 1, stored.updated_ms)


_COMPARED = ("agent_id", "end_user", "status", "last_outcome")


def _conditions(query: SessionQuery) -> list[Callable[[StoredSession], bool]]:
    """Return the conditions that a session has to meet to be listed."""
    tags = set(query.tags)
    caller, within = query.caller, query.within
    older_than, waiting = query.older_than, query.waiting
    wanted = {name: getattr(query, name) for name in _COMPARED}
    conditions = [_has(name, value) for name, value in wanted.items() if value is not None]
    if caller is not None:
        conditions.append(lambda stored: caller.owns(stored.session))
    if within is not None:
        conditions.append(lambda stored: within.covers(stored.session))
    if older_than is not None:
        conditions.append(lambda stored: (stored.created_ms, stored.session.id) < older_than)
    if waiting is not None:
        conditions.append(lambda stored: _waits(stored.session, waiting))
    if tags:
        conditions.append(lambda stored: tags.issubset(stored.session.tags))
    return [
        *conditions,
        lambda stored: _is_within(stored.created_ms, query.created_from_ms, query.created_until_ms),
        lambda stored: _is_within(stored.updated_ms, query.updated_from_ms, query.updated_until_ms),
    ]


def _has(name: str, wanted: str) -> Callable[[StoredSession], bool]:
    return lambda stored: getattr(stored.session, name) == wanted


def _waits(session: Session, what: WaitType | Literal[True]) -> bool:
    if what is True:
        return bool(session.waiting_for) or session.status == "waitingfortoolresults"
    return any(wait.type == what for wait in session.waiting_for)


def _is_within(ms: int, from_ms: int | None, until_ms: int | None) -> bool:
    return (from_ms is None or ms >= from_ms) and (until_ms is None or ms < until_ms)
