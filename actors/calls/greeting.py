"""The first bytes of a connection, before either end has proved who it is."""

import asyncio
from errno import ECONNREFUSED, ECONNRESET
from typing import cast

from actors.calls.frames import Frames

# More than either end ever says before it is answered.
MAX_BYTES = 256


class Greeting(asyncio.Protocol):
    """Takes what the other end says in exact portions; hangs up on one that says too much.

    Attributes:
        transport: The connection.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._received = bytearray()
        self._changed = asyncio.Event()
        self._has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what the other end says."""
        self._received += data
        if len(self._received) > MAX_BYTES:
            self.transport.abort()
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        """End."""
        self._has_ended = True
        self._changed.set()

    def send(self, content: bytes) -> None:
        """Say something."""
        self.transport.write(content)

    async def receive(self, size_bytes: int) -> bytes:
        """Return the next words of the other end, which are so many bytes.

        Raises:
            ConnectionError: It hung up, or said more before it was answered.
        """
        while len(self._received) < size_bytes:
            self._check_open()
            self._changed.clear()
            await self._changed.wait()
        words = bytes(self._received[:size_bytes])
        del self._received[:size_bytes]
        self._check_silent()
        return words

    def hand_over(self, connection: Frames) -> None:
        """Let the connection begin: what the other end says from now on is a frame.

        Raises:
            ConnectionError: It hung up, or said more before it was answered.
        """
        self._check_open()
        self._check_silent()
        self.transport.set_protocol(connection)
        connection.connection_made(self.transport)

    def _check_open(self) -> None:
        if self._has_ended:
            raise ConnectionResetError(ECONNRESET, "The process at the other end hung up.")

    def _check_silent(self) -> None:
        if self._received:
            raise ConnectionRefusedError(
                ECONNREFUSED, "The process at the other end spoke out of turn."
            )
