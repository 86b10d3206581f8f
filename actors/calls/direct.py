"""Direct calls: requests to an actor on the same machine, over its own socket.

A call through Ray costs both processes together more than a millisecond of CPU and the same
latency; over a socket it costs a tenth. Ray locates and restarts the actor; the requests of every
turn bypass Ray.

Access is checked three times: by the socket's folder (``actors.calls.socket_files``), by the user
of the process at the other end, and by a secret (``actors.calls.handshake``). Only then is anything
decoded.
This module does not use Ray, so that a command without a cluster can call an actor too.
"""

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from weakref import WeakSet

import structlog

from actors.calls import socket_files
from actors.calls.frames import Frames
from actors.calls.handshake import authenticate_client, authenticate_server, new_secret

MAX_WAITING = 10_000
BACKLOG = 1000
MAX_UNAUTHENTICATED = 64
HANDSHAKE_TIMEOUT_S = 5.0
ACCEPT_RETRY_S = 0.5

Respond = Callable[[bytes], Awaitable[bytes]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Address:
    """The address of a ``DirectServer`` and the secret that admits callers.

    Attributes:
        path: The file of its socket.
        secret: The secret that both ends of a connection prove to know; new for each server.
    """

    path: Path
    secret: bytes = field(repr=False)


class DirectServer:
    """Takes requests from processes of this machine and this user that know the secret.

    Args:
        respond: Returns the answer to a request; may not raise.
    """

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._address: Address | None = None
        self._listening: socket.socket | None = None
        self._opening = asyncio.Lock()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._connections: WeakSet[ServerConnection] = WeakSet()

    async def address(self) -> Address:
        """Start to listen and return the address.

        Raises:
            OSError: The socket cannot be created.
        """
        async with self._opening:
            if self._address is None:
                self._listening, path = await asyncio.to_thread(socket_files.listen, BACKLOG)
                self._address = Address(path, new_secret())
                self._wait_for_clients()
        return self._address

    async def close(self) -> None:
        """Accept no more connections, and close the existing ones."""
        if self._address is None or self._listening is None:
            return
        asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.close()
        self._listening = None
        for handshake in self._handshakes:
            handshake.cancel()
        await asyncio.gather(*self._handshakes, return_exceptions=True)
        for connection in self._connections:
            connection.transport.abort()
        await asyncio.sleep(0)  # The event loop closes their sockets in its next round.
        socket_files.remove(self._address.path)

    def _wait_for_clients(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().add_reader(self._listening, self._accept, self._listening)

    def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            client, _ = listening.accept()
        except BlockingIOError:
            return  # The client has disconnected again.
        except OSError as error:  # For example, too many files are open.
            log.warning("connection not accepted", error=str(error))
            loop.remove_reader(listening)
            loop.call_later(ACCEPT_RETRY_S, self._wait_for_clients)
            return
        client.setblocking(False)
        handshake = asyncio.create_task(self._admit(client))
        self._handshakes.add(handshake)
        handshake.add_done_callback(partial(self._handshake_done, client))
        # Unauthenticated connections share a few places, each for seconds.
        if len(self._handshakes) >= MAX_UNAUTHENTICATED:
            loop.remove_reader(listening)

    async def _admit(self, client: socket.socket) -> None:
        assert self._address is not None  # noqa: S101
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await authenticate_client(client, self._address.secret)
            loop = asyncio.get_running_loop()
            _, connection = await loop.connect_accepted_socket(
                lambda: ServerConnection(self._respond), client
            )
            self._connections.add(connection)
        except OSError as error:
            log.info("connection refused", error=str(error))
            client.close()

    def _handshake_done(self, client: socket.socket, handshake: asyncio.Task[None]) -> None:
        if handshake.cancelled():
            client.close()
        self._handshakes.discard(handshake)
        self._wait_for_clients()


class ServerConnection(Frames):
    """The server's end of one connection."""

    def __init__(self, respond: Respond) -> None:
        super().__init__()
        self._respond = respond
        self._tasks: set[asyncio.Task[None]] = set()

    def message_received(self, number: int, content: bytes) -> None:
        """Carry out a request; stop reading while too many are running."""
        task = asyncio.create_task(self._carry_out(number, content))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        if len(self._tasks) >= MAX_WAITING:
            self.transport.pause_reading()

    async def _carry_out(self, number: int, request: bytes) -> None:
        try:
            answer = await self._respond(request)
            # The request is carried out even if the caller has disconnected.
            if not self.transport.is_closing():
                await self.send(number, answer)
        except Exception:
            # The caller must learn that there will be no answer.
            log.exception("direct call not answered")
            self.transport.abort()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if len(self._tasks) < MAX_WAITING and not self.transport.is_closing():
            self.transport.resume_reading()


class DirectConnection(Frames):
    """A connection to a ``DirectServer``, for any number of requests at once.

    Made by ``connect``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}

    @classmethod
    async def connect(cls, address: Address) -> "DirectConnection":
        """Connect to the server at this address.

        Raises:
            OSError: The server does not exist, belongs to another user, does not know the secret
                or is too busy to answer.
        """
        server = socket_files.connect(address.path)
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await authenticate_server(server, address.secret)
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_unix_connection(cls, sock=server)
        except BaseException:
            server.close()
            raise
        _open.add(connection)
        return connection

    async def call(self, request: bytes) -> bytes:
        """Return the answer to a request.

        Raises:
            ConnectionError: The other process has ended. The request's outcome is unknown.
            ValueError: The request is too long to be sent.
        """
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self.send(number, request)
            return await answer
        finally:
            del self._waiting[number]

    def close(self) -> None:
        """Hang up; pending calls fail."""
        self.transport.abort()

    def message_received(self, number: int, content: bytes) -> None:
        """Deliver an answer to its pending call, whose caller may have given up."""
        answer = self._waiting.get(number)
        if answer is not None and not answer.done():
            answer.set_result(content)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail all pending calls."""
        super().connection_lost(exc)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("The process at the other end is gone."))


_open: WeakSet[DirectConnection] = WeakSet()


async def hang_up() -> None:
    """Close every connection that was made on the running event loop, before that ends."""
    loop = asyncio.get_running_loop()
    for connection in [connection for connection in _open if connection.loop is loop]:
        connection.close()
    await asyncio.sleep(0)  # The event loop closes their sockets in its next round.
