"""A listening socket, and the connections that have not proved yet who they are."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from everruns.log import error_kind, no_ids

# They cost memory and, on the network, the work of a TLS handshake.
MAX_UNAUTHENTICATED = 128
HANDSHAKE_TIMEOUT_S = 5.0
ACCEPT_RETRY_S = 0.5
BACKLOG = 1000
# So that strangers cannot fill the log.
LOG_EVERY_S = 10.0

Admit = Callable[[socket.socket], Awaitable[None]]

log = structlog.get_logger(__name__)


class Listener:
    """Accepts connections and lets them prove who they are, in a bounded time.

    Strangers can keep nobody out: when too many connections have proved nothing yet, the oldest is
    hung up on.

    Args:
        listening: A listening, non-blocking socket; closed with the listener.
        admit: Lets a client in, and owns its socket from then on. If it raises ``OSError``, the
            client was refused.
    """

    def __init__(self, listening: socket.socket, admit: Admit) -> None:
        self._listening = listening
        self._admit = admit
        # The oldest first.
        self._handshakes: dict[asyncio.Task[None], None] = {}
        self._is_open = True
        self._quiet_until = 0.0
        self._unlogged = 0
        no_ids().run(self._wait_for_clients)

    async def close(self) -> None:
        """Accept no more connections, and hang up on those that have proved nothing."""
        self._is_open = False
        asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.close()
        handshakes = list(self._handshakes)
        for handshake in handshakes:
            handshake.cancel()
        await asyncio.gather(*handshakes, return_exceptions=True)

    def _wait_for_clients(self) -> None:
        if self._is_open:
            asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            client, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # The client has disconnected again.
        except OSError as error:  # For example, too many files are open.
            log.warning("connection not accepted", error=error_kind(error))
            loop.remove_reader(self._listening)
            loop.call_later(ACCEPT_RETRY_S, self._wait_for_clients)
            return
        client.setblocking(False)
        handshake = asyncio.create_task(self._greet(client))
        self._handshakes[handshake] = None
        handshake.add_done_callback(partial(self._done, client))
        if len(self._handshakes) > MAX_UNAUTHENTICATED:
            oldest = next(iter(self._handshakes))
            del self._handshakes[oldest]
            oldest.cancel()

    async def _greet(self, client: socket.socket) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await self._admit(client)
        except OSError as error:
            self._log_refused(error)
            client.close()

    def _log_refused(self, error: OSError) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._quiet_until:
            self._unlogged += 1
            return
        log.info("connection refused", error=error_kind(error), unlogged_before=self._unlogged)
        self._quiet_until, self._unlogged = now + LOG_EVERY_S, 0

    def _done(self, client: socket.socket, handshake: asyncio.Task[None]) -> None:
        if handshake.cancelled():
            client.close()
        self._handshakes.pop(handshake, None)
