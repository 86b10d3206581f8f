"""Deletion of old receipts of requests with an ``Idempotency-Key``.

Source: docs/contract.md, "Turns", ``Idempotency-Key``.
"""

import asyncio

import structlog

from everruns.errors import EverrunsError
from everruns.ids import now_ms
from everruns.log import error_kind
from everruns.registry.database import Database

KEPT_MS = 7 * 24 * 3600 * 1000
INTERVAL_S = 3600.0

log = structlog.get_logger(__name__)


class Receipts:
    """Deletes old receipts while the registry runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Delete old receipts now and every hour."""
        while True:
            try:
                await self.forget_old(now_ms())
            except EverrunsError as error:
                log.warning("old receipts not forgotten", error=error_kind(error))
            await asyncio.sleep(INTERVAL_S)

    async def forget_old(self, now: int) -> None:
        """Delete the receipts whose retention has passed.

        Args:
            now: Milliseconds since the epoch.
        """
        await self._database.control.write(self._database.store.receipts.forget, now - KEPT_MS)
