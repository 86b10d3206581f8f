"""The store: everything that is kept, one part for each noun."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from everruns.storage.agents import AgentStore
from everruns.storage.api_keys import ApiKeyStore
from everruns.storage.budgets import BudgetStore, LedgerStore
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.files import FileStore
from everruns.storage.history import HistoryStore
from everruns.storage.logs import LogStore
from everruns.storage.mcp_authorizations import McpAuthorizationStore
from everruns.storage.mcp_servers import McpServerStore
from everruns.storage.providers import ProviderStore
from everruns.storage.receipts import ReceiptStore
from everruns.storage.registry import RegistryStore
from everruns.storage.sessions import SessionStore
from everruns.storage.workspaces import WorkspaceStore


@dataclass(frozen=True)
class Backlog:
    """What was acknowledged and is not in the database yet: a journal has it.

    Attributes:
        size_bytes: Its size.
        waited_s: How many seconds the oldest of it has waited.
    """

    size_bytes: int = 0
    waited_s: float = 0.0


class Store(Protocol):
    """Keeps everything, in parts.

    A store is synchronous and safe to use from several threads, with one writer at a time. Every
    write is one transaction: all of it is durable when the call returns, or none of it happened.
    Every method of a part may raise ``StoreUnavailable``: nothing was stored or read; the same call
    may succeed later.
    """

    # Properties, so that a store may have parts of its own types; their types describe them.
    # ruff: noqa: D102

    @property
    def agents(self) -> AgentStore: ...

    @property
    def providers(self) -> ProviderStore: ...

    @property
    def mcp_authorizations(self) -> McpAuthorizationStore: ...

    @property
    def mcp_servers(self) -> McpServerStore: ...

    @property
    def sessions(self) -> SessionStore: ...

    @property
    def logs(self) -> LogStore: ...

    @property
    def history(self) -> HistoryStore: ...

    @property
    def receipts(self) -> ReceiptStore: ...

    @property
    def workspaces(self) -> WorkspaceStore: ...

    @property
    def files(self) -> FileStore: ...

    @property
    def budgets(self) -> BudgetStore: ...

    @property
    def ledger(self) -> LedgerStore: ...

    @property
    def api_keys(self) -> ApiKeyStore: ...

    @property
    def registry(self) -> RegistryStore: ...

    @property
    def reads_at_once(self) -> int:
        """How many small reads are worth making at a time: few where they take this CPU."""
        ...

    @property
    def cipher(self) -> Cipher:
        """Encrypts secrets that are stored within other things."""
        ...

    @property
    def backlog(self) -> Backlog:
        """What was acknowledged and is not in the database yet. Answers at once, from memory."""
        ...

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
