"""The registry's lives, which the journal compares as it lets sessions be taken."""

from everruns.storage.journal.write_ahead import WriteAhead
from everruns.storage.sql.registry import SqlRegistry


class JournaledRegistry:
    """Implements ``RegistryStore``."""

    def __init__(self, ahead: WriteAhead, registry: SqlRegistry) -> None:
        self.begin_life = ahead.begin_life
        self.advance_revision = registry.advance_revision
        self._ahead = ahead
        self._registry = registry

    def newest_life(self) -> int:
        """Return the life of the registry that began last; 0 before the first one."""
        # Nobody else has the database open, so it need not be asked.
        return self._ahead.life

    @property
    def revision(self) -> int:
        """The newest revision."""
        return self._registry.revision
