"""What the store in memory holds, and what several of its parts do with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest, nsmallest
from threading import Lock
from typing import Any, TypeVar

from everruns.domain.agents import Agent
from everruns.domain.budgets import Budget, LedgerEntry
from everruns.domain.charges import charges
from everruns.domain.events import Event
from everruns.domain.files import File
from everruns.domain.keys import ApiKey
from everruns.domain.llm import ProviderAccount
from everruns.domain.mcp_servers import McpServer
from everruns.domain.sessions import Session, SessionSummary
from everruns.domain.snapshots import Snapshot, copied
from everruns.domain.workspaces import Workspace
from everruns.ids import now_ms, parse_time
from everruns.storage.files import StoredFile
from everruns.storage.logs import FIRST_HOLDER, Append
from everruns.storage.mcp_authorizations import StoredAuthorization
from everruns.storage.pages import ListQuery, cut
from everruns.storage.receipts import Receipt

Resource = TypeVar("Resource", Agent, Session, Workspace, Budget, LedgerEntry)


@dataclass
class StoredSession:
    """A session with its log.

    Attributes:
        created: The session as a client made or changed it.
        session: The session with its log's summary applied.
        created_ms: When the session was created, in milliseconds since the epoch.
        updated_ms: When the session or its log last changed, in milliseconds since the epoch.
    """

    created: Session
    session: Session
    created_ms: int
    updated_ms: int
    summary: SessionSummary = field(default_factory=SessionSummary)
    events: list[Event] = field(default_factory=list[Event])
    snapshot: Snapshot | None = None
    holder: int = FIRST_HOLDER

    @classmethod
    def of(cls, session: Session) -> "StoredSession":
        """Return a new session, whose log is empty."""
        return cls(session, session, parse_time(session.created_at), parse_time(session.updated_at))

    def take(self, append: Append) -> None:
        """Add an accepted append to the log."""
        self.summary = append.summary
        self.session = self.created.summed_up(append.summary)
        if append.summary.updated_at:
            self.updated_ms = max(self.updated_ms, parse_time(append.summary.updated_at))
        self.events += append.events

    def snapshot_for(self, session_id: str, sequence: int) -> Snapshot | None:
        """Return the snapshot for a fork that has the events up to a sequence, if there is one."""
        if self.snapshot is None or self.snapshot.sequence > sequence:
            return None
        return copied(self.snapshot, self.events[self.snapshot.sequence - 1], session_id)

    def change(self, session: Session) -> None:
        """Replace what a client can change."""
        self.created = session
        self.session = session.summed_up(self.summary) if self.events else session
        self.updated_ms = max(self.updated_ms, parse_time(session.updated_at))


@dataclass(frozen=True)
class StoredReceipt:
    """A receipt with the time at which it was stored, in milliseconds since the epoch."""

    receipt: Receipt
    stored_ms: int


@dataclass
class Contents:
    """Everything that a store in memory holds. Whoever reads or changes it holds the lock."""

    lock: Lock = field(default_factory=Lock)
    life: int = 0
    revision: int = 0
    agents: dict[str, Agent] = field(default_factory=dict[str, Agent])
    providers: dict[str, ProviderAccount] = field(default_factory=dict[str, ProviderAccount])
    mcp_servers: dict[str, McpServer] = field(default_factory=dict[str, McpServer])
    mcp_authorizations: dict[str, StoredAuthorization] = field(
        default_factory=dict[str, StoredAuthorization]
    )
    sessions: dict[str, StoredSession] = field(default_factory=dict[str, StoredSession])
    receipts: dict[str, StoredReceipt] = field(default_factory=dict[str, StoredReceipt])
    workspaces: dict[str, Workspace] = field(default_factory=dict[str, Workspace])
    files: dict[tuple[str, str], File] = field(default_factory=dict[tuple[str, str], File])
    budgets: dict[str, Budget] = field(default_factory=dict[str, Budget])
    ledgers: dict[str, dict[str, LedgerEntry]] = field(
        default_factory=dict[str, dict[str, LedgerEntry]]
    )
    api_keys: dict[str, ApiKey] = field(default_factory=dict[str, ApiKey])

    def remember(self, receipt: Receipt | None) -> None:
        """Store a receipt, if there is one; of two under one key the first stays."""
        if receipt is not None:
            self.receipts.setdefault(receipt.key, StoredReceipt(receipt, now_ms()))

    def put_files(self, files: Sequence[StoredFile]) -> None:
        """Store files, replacing those with the same path."""
        self.files |= {(stored.workspace_id, stored.file.path): stored.file for stored in files}

    def files_for(self, workspace_id: str, other_id: str) -> list[StoredFile]:
        """Return the files of one workspace for another one."""
        return [
            StoredFile(other_id, file)
            for (workspace, _), file in self.files.items()
            if workspace == workspace_id
        ]

    def budgets_in_force(self) -> list[Budget]:
        """Return the budgets that are not disabled."""
        return [budget for budget in self.budgets.values() if budget.status != "disabled"]

    def charge(self, stored: Sequence[Append], agents: Mapping[str, str | None]) -> None:
        """Charge the answers among the stored events, given the sessions' agents."""
        events = [event for append in stored for event in append.events]
        self.enter(charges(events, self.budgets_in_force(), agents))

    def enter(self, entries: Sequence[LedgerEntry]) -> None:
        """Store entries of ledgers; existing entries stay as they are."""
        for entry in entries:
            self.ledgers.setdefault(entry.budget_id, {}).setdefault(entry.id, entry)


def age(resource: Agent | Session | Workspace | Budget | LedgerEntry) -> tuple[str, str]:
    """Return what sorts resources from the oldest to the newest."""
    return resource.created_at, resource.id


def containing(
    search: str | None,
    resources: Iterable[Resource],
    texts: Callable[[Resource], Sequence[str | None]],
) -> Iterable[Resource]:
    """Return the resources of which a text contains the searched one, ignoring case."""
    if not search:
        return resources
    needle = search.lower()
    return [
        resource
        for resource in resources
        if any(text and needle in text.lower() for text in texts(resource))
    ]


def page_of(
    resources: Iterable[Resource],
    query: ListQuery,
    time: Callable[[Resource], tuple[Any, str]] = age,
    *,
    ascending: bool = False,
) -> tuple[list[Resource], int]:
    """Return a page of resources and how many match in all.

    Args:
        resources: All that match.
        query: The page.
        time: Returns what the list is sorted by.
        ascending: Whether the oldest come first.
    """
    found = list(resources)
    first = nsmallest if ascending else nlargest
    page = first(query.offset + query.limit, found, key=time)[query.offset :]
    return cut(page, lambda resource: len(resource.model_dump_json().encode())), len(found)
