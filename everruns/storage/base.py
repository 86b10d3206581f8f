"""What the registry asks of a store.

A store is synchronous and safe to use from several threads, with one writer at a time. Every write
is one transaction: all of it is durable when the call returns, or none of it happened.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from everruns.domain.agents import Agent
from everruns.domain.budgets import Budget, LedgerEntry
from everruns.domain.events import Event
from everruns.domain.keys import ApiKey
from everruns.domain.llm import ProviderAccount
from everruns.domain.sessions import Caller, Session, SessionSummary
from everruns.domain.workspaces import Workspace
from everruns.errors import EverrunsError
from everruns.tools.base import File


@dataclass(frozen=True)
class Append:
    """Events to store as the next entries of one session's log.

    Attributes:
        session_id: Whose log.
        expected: Sequence the first event must get; the log's length plus one.
        events: Events numbered from ``expected``; none where only the summary changes.
        summary: What the session's row says after them.
    """

    session_id: str
    expected: int
    events: Sequence[Event]
    summary: SessionSummary


@dataclass(frozen=True)
class Receipt:
    """Remembers the answer to a request that came with an ``Idempotency-Key``.

    Attributes:
        key: Digest of the route and the key.
        request: Digest of the request's body.
        answer: The JSON that was answered.
        resource_id: What the answer tells of. A session's answers are deleted with it.
    """

    key: str
    request: str
    answer: bytes
    resource_id: str | None = None


@dataclass(frozen=True)
class EventQuery:
    """Which events of a session to list, all conditions together.

    Attributes:
        after: Only those with a greater sequence.
        before: Only those with a smaller sequence.
        types: Only these types, unless empty.
        turn_id: Only those of this turn.
        since_ms: Only those of this time or later, in milliseconds since the epoch.
        until_ms: Only those of this time or earlier.
        offset: How many to pass over.
        limit: At most so many. A page also ends once it is full; see ``pages.py``.
        size_bytes: When a page is full, instead of ``pages.MAX_PAGE_BYTES``.
        newest_first: Whether the newest come first and are kept when there are more than ``limit``.
    """

    after: int | None = None
    before: int | None = None
    types: Sequence[str] = ()
    turn_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    offset: int = 0
    limit: int | None = None
    size_bytes: int | None = None
    newest_first: bool = False

    @property
    def is_page(self) -> bool:
        """Whether a page is asked for, and not everything that there is."""
        return self.limit is not None or self.size_bytes is not None


@dataclass(frozen=True)
class ListQuery:
    """Which page of a list, newest first. A page may have fewer items if they are large.

    Attributes:
        search: Only what holds this text, in any case, in its name or title or id.
        agent_id: Only sessions of this agent.
        caller: Only sessions of this caller.
        older_than: Only sessions that a list shows after the one with this time of creation, in
            milliseconds since the epoch, and this id.
        include_archived: Whether archived workspaces are listed too.
        offset: How many to pass over.
        limit: How many to return at most.
    """

    search: str | None = None
    agent_id: str | None = None
    caller: Caller | None = None
    older_than: tuple[int, str] | None = None
    include_archived: bool = False
    offset: int = 0
    limit: int = 20


@dataclass(frozen=True)
class StoredFile:
    """A file with the workspace it is in."""

    workspace_id: str
    file: File


Verdict = EverrunsError | None


class BudgetStore(Protocol):
    """Keeps budgets and their ledgers.

    Whatever stores a model's answer (``Store.append``) enters it in the ledgers of the budgets that
    it concerns, in the same transaction: an answer is charged once, if it is stored, and never
    else. What was acknowledged before a budget was put is not charged to it, what comes after is.
    """

    def put_budget(self, budget: Budget) -> None:
        """Store a budget, replacing the one with its id."""
        ...

    def find_budget(self, budget_id: str) -> Budget | None:
        """Return a budget, disabled ones too."""
        ...

    def list_budgets(
        self,
        subject_type: str | None = None,
        subject_ids: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[Budget]:
        """Return the budgets in force, newest first; ``None`` is any subject."""
        ...

    def is_budgeted(self, subject_id: str | None) -> bool:
        """Tell whether budgets are in force for a subject. Answers from memory, at once."""
        ...

    def put_ledger_entry(self, entry: LedgerEntry) -> None:
        """Store an entry of a ledger; one that is there already stays as it is."""
        ...

    def list_ledger(self, budget_id: str, offset: int, limit: int) -> list[LedgerEntry]:
        """Return entries of a budget's ledger, newest first."""
        ...

    def ledger_totals(self, budget_ids: Collection[str]) -> dict[str, Decimal]:
        """Return the sum of each ledger that has entries, with all that was acknowledged."""
        ...


class ApiKeyStore(Protocol):
    """Keeps API keys: the hashes by which they are recognised."""

    def put_api_keys(self, *keys: ApiKey) -> None:
        """Store API keys, all or none, replacing those with their ids."""
        ...

    def list_api_keys(self) -> list[ApiKey]:
        """Return every API key, oldest first."""
        ...

    def delete_api_key(self, key_id: str) -> bool:
        """Delete an API key; return whether there was one."""
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
        """Return an agent, archived ones too."""
        ...

    def find_agent_by_name(self, name: str) -> Agent | None:
        """Return the newest active agent of this name."""
        ...

    def list_agents(self, query: ListQuery) -> tuple[list[Agent], int]:
        """Return a page of the active agents and how many match in all."""
        ...

    # Providers

    def put_providers(self, *accounts: ProviderAccount) -> None:
        """Store providers with their keys, all or none, replacing those with their ids."""
        ...

    def list_providers(self) -> list[ProviderAccount]:
        """Return every provider with its key, newest first."""
        ...

    def delete_provider(self, provider_id: str) -> bool:
        """Delete a provider; return whether there was one."""
        ...

    # Sessions

    def insert_session(
        self,
        session: Session,
        files: Sequence[StoredFile] = (),
        receipt: Receipt | None = None,
    ) -> None:
        """Store a new session with its first files. Its id was never used before."""
        ...

    def find_session(self, session_id: str) -> Session | None:
        """Return a session with what its log says of it."""
        ...

    def load_session(self, session_id: str) -> tuple[Session, list[Event]] | None:
        """Return a session with its whole log."""
        ...

    def list_sessions(self, query: ListQuery) -> tuple[list[Session], int]:
        """Return a page of sessions and how many match in all."""
        ...

    def delete_session(self, session_id: str) -> bool:
        """Delete a session and all that is kept of it; return whether it was there.

        The files of its workspace go too, unless that is one that was put here, and so do its own
        budgets; what it was charged to others stays there.
        """
        ...

    def unfinished_sessions(self, now_ms: int | None = None) -> list[str]:
        """Return the ids of sessions whose turn is open, oldest first.

        Args:
            now_ms: Leave out the turns that wait for somebody outside until later than this.
        """
        ...

    # Event logs

    def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store many appends in one transaction, each all or nothing.

        Appends whose events are stored already (a retry) succeed.

        Returns:
            For each append ``None``, or ``SequenceConflict`` (someone else appended first), or
            ``SessionNotFound``. The failure of one does not touch the others.
        """
        ...

    def log_lengths(self, session_ids: Sequence[str]) -> dict[str, int]:
        """Return how many events the log of each session has, for those that exist."""
        ...

    def read_events(self, session_id: str, query: EventQuery) -> list[Event]:
        """Return events of a log; empty when there is no such session."""
        ...

    def count_events(self, session_id: str, query: EventQuery) -> int:
        """Return how many events a query finds on all of its pages together."""
        ...

    # Receipts

    def find_receipt(self, key: str) -> Receipt | None:
        """Return what was answered under this key."""
        ...

    def forget_receipts(self, before_ms: int) -> None:
        """Delete the receipts stored before a time in milliseconds since the epoch."""
        ...

    # Workspaces that outlive their sessions

    def put_workspace(self, workspace: Workspace) -> None:
        """Store a workspace, replacing the one with its id."""
        ...

    def find_workspace(self, workspace_id: str) -> Workspace | None:
        """Return a workspace, archived ones too."""
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
        """Return those that are there of the files at exactly these paths, sorted by path."""
        ...

    def put_files(self, files: Sequence[StoredFile]) -> None:
        """Store files and directories, replacing those with the same path."""
        ...

    def delete_files(self, workspace_id: str, paths: Collection[str]) -> int:
        """Delete the files at exactly these paths; return how many there were."""
        ...

    def exchange_files(self, workspace_id: str, gone: Collection[str], new: Sequence[File]) -> None:
        """Delete the files at some paths and store others in one transaction."""
        ...

    # The store itself

    def ping(self) -> None:
        """Return when the store answers."""
        ...

    def close(self) -> None:
        """Make everything durable and let go of the database."""
        ...
