"""Lines that outlast the process at their other end: one connection at a time, made anew.

However many calls wait for a process that is being restarted, one task looks for it, with pauses
that grow. All calls wait for its outcome and share it.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

from everruns.errors import HostLost

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
# A process that is just being started is waited for; every call has a timeout of its own besides.
CONNECT_TIMEOUT_S = 60.0


class Channel(Protocol):
    """A way to one life of a process."""

    async def call(self, request: bytes) -> bytes:
        """Return the answer to a request.

        Raises:
            ConnectionError: This life has ended. What became of the request is unknown.
        """
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class ReconnectingLine:
    """The way to a process that may be restarted; see ``actors.calls.Line``.

    Args:
        connect: Returns a channel to the process as it is now, or raises ``ConnectionError``.
        patience_s: Seconds for which it is looked for before all who wait are told that it is
            lost; with 0, it is looked for once.
    """

    def __init__(self, connect: Callable[[], Awaitable[Channel]], patience_s: float = 0) -> None:
        self._connect = connect
        self._patience_s = patience_s
        self._channel: Channel | None = None
        self._connecting: asyncio.Task[Channel] | None = None
        # Since the last call that was answered: a process that comes up only to fail again is
        # looked for as rarely as one that stays away.
        self._failures = 0

    async def call(self, request: bytes, timeout_s: float) -> bytes:
        """Return the process's answer.

        Raises:
            HostLost: It has gone or does not answer. What became of the call is unknown.
        """
        channel = self._channel
        try:
            async with asyncio.timeout(timeout_s):
                channel = channel or await self._connected()
                answer = await channel.call(request)
        except TimeoutError as error:
            raise HostLost("A part of the cluster does not answer.", None, 1.0) from error
        except ConnectionError as error:
            self._drop(channel)
            raise HostLost(
                "A part of the cluster is being restarted. Try again shortly.", None, 1.0
            ) from error
        self._failures = 0
        return answer

    def _drop(self, channel: Channel | None) -> None:
        if channel is not None and channel is self._channel:
            self._channel = None
            self._failures += 1
            channel.close()

    async def _connected(self) -> Channel:
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._look_for_it())
            # All who wait may have given up by then.
            self._connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        # One caller that gives up does not end it for the others.
        return await asyncio.shield(self._connecting)

    async def _look_for_it(self) -> Channel:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        while True:
            await asyncio.sleep(self._pause_s())
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    channel = self._channel = await self._connect()
            except (ConnectionError, TimeoutError) as error:
                self._failures += 1
                if loop.time() >= deadline:
                    raise ConnectionResetError("The process was not found.") from error
            else:
                return channel

    def _pause_s(self) -> float:
        """Return how long to wait before the next try: the first is made at once."""
        if self._failures <= 1:
            return 0.0
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures, 10))
        return pause_s * random.uniform(0.5, 1.0)  # noqa: S311
