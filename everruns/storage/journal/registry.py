"""The registry's lives, which the journal compares as it lets sessions be taken."""

from everruns.storage.journal.write_ahead import WriteAhead
from everruns.storage.sql.registry import SqlRegistry


class JournaledRegistry:
    """Implements ``RegistryStore``."""

    def __init__(self, ahead: WriteAhead, registry: SqlRegistry) -> None:
        self.begin_life = ahead.begin_life
        self.newest_life = registry.newest_life
        self.advance_revision = registry.advance_revision
        self._registry = registry

    @property
    def revision(self) -> int:
        """The newest revision."""
        return self._registry.revision
