"""The interface of the store.

A store is synchronous and safe to use from several threads, with one writer at a time. Every write
is one transaction: all of it is durable when the call returns, or none of it happened.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

from everruns.domain.agents import Agent
from everruns.domain.budgets import Budget, LedgerEntry
from everruns.domain.events import Event
from everruns.domain.keys import ApiKey
from everruns.domain.llm import ProviderAccount
from everruns.domain.rights import Grant
from everruns.domain.sessions import Caller, Session, SessionStatus, SessionSummary
from everruns.domain.snapshots import Snapshot
from everruns.domain.waits import WaitType
from everruns.domain.workspaces import Workspace
from everruns.errors import EverrunsError
from everruns.tools.base import File


@dataclass(frozen=True)
class Append:
    """Events to store as the next entries of one session's log.

    Attributes:
        session_id: The session.
        expected: Sequence the first event must get; the log's length plus one.
        events: Events numbered from ``expected``; none if only the summary changes.
        summary: The summary of the session's row after the events.
    """

    session_id: str
    expected: int
    events: Sequence[Event]
    summary: SessionSummary


@dataclass(frozen=True)
class StoredLog:
    """A session with its log.

    Attributes:
        session: The session, with its log's summary applied.
        events: The log, from the snapshot's event on if there is a snapshot.
        snapshot: The session's newest snapshot.
    """

    session: Session
    events: Sequence[Event]
    snapshot: Snapshot | None = None


@dataclass(frozen=True)
class Receipt:
    """Remembers the answer to a request that came with an ``Idempotency-Key``.

    Attributes:
        key: Digest of the route and the key.
        request: Digest of the request's body.
        answer: The JSON of the answer.
        resource_id: The resource that the answer is about. A session's answers are deleted with it.
    """

    key: str
    request: str
    answer: bytes
    resource_id: str | None = None


@dataclass(frozen=True)
class EventQuery:
    """A query for events of a session; all conditions must hold.

    Attributes:
        after: Only events with a greater sequence.
        before: Only events with a smaller sequence.
        types: Only these types, unless empty.
        turn_id: Only events of this turn.
        since_ms: Only events at or after this time, in milliseconds since the epoch.
        until_ms: Only events at or before this time.
        without: Ranges of sequences to leave out, as pairs of the first and the last.
        offset: Number of items to skip.
        limit: Maximum number of events. A page also ends once it is full; see ``pages.py``.
        size_bytes: Size of a full page, instead of ``pages.MAX_PAGE_BYTES``.
        newest_first: Whether the newest come first; ``limit`` then keeps the newest.
    """

    after: int | None = None
    before: int | None = None
    types: Sequence[str] = ()
    turn_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    without: Sequence[tuple[int, int]] = ()
    offset: int = 0
    limit: int | None = None
    size_bytes: int | None = None
    newest_first: bool = False

    @property
    def is_page(self) -> bool:
        """Whether the query is for a page rather than for all events."""
        return self.limit is not None or self.size_bytes is not None


@dataclass(frozen=True)
class ListQuery:
    """A query for a page of a list, newest first. A page may have fewer items if they are large.

    Attributes:
        search: Only items whose name, title or id contains this text, ignoring case.
        include_archived: Whether archived workspaces are listed too.
        offset: Number of items to skip.
        limit: Maximum number of items to return.
    """

    search: str | None = None
    include_archived: bool = False
    offset: int = 0
    limit: int = 20


@dataclass(frozen=True)
class SessionQuery(ListQuery):
    """A query for a page of the list of sessions; all conditions must hold.

    Times are in milliseconds since the epoch.

    Attributes:
        agent_id: Only sessions of this agent.
        caller: Only sessions of this caller.
        within: Only sessions that this grant covers.
        older_than: Only sessions that a list shows after the one with this time of creation and
            this id.
        status: Only sessions with this status.
        waiting: Only sessions whose turn waits for somebody outside: for calls of this type, or
            for any with ``True``.
        tags: Only sessions with all of these tags.
        end_user: Only sessions of this end user.
        created_from_ms: Only sessions created at or after this time.
        created_until_ms: Only sessions created before this time.
        updated_from_ms: Only sessions updated at or after this time.
        updated_until_ms: Only sessions updated before this time.
        sort: What to sort by: the time of creation or of the last update.
        ascending: Whether the oldest come first.
    """

    agent_id: str | None = None
    caller: Caller | None = None
    within: Grant | None = None
    older_than: tuple[int, str] | None = None
    status: SessionStatus | None = None
    waiting: WaitType | Literal[True] | None = None
    tags: Collection[str] = ()
    end_user: str | None = None
    created_from_ms: int | None = None
    created_until_ms: int | None = None
    updated_from_ms: int | None = None
    updated_until_ms: int | None = None
    sort: Literal["created", "updated"] = "created"
    ascending: bool = False


@dataclass(frozen=True)
class StoredFile:
    """A file with its workspace."""

    workspace_id: str
    file: File


Verdict = EverrunsError | None


class BudgetStore(Protocol):
    """Keeps budgets and their ledgers.

    ``Store.append`` stores a model's answer and charges it to the budgets that apply in the same
    transaction: an answer is charged exactly once, when it is stored. A budget is charged for
        answers
    that are acknowledged after it was put, not for earlier ones.
    """

    def put_budget(self, budget: Budget) -> None:
        """Store a budget, replacing the one with its id."""
        ...

    def find_budget(self, budget_id: str) -> Budget | None:
        """Return a budget, active or disabled."""
        ...

    def list_budgets(
        self,
        subject_type: str | None = None,
        subject_ids: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[Budget]:
        """Return the active budgets, newest first; ``None`` matches any subject."""
        ...

    def is_budgeted(self, subject_id: str | None) -> bool:
        """Tell whether a subject has active budgets. Answers at once, from memory."""
        ...

    def put_ledger_entry(self, entry: LedgerEntry) -> None:
        """Store an entry of a ledger; an existing entry stays as it is."""
        ...

    def list_ledger(self, budget_id: str, offset: int, limit: int) -> list[LedgerEntry]:
        """Return entries of a budget's ledger, newest first."""
        ...

    def ledger_totals(
        self, budget_ids: Collection[str], since: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, Decimal]:
        """Return the sum of each ledger with entries, including everything acknowledged.

        Args:
            budget_ids: The budgets.
            since: For some of them, the time of the first entries that count.
        """
        ...


class ApiKeyStore(Protocol):
    """Keeps API keys, by the hashes by which they are recognised, and what signs access tokens."""

    def signing_secret(self) -> bytes:
        """Return the 32 bytes that sign access tokens, the same as long as the store lasts."""
        ...

    def put_api_keys(self, *keys: ApiKey) -> None:
        """Store API keys, all or none, replacing those with their ids."""
        ...

    def list_api_keys(self) -> list[ApiKey]:
        """Return every API key, oldest first."""
        ...

    def delete_api_key(self, key_id: str) -> bool:
        """Delete an API key; return whether it existed."""
        ...


class Store(BudgetStore, ApiKeyStore, Protocol):
    """Keeps agents, providers, sessions with their logs, workspaces, files, budgets and API keys.

    Every method may raise ``StoreUnavailable``: nothing was stored or read; the same call may
    succeed later.
    """

    # Agents

    def put_agent(self, agent: Agent, receipt: Receipt | None = None) -> None:
        """Store an agent, replacing the one with its id."""
        ...

    def find_agent(self, agent_id: str) -> Agent | None:
        """Return an agent, active or archived."""
        ...

    def find_agent_by_name(self, name: str) -> Agent | None:
        """Return the newest active agent of this name."""
        ...

    def list_agents(self, query: ListQuery) -> tuple[list[Agent], int]:
        """Return a page of the active agents and how many match in all."""
        ...

    # Providers

    def put_providers(self, *accounts: ProviderAccount) -> None:
        """Store providers with their secrets, all or none, replacing those with their ids."""
        ...

    def list_providers(self) -> list[ProviderAccount]:
        """Return every provider with its secrets, newest first."""
        ...

    def delete_provider(self, provider_id: str) -> bool:
        """Delete a provider; return whether it existed."""
        ...

    # Sessions

    def insert_session(
        self,
        session: Session,
        files: Sequence[StoredFile] = (),
        receipt: Receipt | None = None,
        log: Append | None = None,
    ) -> None:
        """Store a new session with its first files and events. Its id was never used before."""
        ...

    def find_session(self, session_id: str) -> Session | None:
        """Return a session with its log's summary applied."""
        ...

    def load_session(self, session_id: str, snapshot_format: int | None = None) -> StoredLog | None:
        """Return a session with its log.

        Args:
            session_id: The session.
            snapshot_format: If the session has a snapshot of this format, it is returned with the
                log from its event on; otherwise the whole log is.
        """
        ...

    def put_snapshot(self, snapshot: Snapshot) -> bool:
        """Store a session's snapshot, replacing an earlier one; return whether it exists."""
        ...

    def update_session(self, session: Session) -> bool:
        """Store the changed fields of a session; return whether it exists.

        What follows from its log stays as it is.
        """
        ...

    def list_sessions(self, query: SessionQuery) -> tuple[list[Session], int]:
        """Return a page of sessions and how many match in all."""
        ...

    def delete_session(self, session_id: str) -> bool:
        """Delete a session and all its data; return whether it existed.

        This includes its own budgets and the files of its workspace, unless the workspace is
        shared. What it was charged to other budgets stays charged.
        """
        ...

    def unfinished_sessions(self, now_ms: int | None = None) -> list[str]:
        """Return the ids of sessions whose turn is open, oldest first.

        Args:
            now_ms: Leave out turns that wait for outside input until after this time.
        """
        ...

    # Event logs

    def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store many appends in one transaction, each all or nothing.

        Appends whose events are already stored (retries) succeed.

        Returns:
            For each append ``None``, or ``SequenceConflict`` (another host appended first), or
            ``SessionNotFound``. A failed append does not affect the others.
        """
        ...

    def log_lengths(self, session_ids: Sequence[str]) -> dict[str, int]:
        """Return how many events the log of each session has, for those that exist."""
        ...

    def read_events(self, session_id: str, query: EventQuery) -> list[Event]:
        """Return events of a log; empty if the session does not exist."""
        ...

    def count_events(self, session_id: str, query: EventQuery) -> int:
        """Return how many events match a query, on all pages together."""
        ...

    # Receipts

    def find_receipt(self, key: str) -> Receipt | None:
        """Return the receipt of this key."""
        ...

    def forget_receipts(self, before_ms: int) -> None:
        """Delete the receipts stored before a time in milliseconds since the epoch."""
        ...

    # Workspaces that outlive their sessions

    def put_workspace(self, workspace: Workspace) -> None:
        """Store a workspace, replacing the one with its id."""
        ...

    def find_workspace(self, workspace_id: str) -> Workspace | None:
        """Return a workspace, active or archived."""
        ...

    def list_workspaces(self, query: ListQuery) -> tuple[list[Workspace], int]:
        """Return a page of workspaces and how many match in all."""
        ...

    # Files

    def find_file(self, workspace_id: str, path: str) -> File | None:
        """Return a file or directory with its content."""
        ...

    def list_files(self, workspace_id: str, prefix: str, *, contents: bool = False) -> list[File]:
        """Return the files and directories whose path begins with ``prefix``, sorted by path."""
        ...

    def read_files(self, workspace_id: str, paths: Collection[str]) -> list[File]:
        """Return the existing files at exactly these paths, sorted by path."""
        ...

    def put_files(self, files: Sequence[StoredFile]) -> None:
        """Store files and directories, replacing those with the same path."""
        ...

    def delete_files(self, workspace_id: str, paths: Collection[str]) -> int:
        """Delete the files at exactly these paths; return how many existed."""
        ...

    def exchange_files(self, workspace_id: str, gone: Collection[str], new: Sequence[File]) -> None:
        """Delete the files at some paths and store others in one transaction."""
        ...

    # The store itself

    def ping(self) -> None:
        """Check that the store answers."""
        ...

    def copy_to(self, target: Path) -> None:
        """Write a copy of everything that was acknowledged into a new file; others go on.

        Raises:
            StoreUnavailable: It could not be written.
        """
        ...

    def close(self) -> None:
        """Make everything durable and close the database."""
        ...
