"""Channels that survive restarts of the process at their other end, by reconnecting.

However many calls wait for a process that is being restarted, one task looks for it, with growing
delays. All calls share its outcome.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

from everruns.errors import HostLost
from everruns.log import no_ids

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
# Calls wait for a process that is starting; each call also has its own timeout.
CONNECT_TIMEOUT_S = 60.0


class Connection(Protocol):
    """A connection to one life of a process."""

    async def call(self, request: bytes) -> bytes:
        """Return the answer to a request.

        Raises:
            ConnectionError: This life has ended. The request's outcome is unknown.
        """
        ...

    def close(self) -> None:
        """Release its resources."""
        ...


class ReconnectingChannel:
    """The way to a process that may be restarted; see ``actors.calls.stub.Channel``.

    Args:
        connect: Returns a connection to the process as it is now, or raises ``ConnectionError``.
        patience_s: Seconds to look for the process before pending calls fail with ``HostLost``;
            with 0, it is looked for once.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], patience_s: float = 0) -> None:
        self._connect = connect
        self._patience_s = patience_s
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        # Since the last call that was answered: a process that comes up only to fail again is
        # looked for as rarely as one that stays away.
        self._failures = 0

    async def call(self, request: bytes, timeout_s: float) -> bytes:
        """Return the process's answer.

        Raises:
            HostLost: It is gone or does not answer. The call's outcome is unknown.
        """
        connection = self._connection
        try:
            if connection is None:
                async with asyncio.timeout(max(timeout_s, self._patience_s)):
                    connection = await self._connected()
            async with asyncio.timeout(timeout_s):
                answer = await connection.call(request)
        except TimeoutError as error:
            raise HostLost("A part of the cluster does not answer.", None, 1.0) from error
        except ConnectionError as error:
            self._drop(connection)
            raise HostLost(
                "A part of the cluster is being restarted. Try again shortly.", None, 1.0
            ) from error
        self._failures = 0
        return answer

    def _drop(self, connection: Connection | None) -> None:
        if connection is not None and connection is self._connection:
            self._connection = None
            self._failures += 1
            connection.close()

    async def _connected(self) -> Connection:
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._look_for_it(), context=no_ids())
            # All waiting callers may have given up by then.
            self._connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        # One caller that gives up does not end it for the others.
        return await asyncio.shield(self._connecting)

    async def _look_for_it(self) -> Connection:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        while True:
            await asyncio.sleep(self._pause_s())
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    connection = self._connection = await self._connect()
            except (ConnectionError, TimeoutError) as error:
                self._failures += 1
                if loop.time() >= deadline:
                    raise ConnectionResetError("The process was not found.") from error
            else:
                return connection

    def _pause_s(self) -> float:
        """Return the delay before the next attempt; the first has none."""
        if self._failures <= 1:
            return 0.0
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures, 10))
        return pause_s * random.uniform(0.5, 1.0)  # noqa: S311
