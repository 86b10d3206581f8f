"""Direct calls: requests to an actor on the same machine, over a socket of its own.

A call through Ray costs the two processes together more than a millisecond of CPU, and as much of
waiting; over a socket it is a tenth. Ray finds the actor and restarts it; the requests of every
turn go past it.

The sockets have names in Linux's abstract namespace: there is no file to guard or to leave behind.
Both ends talk only to processes of their own user, since what they send is unpickled.
"""

import asyncio
import itertools
import os
import secrets
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from typing import cast

import structlog

MAX_WAITING = 10_000
BACKLOG = 1000
HEADER = struct.Struct("!QI")
CREDENTIALS = struct.Struct("3i")

Answer = Callable[[bytes], Awaitable[bytes]]

log = structlog.get_logger(__name__)


class Frames(asyncio.Protocol):
    """Numbered messages over a connection; each is a number, a length and so many bytes."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived apart."""
        received = self._received
        received += data
        start = 0
        while len(received) >= (content := start + HEADER.size):
            number, length = HEADER.unpack_from(received, start)
            if len(received) < content + length:
                break
            start = content + length
            self.message_received(number, bytes(received[content:start]))
        del received[:start]

    def message_received(self, number: int, content: bytes) -> None:
        """Take a message."""
        raise NotImplementedError

    async def send(self, number: int, content: bytes) -> None:
        """Send a message, waiting while the other end is slow to read.

        Raises:
            ConnectionError: The other process has gone.
        """
        if self.transport.is_closing():
            raise ConnectionResetError("The process at the other end has gone.")
        self.transport.write(HEADER.pack(number, len(content)) + content)
        await self._writable.wait()

    def pause_writing(self) -> None:
        """Let senders wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let senders go on."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        """End."""
        self._writable.set()


class DirectServer:
    """Takes requests from processes of this machine and this user.

    Args:
        answer: Returns the answer to a request; may not raise.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._name: str | None = None
        self._opening = asyncio.Lock()
        self._server: asyncio.Server | None = None

    async def address(self) -> str | None:
        """Return the name of the socket, listening from now on; ``None`` where there is none."""
        if sys.platform != "linux":
            return None
        async with self._opening:
            if self._name is None:
                name = f"\0everruns-{secrets.token_hex(16)}"
                listening = _socket()
                listening.bind(name)
                loop = asyncio.get_running_loop()
                self._server = await loop.create_unix_server(
                    lambda: Asked(self._answer), sock=listening, backlog=BACKLOG
                )
                self._name = name
        return self._name

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()


class Asked(Frames):
    """The server's end of one connection."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hang up on other users."""
        super().connection_made(transport)
        if not _is_own_user(transport.get_extra_info("socket")):
            self.transport.abort()

    def message_received(self, number: int, content: bytes) -> None:
        """Carry out a request; read no further ones while too many are under way."""
        task = asyncio.create_task(self._carry_out(number, content))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        if len(self._tasks) >= MAX_WAITING:
            self.transport.pause_reading()

    async def _carry_out(self, number: int, request: bytes) -> None:
        try:
            answer = await self._answer(request)
            if not self.transport.is_closing():  # Else who asked has gone; what was asked is done.
                await self.send(number, answer)
        except Exception:
            # Whoever waits for the answer learns so that there will be none.
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
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}

    @classmethod
    async def connect(cls, address: str) -> "DirectConnection":
        """Connect to the server of this name.

        Raises:
            OSError: There is none, it is another user's, or too many connect to it just now.
        """
        connected = _socket()
        try:
            connected.connect(address)
            if not _is_own_user(connected):
                raise ConnectionRefusedError("The process at the other end is another user's.")
        except OSError:
            connected.close()
            raise
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(cls, sock=connected)
        return connection

    async def call(self, request: bytes) -> bytes:
        """Return the answer to a request.

        Raises:
            ConnectionError: The other process has ended. What became of the request is unknown.
        """
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self.send(number, request)
            return await answer
        finally:
            del self._waiting[number]

    def message_received(self, number: int, content: bytes) -> None:
        """Hand an answer to who waits for it; who asked may have given up by now."""
        answer = self._waiting.get(number)
        if answer is not None and not answer.done():
            answer.set_result(content)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait that there will be no answer."""
        super().connection_lost(exc)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("The process at the other end has gone."))


def _socket() -> socket.socket:
    # Made here, since uvloop knows no abstract names. A local connection is there at once.
    made = socket.socket(socket.AF_UNIX)
    made.setblocking(False)
    return made


def _is_own_user(connected: socket.socket) -> bool:
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    _, user, _ = CREDENTIALS.unpack(credentials)
    return user == os.getuid()
