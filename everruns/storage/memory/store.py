"""A store in memory only: for tests, embedding and trying things out."""

import secrets
from pathlib import Path

from everruns.errors import StoreUnavailable
from everruns.storage.data_directory.encryption import KEY_BYTES, Cipher
from everruns.storage.memory.agents import MemoryAgents
from everruns.storage.memory.api_keys import MemoryApiKeys
from everruns.storage.memory.budgets import MemoryBudgets, MemoryLedger
from everruns.storage.memory.contents import Contents
from everruns.storage.memory.files import MemoryFiles
from everruns.storage.memory.history import MemoryHistory
from everruns.storage.memory.logs import MemoryLogs
from everruns.storage.memory.mcp_authorizations import MemoryMcpAuthorizations
from everruns.storage.memory.mcp_servers import MemoryMcpServers
from everruns.storage.memory.providers import MemoryProviders
from everruns.storage.memory.receipts import MemoryReceipts
from everruns.storage.memory.registry import MemoryRegistry
from everruns.storage.memory.sessions import MemorySessions
from everruns.storage.memory.workspaces import MemoryWorkspaces
from everruns.storage.store import Backlog


class MemoryStore:
    """Keeps everything in dictionaries behind one lock; implements ``Store``.

    Attributes:
        contents: What is kept.
        cipher: Encrypts with a key that is lost with the process, too.
    """

    reads_at_once = 2
    backlog = Backlog()

    def __init__(self) -> None:
        self.contents = Contents()
        self.cipher = Cipher(secrets.token_bytes(KEY_BYTES))
        self.agents = MemoryAgents(self.contents)
        self.providers = MemoryProviders(self.contents)
        self.mcp_servers = MemoryMcpServers(self.contents)
        self.mcp_authorizations = MemoryMcpAuthorizations(self.contents)
        self.sessions = MemorySessions(self.contents)
        self.logs = MemoryLogs(self.contents)
        self.history = MemoryHistory(self.contents)
        self.receipts = MemoryReceipts(self.contents)
        self.workspaces = MemoryWorkspaces(self.contents)
        self.files = MemoryFiles(self.contents)
        self.budgets = MemoryBudgets(self.contents)
        self.ledger = MemoryLedger(self.contents)
        self.api_keys = MemoryApiKeys(self.contents)
        self.registry = MemoryRegistry(self.contents)

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
