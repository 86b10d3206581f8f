"""All sessions and their logs, read for whoever keeps a copy of them."""

from collections.abc import Mapping, Sequence

from everruns.domain.base import MIB
from everruns.domain.events import Event
from everruns.registry.database import Database
from everruns.remote import Repeat, remote
from everruns.storage.history import HeadQuery, Heads, SessionEntry, Stretch, Totals

MAX_HEADS = 1_000
MAX_ENTRIES = 200
MAX_STRETCHES = 100
MAX_EVENTS_BYTES = MIB
"""How much an answer has at most, so that none keeps the registry's other callers waiting."""


class History:
    """Reads what all sessions have, in small answers and a lane of its own.

    Any process that has the store open can have its own.

    Args:
        database: Keeps the sessions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = database.store

    @remote(Repeat.YES, timeout_s=60)
    async def totals(self) -> Mapping[str, Totals]:
        """Return the totals of each bucket of sessions; see ``HistoryStore``."""
        return await self._database.history.read(self._store.history.totals)

    @remote(Repeat.YES, timeout_s=60)
    async def heads(self, query: HeadQuery) -> Heads:
        """Return a page of heads of sessions, ``MAX_HEADS`` at most, and the totals of all."""
        return await self._database.history.read(self._store.history.heads, query)

    @remote(Repeat.YES, timeout_s=60)
    async def entries(self, session_ids: Sequence[str]) -> Sequence[SessionEntry]:
        """Return those of up to ``MAX_ENTRIES`` sessions that exist."""
        return await self._database.history.read(self._store.history.entries, session_ids)

    @remote(Repeat.YES, timeout_s=60)
    async def agent_names(self) -> Mapping[str, str]:
        """Return the name of each agent, active or archived, by its id."""
        return await self._database.history.read(self._store.history.agent_names)

    @remote(Repeat.YES, timeout_s=60)
    async def events(self, stretches: Sequence[Stretch]) -> Sequence[Event]:
        """Return events of up to ``MAX_STRETCHES`` stretches, from the first one on.

        They have ``MAX_EVENTS_BYTES`` together, or are one event that is larger.
        """
        read = self._store.history.events
        return await self._database.history.read(read, stretches, MAX_EVENTS_BYTES)
