"""What the registry knows of the cluster, for people who look at it."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from everruns.domain.cluster import JournalState, StoredSessions
from everruns.errors import StoreUnavailable
from everruns.own_process import MachineUse, ProcessUse, own_machine, own_process
from everruns.registry.database import Database
from everruns.registry.placement import Placement
from everruns.remote import Repeat, remote

# Counting a million sessions takes the database some 20 ms.
COUNT_EVERY_S = 2.0


class PlacedHost(NamedTuple):
    """A session host, as placement knows it.

    Attributes:
        name: Its name.
        is_up: Whether it is up; otherwise it is starting, or expected back.
        node: Its node; empty if it is not known.
        sessions: How many sessions are placed on it.
        size_bytes: Their size.
    """

    name: str
    is_up: bool
    node: str
    sessions: int
    size_bytes: int


@dataclass(frozen=True)
class Overview:
    """What the registry knows.

    Attributes:
        process: What its process uses.
        machine: What its machine uses.
        hosts: The session hosts.
        leaving: The nodes that are about to go.
        sessions: The sessions of the store; ``None`` if the store does not answer.
        journal: What is on its way to the store.
        problem: Why the store does not answer.
    """

    process: ProcessUse
    machine: MachineUse
    hosts: Sequence[PlacedHost]
    leaving: Collection[str]
    sessions: StoredSessions | None
    journal: JournalState
    problem: str | None


class Overviews:
    """Tells what the registry knows.

    Args:
        database: Has the sessions.
        placement: Knows the hosts.
    """

    def __init__(self, database: Database, placement: Placement) -> None:
        self._database = database
        self._placement = placement
        self._counting = asyncio.Lock()
        self._counted: StoredSessions | None = None
        self._counted_at = float("-inf")

    @remote(Repeat.YES, timeout_s=5)
    async def get(self) -> Overview:
        """Return what the registry knows now; sessions are counted every other second at most."""
        sessions, problem = None, None
        try:
            sessions = await self._count()
        except StoreUnavailable as error:
            problem = error.message
        backlog = self._database.store.backlog
        return Overview(
            own_process(),
            own_machine(),
            self._hosts(),
            self._placement.leaving,
            sessions,
            JournalState(size_bytes=backlog.size_bytes, lag_seconds=backlog.waited_s),
            problem,
        )

    def _hosts(self) -> list[PlacedHost]:
        placement = self._placement
        up = [
            PlacedHost(name, True, placement.nodes[name], len(held), placement.sizes[name])
            for name, held in placement.hosts.items()
        ]
        awaited = placement.starting | placement.overdue
        return up + [PlacedHost(name, False, "", 0, 0) for name in sorted(awaited)]

    async def _count(self) -> StoredSessions:
        async with self._counting:
            now_s = asyncio.get_running_loop().time()
            if self._counted is None or now_s - self._counted_at >= COUNT_EVERY_S:
                counts = await self._database.bulk.read(self._database.store.sessions.count)
                self._counted = StoredSessions(
                    total=counts.stored, turns_open=counts.open, waiting=dict(counts.waiting)
                )
                self._counted_at = now_s
            return self._counted
