"""Readers of event streams that cost next to nothing: what arrives is kept and read afterwards."""

import asyncio
import resource
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from urllib.parse import urlsplit

import orjson

from bench.limits.asking import Client
from bench.peers.wires import parts_of

OPENING_AT_ONCE = 64
OPENED_WITHIN_S = 60.0
ALL_WITHIN_S = 300.0
BEGIN_WITHIN_S = 1.0
GRANTED = b"HTTP/1.1 200 "
ENDS = (b"event: session.completed", b"event: session.failed", b"event: session.cancelled")
# The end of a turn may arrive in two parts.
TAIL_BYTES = max(map(len, ENDS))


@dataclass(frozen=True)
class Frame:
    """One frame of an event stream.

    Attributes:
        at: When it arrived.
        kind: Its type; a comment has none.
        data: Its data.
    """

    at: float
    kind: bytes
    data: bytes


class Stream(asyncio.Protocol):
    """The connection of one event stream.

    Args:
        request: What is sent to open it.

    Attributes:
        opened: Done when the server has begun to answer.
        over: Done when a turn has ended, or the stream.
    """

    def __init__(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()
        self._request = request
        self._received: list[tuple[float, bytes]] = []
        self._transport: asyncio.BaseTransport | None = None
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream. See ``asyncio.Protocol``."""
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Keep what arrives. See ``asyncio.Protocol``."""
        self._received.append((time.perf_counter(), data))
        found = self._tail + data
        if not self.opened.done() and len(found) >= len(GRANTED):
            if found.startswith(GRANTED):
                self.opened.set_result(None)
            else:
                self.opened.set_exception(RuntimeError(f"No stream: {found[:500].decode()}"))
        if not self.over.done() and any(end in found for end in ENDS):
            self.over.set_result(None)
        self._tail = found[-TAIL_BYTES:]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Let nobody wait any longer. See ``asyncio.Protocol``."""
        for waited in (self.opened, self.over):
            if not waited.done():
                waited.set_result(None)

    def close(self) -> None:
        """Leave the stream."""
        if self._transport is not None:
            self._transport.close()

    def frames(self) -> Iterator[Frame]:
        """Read what has arrived so far."""
        received = b"".join(data for _, data in self._received)
        ends = list(accumulate(len(data) for _, data in self._received))
        head, _, _ = received.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" not in head.lower():
            raise RuntimeError(f"The stream is not sent in chunks: {head.decode()}")
        place, rest = len(head) + 4, b""
        while (line_end := received.find(b"\r\n", place)) >= 0:
            begin = line_end + 2
            end = begin + int(received[place:line_end], 16)
            if end > len(received):
                return
            at = self._received[bisect_left(ends, end)][0]
            *whole, rest = (rest + received[begin:end]).split(b"\n\n")
            for frame in whole:
                yield Frame(at, *parts_of(frame))
            place = end + 2


@dataclass(frozen=True)
class Heard:
    """What a reader heard of one turn; times are in seconds of one clock.

    Attributes:
        sent: When its message was sent.
        first_event: When its first event arrived.
        words: When text arrived.
        text: The whole answer.
    """

    sent: float
    first_event: float
    words: Sequence[float]
    text: str

    @property
    def first_event_ms(self) -> float:
        """Milliseconds from sending the message to the first event."""
        return (self.first_event - self.sent) * 1000

    @property
    def gaps_ms(self) -> list[float]:
        """Milliseconds between one piece of the answer and the next."""
        return [(later - earlier) * 1000 for earlier, later in pairwise(self.words)]


@asynccontextmanager
async def streams_of(address: str, session_ids: Sequence[str]) -> AsyncIterator[list[Stream]]:
    """Open a stream of each session; a session that is named twice gets two."""
    free = asyncio.Semaphore(OPENING_AT_ONCE)
    opened: list[Stream] = []

    async def begin(session_id: str) -> Stream:
        async with free, asyncio.timeout(OPENED_WITHIN_S):
            stream = await _open(address, session_id)
            opened.append(stream)
            await stream.opened
            return stream

    try:
        yield list(await asyncio.gather(*map(begin, session_ids)))
    finally:
        for stream in opened:
            stream.close()


async def _open(address: str, session_id: str) -> Stream:
    parts = urlsplit(address)
    lines = (f"GET /v1/sessions/{session_id}/events HTTP/1.1", f"Host: {parts.netloc}", "", "")
    request = "\r\n".join(lines).encode()
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_connection(lambda: Stream(request), parts.hostname, parts.port)
    return stream


async def hear_turns(
    address: str, client: Client, session_ids: Sequence[str], text: str
) -> list[Heard]:
    """Take one turn in each session, all begun within a second, with a stream held open for each.

    Args:
        address: The server.
        client: What sends the messages.
        session_ids: Sessions without a turn so far.
        text: What every answer must be.

    Raises:
        RuntimeError: An answer is another.
    """
    async with streams_of(address, session_ids) as streams:

        async def begin(place: int, session_id: str) -> float:
            await asyncio.sleep(place * BEGIN_WITHIN_S / len(session_ids))
            sent = time.perf_counter()
            await client.send(session_id)
            return sent

        async with asyncio.timeout(ALL_WITHIN_S):
            sent = await asyncio.gather(*map(begin, range(len(session_ids)), session_ids))
            await asyncio.gather(*(stream.over for stream in streams))
    heard = [_heard(*each) for each in zip(sent, streams, strict=True)]
    for one in heard:
        if one.text != text:
            raise RuntimeError(f"An answer has {len(one.text)} characters, not {len(text)}.")
    return heard


def _heard(sent: float, stream: Stream) -> Heard:
    first, text, words = 0.0, "", list[float]()
    for frame in stream.frames():
        if not frame.data or frame.kind == b"connected":
            continue
        first = first or frame.at
        more = ""
        if frame.kind == b"message.delta":
            event = orjson.loads(frame.data)["data"]
            # The rule of the contract: an offset may point into what was shown already.
            more = event["delta"][len(text) - event["offset"] :]
        elif frame.kind == b"message.created":
            message = orjson.loads(frame.data)["data"]["message"]
            if message["role"] == "agent":
                more = message["content"][0]["text"][len(text) :]
        if more:
            text += more
            words.append(frame.at)
    return Heard(sent, first, words, text)


def allow_many_connections() -> None:
    """Let this process, and the servers that it starts, open as many files as they may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
