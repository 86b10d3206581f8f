"""One number that tells session hosts when agents, providers or MCP servers have changed."""

from collections.abc import Sequence

from everruns.registry.database import Database
from everruns.registry.group_commit import GroupCommit
from everruns.storage.logs import Verdict


class Revision:
    """Grows with every change, across restarts too.

    Each answer to an append or a load carries the revision; a host with an older one reloads
    all of them before its next step. So changes reach running sessions without separate
    messages.

    Args:
        database: Keeps the number.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._advances: GroupCommit[None] = GroupCommit(self._advance, "changes")

    @property
    def number(self) -> int:
        """The newest that this process has seen."""
        return self._database.store.registry.revision

    async def advance(self) -> None:
        """Something changed. Several changes at once need one new number.

        Raises:
            StoreUnavailable: The hosts do not learn of it before the next change.
        """
        await self._advances.append(None)

    async def _advance(self, changes: Sequence[None]) -> list[Verdict]:
        await self._database.control.write(self._database.store.registry.advance_revision)
        return [None] * len(changes)
