"""What the registry measures by looking: sessions, open turns, budgets, hosts and the journal."""

import asyncio
from collections.abc import Callable
from typing import get_args

import structlog

from everruns.domain.waits import WaitType
from everruns.errors import EverrunsError
from everruns.ids import now_ms
from everruns.log import error_kind
from everruns.registry.budgets import Budgets
from everruns.registry.database import Database
from everruns.registry.placement import Placement
from everruns.telemetry.meters import Meters
from everruns.telemetry.metrics import (
    BUDGET_USED,
    JOURNAL_BYTES,
    JOURNAL_LAG,
    SESSION_ACTORS,
    SESSIONS_STORED,
    TURN_IDLE,
    TURNS_OPEN,
    TURNS_WAITING,
)

# Counting a million sessions takes DuckDB 10 ms of CPU.
LOOK_EVERY_S = 30.0
MAX_BUDGETS = 1_000
WAITS = (*get_args(WaitType), "sleeps")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Gauges:
    """Sets the registry's gauges.

    Args:
        database: Has the sessions.
        placement: Knows the hosts.
        budgets: The budgets.
        meters: Take what is measured.
        clock: Returns the time in milliseconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        placement: Placement,
        budgets: Budgets,
        meters: Meters,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._placement = placement
        self._budgets = budgets
        self._meters = meters
        self._clock = clock

    def refresh(self) -> None:
        """Set what is known without asking the database."""
        backlog = self._database.store.backlog
        self._meters.set(JOURNAL_BYTES, backlog.size_bytes)
        self._meters.set(JOURNAL_LAG, backlog.waited_s)
        self._meters.set(SESSION_ACTORS, len(self._placement.hosts), "up")
        self._meters.set(SESSION_ACTORS, len(self._placement.starting), "starting")

    async def keep(self) -> None:
        """Ask the database every half a minute while the registry runs."""
        while True:
            try:
                await self.look()
            except EverrunsError as error:
                log.warning("sessions not counted", error=error_kind(error))
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Count sessions, open turns and what is left of budgets.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        counts = await self._database.bulk.read(self._database.store.sessions.count)
        self._meters.set(SESSIONS_STORED, counts.stored)
        self._meters.set(TURNS_OPEN, counts.open)
        for kind in WAITS:
            self._meters.set(TURNS_WAITING, counts.waiting.get(kind, 0), kind)
        since_ms = counts.quiet_since_ms
        idle_ms = 0 if since_ms is None else max(self._clock() - since_ms, 0)
        self._meters.set(TURN_IDLE, idle_ms / 1000)
        self._meters.set(BUDGET_USED, await self._budgets.most_used(MAX_BUDGETS))
