"""Lanes: queries of one kind wait for each other, and for nothing else."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from everruns.archive.engine import answer_query
from everruns.domain.base import MIB
from everruns.errors import Overloaded
from everruns.tools.child_processes import ChildProcesses

MEMORY_BYTES = 2048 * MIB
MAX_WAITING = 8
WAIT_S = 30.0


class Lane:
    """Runs queries one after another, in a process that is replaced when it fails."""

    def __init__(self) -> None:
        self._children = ChildProcesses(1, MEMORY_BYTES)
        self._turn = asyncio.Lock()
        self._waiting = 0

    @property
    def is_used(self) -> bool:
        """Whether a query runs or waits."""
        return self._waiting > 0

    @asynccontextmanager
    async def in_turn(self) -> AsyncGenerator[None]:
        """Run the block once the queries that came before have ended; later ones wait for it.

        Raises:
            Overloaded: Too many are waiting, or they take too long.
        """
        busy = Overloaded("Too many queries are running. Try again shortly.", None, 2.0)
        if self._waiting >= MAX_WAITING:
            raise busy
        self._waiting += 1
        try:
            try:
                async with asyncio.timeout(WAIT_S):
                    await self._turn.acquire()
            except TimeoutError:
                raise busy from None
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._waiting -= 1

    async def run(self, frame: bytes, timeout_s: float) -> bytes:
        """Return what ``answer_query`` returns for a frame.

        Args:
            frame: The query and the files that it may read.
            timeout_s: Seconds after which its process is killed.

        Raises:
            ChildTimedOut: It timed out.
            ChildFailed: It used too much memory or ended its process.
        """
        return await self._children.run(answer_query, [frame], timeout_s)

    def close(self) -> None:
        """End the process."""
        self._children.close()
