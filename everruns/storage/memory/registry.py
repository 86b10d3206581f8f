"""The registry's lives and revision in memory."""

from everruns.ids import now_ms
from everruns.storage.memory.contents import Contents


class MemoryRegistry:
    """Implements ``RegistryStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    @property
    def revision(self) -> int:
        """The newest revision."""
        return self._contents.revision

    def begin_life(self) -> int:
        """Return the number of the life that a registry begins."""
        with self._contents.lock:
            self._contents.life += 1
            self._advance()
            return self._contents.life

    def newest_life(self) -> int:
        """Return the life of the registry that began last; 0 before the first one."""
        with self._contents.lock:
            return self._contents.life

    def advance_revision(self) -> int:
        """Return the next revision."""
        with self._contents.lock:
            return self._advance()

    def _advance(self) -> int:
        self._contents.revision = max(now_ms(), self._contents.revision + 1)
        return self._contents.revision
