"""A store in memory only: for tests, embedding and trying things out."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from everruns.domain.agents import Agent
from everruns.domain.events import Event
from everruns.domain.llm import ProviderAccount
from everruns.domain.sessions import OPEN_STATUSES, Session, SessionSummary
from everruns.domain.snapshots import Snapshot
from everruns.domain.workspaces import Workspace
from everruns.errors import StoreUnavailable
from everruns.ids import now_ms, parse_time
from everruns.storage.append_rule import judge
from everruns.storage.memory.budgets import MemoryBudgets
from everruns.storage.memory.keys import MemoryApiKeys
from everruns.storage.pages import cut
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

Resource = TypeVar("Resource", Agent, Session, Workspace)


@dataclass
class _StoredSession:
    created: Session
    session: Session
    updated_ms: int
    summary: SessionSummary | None = None
    events: list[Event] = field(default_factory=list[Event])
    snapshot: Snapshot | None = None

    @classmethod
    def of(cls, session: Session) -> "_StoredSession":
        return cls(session, session, parse_time(session.updated_at))

    @property
    def waits_until_ms(self) -> int:
        told = self.summary if self.summary and self.summary.waiting_for else None
        return (told.waits_until_ms if told else None) or 0

    def take(self, append: Append) -> None:
        self.summary = append.summary
        self.session = self.created.summed_up(append.summary)
        if append.summary.updated_at:
            self.updated_ms = max(self.updated_ms, parse_time(append.summary.updated_at))
        self.events += append.events

    def change(self, session: Session) -> None:
        self.created = session
        self.session = session.summed_up(self.summary) if self.summary else session
        self.updated_ms = max(self.updated_ms, parse_time(session.updated_at))


@dataclass(frozen=True)
class _StoredReceipt:
    receipt: Receipt
    stored_ms: int


class MemoryStore(MemoryBudgets, MemoryApiKeys):
    """Keeps everything in dictionaries behind one lock; implements ``Store``."""

    def __init__(self) -> None:
        MemoryBudgets.__init__(self)
        MemoryApiKeys.__init__(self)
        self._lock = Lock()
        self._agents: dict[str, Agent] = {}
        self._providers: dict[str, ProviderAccount] = {}
        self._sessions: dict[str, _StoredSession] = {}
        self._receipts: dict[str, _StoredReceipt] = {}
        self._workspaces: dict[str, Workspace] = {}
        self._files: dict[tuple[str, str], File] = {}

    # Agents

    def put_agent(self, agent: Agent, receipt: Receipt | None = None) -> None:
        """Store an agent, replacing the one with its id."""
        with self._lock:
            self._agents[agent.id] = agent
            self._put_receipt(receipt)

    def find_agent(self, agent_id: str) -> Agent | None:
        """Return an agent, active or archived."""
        with self._lock:
            return self._agents.get(agent_id)

    def find_agent_by_name(self, name: str) -> Agent | None:
        """Return the newest active agent of this name."""
        with self._lock:
            agents = [agent for agent in self._active_agents() if agent.name == name]
        return max(agents, key=_age, default=None)

    def list_agents(self, query: ListQuery) -> tuple[list[Agent], int]:
        """Return a page of the active agents and how many match in all."""
        with self._lock:
            agents = list(self._active_agents())
        return _page(
            agents,
            query,
            lambda agent: (agent.id, agent.name, agent.display_name, agent.description),
        )

    def _active_agents(self) -> Iterable[Agent]:
        return (agent for agent in self._agents.values() if agent.status == "active")

    # Providers

    def put_providers(self, *accounts: ProviderAccount) -> None:
        """Store providers with their secrets, all or none, replacing those with their ids."""
        with self._lock:
            self._providers.update({account.provider.id: account for account in accounts})

    def list_providers(self) -> list[ProviderAccount]:
        """Return every provider with its secrets, newest first."""
        with self._lock:
            accounts = list(self._providers.values())
        return sorted(
            accounts,
            key=lambda account: (account.provider.created_at, account.provider.id),
            reverse=True,
        )

    def delete_provider(self, provider_id: str) -> bool:
        """Delete a provider; return whether it existed."""
        with self._lock:
            return self._providers.pop(provider_id, None) is not None

    # Sessions

    def insert_session(
        self,
        session: Session,
        files: Sequence[StoredFile] = (),
        receipt: Receipt | None = None,
        log: Append | None = None,
    ) -> None:
        """Store a new session with its first files and events."""
        with self._lock:
            stored = self._sessions[session.id] = _StoredSession.of(session)
            if log is not None:
                stored.take(log)
            self._put_files(files)
            self._put_receipt(receipt)

    def update_session(self, session: Session) -> bool:
        """Store the changed fields of a session; return whether it exists."""
        with self._lock:
            stored = self._sessions.get(session.id)
            if stored is not None:
                stored.change(session)
            return stored is not None

    def find_session(self, session_id: str) -> Session | None:
        """Return a session with its log's summary applied."""
        with self._lock:
            stored = self._sessions.get(session_id)
            return stored.session if stored else None

    def load_session(self, session_id: str, snapshot_format: int | None = None) -> StoredLog | None:
        """Return a session with its log, from its snapshot on if it has one of this format."""
        found = self.find_session(session_id)
        if found is None:
            return None
        with self._lock:
            snapshot = self._sessions[session_id].snapshot
        if snapshot is None or snapshot.format != snapshot_format:
            return StoredLog(found, self.read_events(session_id, EventQuery()))
        since = EventQuery(after=snapshot.sequence - 1)
        return StoredLog(found, self.read_events(session_id, since), snapshot)

    def put_snapshot(self, snapshot: Snapshot) -> bool:
        """Store a session's snapshot, replacing an earlier one; return whether it exists."""
        with self._lock:
            stored = self._sessions.get(snapshot.session_id)
            if stored is not None:
                stored.snapshot = snapshot
            return stored is not None

    def list_sessions(self, query: SessionQuery) -> tuple[list[Session], int]:
        """Return a page of sessions and how many match in all."""
        with self._lock:
            updated = {each.session.id: each.updated_ms for each in self._sessions.values()}
            found = [
                stored.session for stored in self._sessions.values() if _is_listed(stored, query)
            ]

        def time(session: Session) -> tuple[Any, str]:
            by_update = query.sort == "updated"
            return updated[session.id] if by_update else parse_time(session.created_at), session.id

        return _page(
            found,
            query,
            lambda session: (session.id, session.title, session.preview),
            time,
            ascending=query.ascending,
        )

    def delete_session(self, session_id: str) -> bool:
        """Delete a session and all its data; return whether it existed."""
        with self._lock:
            stored = self._sessions.pop(session_id, None)
            if stored is None:
                return False
            self._delete_budgets(session_id)
            workspace_id = stored.session.workspace_id
            if workspace_id not in self._workspaces:
                self._files = {
                    place: file for place, file in self._files.items() if place[0] != workspace_id
                }
            self._receipts = {
                key: stored
                for key, stored in self._receipts.items()
                if stored.receipt.resource_id != session_id
            }
            return True

    def unfinished_sessions(self, now_ms: int | None = None) -> list[str]:
        """Return the ids of sessions whose turn is open, oldest first."""
        with self._lock:
            sessions = [
                stored.session
                for stored in self._sessions.values()
                if stored.session.status in OPEN_STATUSES
                and (now_ms is None or stored.waits_until_ms <= now_ms)
            ]
        return [session.id for session in sorted(sessions, key=_age)]

    # Event logs

    def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store many appends in one transaction, each all or nothing."""
        with self._lock:
            lengths = {
                append.session_id: len(self._sessions[append.session_id].events)
                for append in appends
                if append.session_id in self._sessions
            }
            verdicts, accepted = judge(appends, lengths, self._bodies)
            for append in accepted:
                self._sessions[append.session_id].take(append)
            self._charge(
                accepted, {found: self._sessions[found].session.agent_id for found in lengths}
            )
            return verdicts

    def _bodies(self, session_id: str, first: int, last: int) -> list[bytes]:
        events = self._sessions[session_id].events
        return [event.body for event in events if first <= event.sequence <= last]

    def log_lengths(self, session_ids: Sequence[str]) -> dict[str, int]:
        """Return how many events the log of each session has, for those that exist."""
        with self._lock:
            return {
                session_id: len(self._sessions[session_id].events)
                for session_id in session_ids
                if session_id in self._sessions
            }

    def read_events(self, session_id: str, query: EventQuery) -> list[Event]:
        """Return events of a log; empty if the session does not exist."""
        events = self._matching(session_id, query)
        if query.newest_first:
            events.reverse()
        found = events[query.offset :][: query.limit]
        return (
            cut(found, lambda event: len(event.body), query.size_bytes) if query.is_page else found
        )

    def count_events(self, session_id: str, query: EventQuery) -> int:
        """Return how many events match a query, on all pages together."""
        return len(self._matching(session_id, query))

    def _matching(self, session_id: str, query: EventQuery) -> list[Event]:
        with self._lock:
            stored = self._sessions.get(session_id)
            return [event for event in stored.events if _matches(event, query)] if stored else []

    # Receipts

    def find_receipt(self, key: str) -> Receipt | None:
        """Return the receipt of this key."""
        with self._lock:
            stored = self._receipts.get(key)
        return stored.receipt if stored else None

    def forget_receipts(self, before_ms: int) -> None:
        """Delete the receipts stored before a time in milliseconds since the epoch."""
        with self._lock:
            self._receipts = {
                key: stored
                for key, stored in self._receipts.items()
                if stored.stored_ms >= before_ms
            }

    def _put_receipt(self, receipt: Receipt | None) -> None:
        if receipt is not None:
            self._receipts.setdefault(receipt.key, _StoredReceipt(receipt, now_ms()))

    # Workspaces that outlive their sessions

    def put_workspace(self, workspace: Workspace) -> None:
        """Store a workspace, replacing the one with its id."""
        with self._lock:
            self._workspaces[workspace.id] = workspace

    def find_workspace(self, workspace_id: str) -> Workspace | None:
        """Return a workspace, active or archived."""
        with self._lock:
            return self._workspaces.get(workspace_id)

    def list_workspaces(self, query: ListQuery) -> tuple[list[Workspace], int]:
        """Return a page of workspaces and how many match in all."""
        with self._lock:
            workspaces = [
                workspace
                for workspace in self._workspaces.values()
                if query.include_archived or workspace.status == "active"
            ]
        return _page(workspaces, query, lambda found: (found.id, found.name, found.description))

    # Files

    def find_file(self, workspace_id: str, path: str) -> File | None:
        """Return a file or directory with its content."""
        with self._lock:
            return self._files.get((workspace_id, path))

    def list_files(self, workspace_id: str, prefix: str, *, contents: bool = False) -> list[File]:
        """Return the files and directories whose path begins with ``prefix``, sorted by path."""
        with self._lock:
            files = [
                file
                for (workspace, path), file in self._files.items()
                if workspace == workspace_id and path.startswith(prefix)
            ]
        if not contents:
            files = [replace(file, content=b"") for file in files]
        return sorted(files, key=lambda file: file.path)

    def read_files(self, workspace_id: str, paths: Collection[str]) -> list[File]:
        """Return the existing files at exactly these paths, sorted by path."""
        with self._lock:
            found = [self._files.get((workspace_id, path)) for path in sorted(set(paths))]
        return [file for file in found if file is not None]

    def put_files(self, files: Sequence[StoredFile]) -> None:
        """Store files and directories, replacing those with the same path."""
        with self._lock:
            self._put_files(files)

    def _put_files(self, files: Sequence[StoredFile]) -> None:
        self._files |= {(stored.workspace_id, stored.file.path): stored.file for stored in files}

    def delete_files(self, workspace_id: str, paths: Collection[str]) -> int:
        """Delete the files at exactly these paths; return how many existed."""
        with self._lock:
            return self._delete_files(workspace_id, paths)

    def _delete_files(self, workspace_id: str, paths: Collection[str]) -> int:
        found = [path for path in set(paths) if (workspace_id, path) in self._files]
        for path in found:
            del self._files[workspace_id, path]
        return len(found)

    def exchange_files(self, workspace_id: str, gone: Collection[str], new: Sequence[File]) -> None:
        """Delete the files at some paths and store others in one transaction."""
        with self._lock:
            self._delete_files(workspace_id, gone)
            self._put_files([StoredFile(workspace_id, file) for file in new])

    # The store itself

    def ping(self) -> None:
        """Check that the store answers."""

    def copy_to(self, target: Path) -> None:
        """Refuse: nothing is kept in files.

        Raises:
            StoreUnavailable: Always.
        """
        raise StoreUnavailable(f"Nothing to copy to {target}: this server keeps all in memory.")

    def close(self) -> None:
        """Do nothing: the data is lost with the process."""


def _age(resource: Agent | Session | Workspace) -> tuple[str, str]:
    return resource.created_at, resource.id


def _is_listed(stored: _StoredSession, query: SessionQuery) -> bool:
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


def _page(
    resources: Iterable[Resource],
    query: ListQuery,
    texts: Callable[[Resource], Sequence[str | None]],
    time: Callable[[Resource], tuple[Any, str]] = _age,
    *,
    ascending: bool = False,
) -> tuple[list[Resource], int]:
    if query.search:
        needle = query.search.lower()
        resources = [
            resource
            for resource in resources
            if any(text and needle in text.lower() for text in texts(resource))
        ]
    ordered = sorted(resources, key=time, reverse=not ascending)
    page = ordered[query.offset : query.offset + query.limit]
    return cut(page, lambda resource: len(resource.model_dump_json())), len(ordered)


def _matches(event: Event, query: EventQuery) -> bool:
    return (
        (query.after is None or event.sequence > query.after)
        and (query.before is None or event.sequence < query.before)
        and (not query.types or event.type in query.types)
        and (query.turn_id is None or event.turn_id == query.turn_id)
        and (query.since_ms is None or event.ts >= query.since_ms)
        and (query.until_ms is None or event.ts <= query.until_ms)
        and not any(first <= event.sequence <= last for first, last in query.without)
    )
