"""How long a call may take: the time stands still while it waits for the user."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


class CallTime:
    """The time that a call has left.

    Args:
        limit_s: Seconds that it may take in all.
    """

    def __init__(self, limit_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + limit_s
        self._left_s = limit_s
        self._stops = 0
        self._moves: asyncio.Future[None] = self._loop.create_future()

    @contextmanager
    def standing_still(self) -> Generator[None]:
        """Let no time pass while the context is open."""
        if not self._stops:
            self._left_s = self._deadline - self._loop.time()
            self._moves = self._loop.create_future()
        self._stops += 1
        try:
            yield
        finally:
            self._stops -= 1
            if not self._stops:
                self._deadline = self._loop.time() + self._left_s
                self._moves.set_result(None)

    async def wait_for(self, running: asyncio.Future[Any]) -> None:
        """Return when something is done or the time is over."""
        while not running.done():
            if self._stops:
                both = {running, self._moves}
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            elif (left_s := self._deadline - self._loop.time()) > 0:
                await asyncio.wait({running}, timeout=left_s)
            else:
                return
