"""The life of a registry: from its start until another one begins over the same store.

Two registries can run at once: one that stood still, or that a network has cut off, is replaced and
then goes on. The store lets only the newer one take sessions; this is how the older one learns of
it, so that it stops placing sessions as well.
"""

import asyncio

import structlog

from everruns.errors import EverrunsError
from everruns.log import error_kind
from everruns.registry.database import Database

CHECK_EVERY_S = 3.0

log = structlog.get_logger(__name__)


class Life:
    """Which registry this is, in the order in which they began.

    Args:
        database: Knows the newest.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = database.store
        self._number = 0
        self._is_over = asyncio.Event()

    async def begin(self) -> None:
        """Begin: from now on, earlier registries can take no session.

        Raises:
            StoreUnavailable: The store did not answer. Try again.
        """
        self._number = await self._database.control.write(self._store.registry.begin_life)

    @property
    def number(self) -> int:
        """Its place in that order, with which sessions are taken; 0 before it begins."""
        return self._number

    def end(self) -> None:
        """Take note that another registry has begun."""
        self._is_over.set()

    async def ended(self) -> None:
        """Return when another registry has begun."""
        while not self._is_over.is_set():
            try:
                async with asyncio.timeout(CHECK_EVERY_S):
                    await self._is_over.wait()
            except TimeoutError:
                await self._check()

    async def _check(self) -> None:
        try:
            newest = await self._database.control.read(self._store.registry.newest_life)
        except EverrunsError as error:
            log.warning("newest registry not known", error=error_kind(error))
            return
        if newest > self._number:
            self.end()
