"""The store in a PostgreSQL database."""

from pathlib import Path

from everruns.storage.agents import AgentStore
from everruns.storage.api_keys import ApiKeyStore
from everruns.storage.budgets import BudgetStore, LedgerStore
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.files import FileStore
from everruns.storage.history import HistoryStore
from everruns.storage.logs import LogStore
from everruns.storage.mcp_authorizations import McpAuthorizationStore
from everruns.storage.mcp_servers import McpServerStore
from everruns.storage.postgres.database import Postgres
from everruns.storage.postgres.errors import repeated, repeating
from everruns.storage.postgres.logs import PostgresLogs
from everruns.storage.providers import ProviderStore
from everruns.storage.receipts import ReceiptStore
from everruns.storage.registry import RegistryStore
from everruns.storage.sessions import SessionStore
from everruns.storage.sql.store import SqlStore
from everruns.storage.store import Backlog
from everruns.storage.workspaces import WorkspaceStore


class PostgresStore:
    """Keeps everything in a PostgreSQL database; implements ``Store``.

    A call that nothing came of is made again, if what prevented it is probably gone.

    Args:
        database: Has the tables.
        cipher: Encrypts the secrets of providers.
        reads_at_once: As many as its connections are good for.
    """

    backlog = Backlog()

    def __init__(self, database: Postgres, cipher: Cipher, reads_at_once: int) -> None:
        self.reads_at_once = reads_at_once
        self._store = store = SqlStore(database, cipher, budgets_are_shared=True)
        self.cipher = cipher
        self.agents: AgentStore = repeating(store.agents)
        self.providers: ProviderStore = repeating(store.providers)
        self.mcp_servers: McpServerStore = repeating(store.mcp_servers)
        self.mcp_authorizations: McpAuthorizationStore = repeating(store.mcp_authorizations)
        self.sessions: SessionStore = repeating(store.sessions)
        self.logs: LogStore = repeating(
            PostgresLogs(database, store.logs, store.budgets, store.registry)
        )
        self.history: HistoryStore = repeating(store.history)
        self.receipts: ReceiptStore = repeating(store.receipts)
        self.workspaces: WorkspaceStore = repeating(store.workspaces)
        self.files: FileStore = repeating(store.files)
        self.budgets: BudgetStore = repeating(store.budgets)
        self.ledger: LedgerStore = repeating(store.ledger)
        self.api_keys: ApiKeyStore = repeating(store.api_keys)
        self.registry: RegistryStore = repeating(store.registry)

    def load_budgets(self) -> None:
        """Read which agents and sessions have budgets, as the process needs to that puts them."""
        repeated(self._store.budgets.load)()

    def ping(self) -> None:
        """Check that the store answers."""
        repeated(self._store.ping)()

    def copy_to(self, target: Path) -> None:
        """Refuse; see ``Postgres.copy_to``."""
        self._store.copy_to(target)

    def close(self) -> None:
        """Close all connections."""
        self._store.close()
