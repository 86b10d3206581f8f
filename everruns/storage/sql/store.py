"""The store in a database."""

from pathlib import Path

from sqlalchemy import text

from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.sql.agents import SqlAgents
from everruns.storage.sql.api_keys import SqlApiKeys
from everruns.storage.sql.budgets import SqlBudgets
from everruns.storage.sql.database import Database
from everruns.storage.sql.files import SqlFiles
from everruns.storage.sql.history import SqlHistory
from everruns.storage.sql.ledger import SqlLedger
from everruns.storage.sql.logs import SqlLogs
from everruns.storage.sql.mcp_authorizations import SqlMcpAuthorizations
from everruns.storage.sql.mcp_servers import SqlMcpServers
from everruns.storage.sql.providers import SqlProviders
from everruns.storage.sql.receipts import SqlReceipts
from everruns.storage.sql.registry import SqlRegistry
from everruns.storage.sql.sessions import SqlSessions
from everruns.storage.sql.workspaces import SqlWorkspaces


class SqlStore:
    """Keeps everything in a database; implements ``Store``.

    Args:
        database: Has the tables.
        cipher: Encrypts the secrets of providers.
        budgets_are_shared: Whether other processes put budgets too; see ``SqlBudgets``.
    """

    def __init__(
        self, database: Database, cipher: Cipher, *, budgets_are_shared: bool = False
    ) -> None:
        self._database = database
        self.cipher = cipher
        self.agents = SqlAgents(database)
        self.providers = SqlProviders(database, cipher)
        self.mcp_servers = SqlMcpServers(database)
        self.mcp_authorizations = SqlMcpAuthorizations(database)
        self.receipts = SqlReceipts(database)
        self.workspaces = SqlWorkspaces(database)
        self.files = SqlFiles(database)
        self.budgets = SqlBudgets(database, is_shared=budgets_are_shared)
        if not budgets_are_shared:
            self.budgets.load()
        self.ledger = SqlLedger(database)
        self.logs = SqlLogs(database, self.budgets)
        self.sessions = SqlSessions(database, self.logs, self.budgets)
        self.history = SqlHistory(database)
        self.api_keys = SqlApiKeys(database, cipher)
        self.registry = SqlRegistry(database)

    def ping(self) -> None:
        """Check that the store answers."""
        with self._database.reading() as connection:
            connection.execute(text("SELECT 1"))

    def copy_to(self, target: Path) -> None:
        """Write a copy of everything into a new file."""
        self._database.copy_to(target)

    def close(self) -> None:
        """Make everything durable and close the database."""
        self._database.close()
