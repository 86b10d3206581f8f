"""Places for asking other services, so that only some of them are asked at a time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from everruns.errors import Overloaded


class Places:
    """A number of places.

    Args:
        count: How many there are.
        asked: Who is asked, in the plural; for messages.
    """

    def __init__(self, count: int, asked: str) -> None:
        self._asked = asked
        self._free = asyncio.Semaphore(count)

    @asynccontextmanager
    async def take(self, wait_s: float = 0) -> AsyncGenerator[None]:
        """Take a place until the block ends.

        Args:
            wait_s: Seconds to wait for one.

        Raises:
            Overloaded: All are taken.
        """
        try:
            async with asyncio.timeout(wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise Overloaded(
                f"Too many {self._asked} are being asked. Try again shortly.", None, 1.0
            ) from None
        try:
            yield
        finally:
            self._free.release()
