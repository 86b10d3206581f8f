"""The store that has a journal in front of its database."""

from pathlib import Path

from everruns.storage.journal.budgets import JournaledBudgets, JournaledLedger
from everruns.storage.journal.file import Journal
from everruns.storage.journal.history import JournaledHistory
from everruns.storage.journal.logs import JournaledLogs
from everruns.storage.journal.registry import JournaledRegistry
from everruns.storage.journal.sessions import JournaledSessions
from everruns.storage.journal.write_ahead import WriteAhead
from everruns.storage.sql.store import SqlStore
from everruns.storage.store import Backlog


class JournaledStore:
    """Keeps sessions and logs in a journal first, all else in the database; implements ``Store``.

    What the journal holds from an earlier life is brought into the database before anything else.

    Args:
        database: The database, which is closed with this store.
        journal: The journal of this database, which is closed too.
    """

    reads_at_once = 2

    def __init__(self, database: SqlStore, journal: Journal) -> None:
        self._database = database
        self._ahead = WriteAhead(database, journal)
        self.cipher = database.cipher
        self.agents = database.agents
        self.providers = database.providers
        self.mcp_servers = database.mcp_servers
        self.mcp_authorizations = database.mcp_authorizations
        self.sessions = JournaledSessions(self._ahead)
        self.logs = JournaledLogs(self._ahead)
        self.history = JournaledHistory(self._ahead)
        self.receipts = database.receipts
        self.workspaces = database.workspaces
        self.files = database.files
        self.budgets = JournaledBudgets(self._ahead, database.budgets)
        self.ledger = JournaledLedger(self._ahead)
        self.api_keys = database.api_keys
        self.registry = JournaledRegistry(self._ahead, database.registry)

    @property
    def backlog(self) -> Backlog:
        """What was acknowledged and is not in the database yet."""
        return self._ahead.backlog

    def ping(self) -> None:
        """Check that the store answers and takes appends."""
        self._ahead.check()
        self._database.ping()

    def copy_to(self, target: Path) -> None:
        """Write a copy of everything that was acknowledged into a new file."""
        self._ahead.settled().copy_to(target)

    def close(self) -> None:
        """Bring everything into the database and let go of it."""
        self._ahead.close()
        self._database.close()
