"""Server-Sent Events: a session's batches as frames, for as long as the client listens.

Source: docs/contract.md, "Stream rules"; the WHATWG HTML standard, "Server-sent events".
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import cast

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from everruns.api.vocabulary import ShownEvent
from everruns.errors import EverrunsError
from everruns.runtime.streams import Batch

RETRY_MS = 100
SEND_PATIENCE_S = 30.0
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}
CONNECTED = f'retry: {RETRY_MS}\nevent: connected\ndata: {{"status":"connected"}}\n\n'.encode()
HEARTBEAT = b": heartbeat\n\n"
DISCONNECTING = (
    "event: disconnecting\n"
    f'data: {{"reason":"connection_cycle","retry_ms":{RETRY_MS}}}\n\n'.encode()
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def frame(event: ShownEvent) -> bytes:
    """Return an event as a frame; one that only passes by has no id to resume from."""
    if event.id is None:
        return b"event: %b\ndata: %b\n\n" % (event.type.encode(), event.body)
    return b"event: %b\nid: %b\ndata: %b\n\n" % (
        event.type.encode(),
        event.id.encode(),
        event.body,
    )


class OpenStreams:
    """The streams of this process, so that a shutdown can send their readers elsewhere."""

    def __init__(self) -> None:
        self._endings: set[asyncio.Event] = set()
        self._closed = False

    def open(self) -> asyncio.Event:
        """Return what is set when a new stream has to end."""
        ending = asyncio.Event()
        if self._closed:
            ending.set()
        self._endings.add(ending)
        return ending

    def leave(self, ending: asyncio.Event) -> None:
        """Forget a stream that has ended."""
        self._endings.discard(ending)

    def close(self) -> None:
        """Ask the reader of every stream, now and later, to connect anew."""
        self._closed = True
        for ending in self._endings:
            ending.set()

    def __len__(self) -> int:
        return len(self._endings)


class StreamHeaders(Response):
    """The headers of a stream, and no stream: the answer to HEAD."""

    def __init__(self) -> None:
        super().__init__(headers=HEADERS)
        # That of an empty body, which a stream has not.
        del self.headers["content-length"]


class EventStream(Response):
    """A response that lasts.

    Args:
        batches: What there is to send, as it comes; closed when the client has gone.
        encode: Turns a batch into frames; nothing is sent for what it leaves out.
        open_streams: The streams of this process.
        heartbeat_s: Seconds of silence after which a comment is sent.
        cycle_s: Seconds after which the client is asked to connect anew.
    """

    def __init__(
        self,
        batches: AsyncIterator[Batch],
        encode: Callable[[Batch], bytes],
        open_streams: OpenStreams,
        *,
        heartbeat_s: float,
        cycle_s: float,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(HEADERS)
        self._batches = cast("AsyncGenerator[Batch]", batches)
        self._encode = encode
        self._open_streams = open_streams
        self._heartbeat_s = heartbeat_s
        self._cycle_s = cycle_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the session is deleted, the client leaves, or it has to connect anew."""
        ending = self._open_streams.open()
        gone = asyncio.create_task(_disconnect(receive))
        ends = asyncio.create_task(ending.wait())
        try:
            async with aclosing(self._batches):
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                await self._write(send, gone, ends)
        except (OSError, TimeoutError):
            log.debug("stream reader lost", path=scope["path"])
        finally:
            gone.cancel()
            ends.cancel()
            self._open_streams.leave(ending)

    async def _write(self, send: Send, gone: asyncio.Task[None], ends: asyncio.Task[bool]) -> None:
        now = asyncio.get_running_loop().time
        cycles_at = now() + self._cycle_s
        await _send(send, CONNECTED)
        beats_at = now() + self._heartbeat_s
        batch = asyncio.ensure_future(anext(self._batches, None))
        try:
            while True:
                timeout = max(0.0, min(beats_at, cycles_at) - now())
                await asyncio.wait(
                    {batch, gone, ends},
                    timeout=timeout,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if gone.done():
                    return
                if ends.done() or now() >= cycles_at:
                    break
                if batch.done():
                    items = batch.result()
                    if items is None:
                        await _send(send, b"", more=False)
                        return
                    chunk = self._encode(items)
                    batch = asyncio.ensure_future(anext(self._batches, None))
                else:
                    # Also when a filter keeps back all that comes: the client hears nothing.
                    chunk = HEARTBEAT if now() >= beats_at else b""
                if chunk:
                    await _send(send, chunk)
                    beats_at = now() + self._heartbeat_s
        except EverrunsError as error:
            log.warning("stream broke off", code=error.code)
        finally:
            batch.cancel()
            await asyncio.wait({batch})
        await _send(send, DISCONNECTING)
        await _send(send, b"", more=False)


async def _send(send: Send, chunk: bytes, *, more: bool = True) -> None:
    """Send a chunk; a client that reads nothing for long is given up."""
    async with asyncio.timeout(SEND_PATIENCE_S):
        await send({"type": "http.response.body", "body": chunk, "more_body": more})


async def _disconnect(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
