"""Frames: how messages are cut out of a stream of bytes, whatever carries the stream.

A frame is a number, a length and so many bytes. The number tells which request an answer is for.
"""

import asyncio
import struct
from typing import cast

import structlog

MAX_FRAME_BYTES = 1024 * 1024 * 1024
"""A whole session's log is one message; anything longer than this is not a message of ours."""

HEADER = struct.Struct("!QI")

log = structlog.get_logger(__name__)


class Frames(asyncio.Protocol):
    """Numbered frames over a connection."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse the received bytes; hang up if they are not a message."""
        received = self._received
        received += data
        start = 0
        while len(received) >= (content := start + HEADER.size):
            number, length = HEADER.unpack_from(received, start)
            if length > MAX_FRAME_BYTES:
                log.error("message too long", size_bytes=length)
                self.transport.abort()
                return
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
            ValueError: The message is longer than ``MAX_FRAME_BYTES``.
        """
        if len(content) > MAX_FRAME_BYTES:
            raise ValueError(f"A message of {len(content)} bytes is too long.")
        if self.transport.is_closing():
            raise ConnectionResetError("The process at the other end is gone.")
        self.transport.write(HEADER.pack(number, len(content)) + content)
        await self._writable.wait()

    def pause_writing(self) -> None:
        """Make senders wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let senders continue."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        """End."""
        self._writable.set()
