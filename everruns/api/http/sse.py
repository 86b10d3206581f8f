"""Server-Sent Events: a session's batches as frames, for as long as the client listens.

Source: docs/contract.md, "Stream rules"; the WHATWG HTML standard, "Server-sent events".
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing
from typing import cast

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from everruns.api.http.auth import principal_of
from everruns.api.http.progress import SLICE_BYTES, SLICE_TIMEOUT_S, Progress, slices
from everruns.api.http.vocabulary import ShownEvent
from everruns.errors import EverrunsError
from everruns.ids import now_ms
from everruns.log import error_kind
from everruns.runtime.feed.batch import Batch

RETRY_MS = 100
# An ASGI extension of this name drops a request's connection, see ``actors.serving.connections``.
ABORT = "everruns.abort"
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}
CONNECTED = f'retry: {RETRY_MS}\nevent: connected\ndata: {{"status":"connected"}}\n\n'.encode()
HEARTBEAT = b": heartbeat\n\n"
# Heartbeats fall on multiples of this, so that a process wakes up once for those of many streams.
BEAT_S = 0.05
CONNECTION_CYCLE = "connection_cycle"
KEY_REVOKED = "key_revoked"
TOKEN_EXPIRED = "token_expired"  # noqa: S105 - no secret

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


def disconnecting(reason: str) -> bytes:
    """Return the frame that tells a reader why its stream ends."""
    data = f'{{"reason":"{reason}","retry_ms":{RETRY_MS}}}'
    return f"event: disconnecting\ndata: {data}\n\n".encode()


Ending = asyncio.Future[str]
"""Done when a stream has to end; tells why."""


class OpenStreams:
    """The streams of this process, so that a shutdown or a revoked API key can end them."""

    def __init__(self) -> None:
        self._endings: dict[Ending, str | None] = {}
        self._closed = False
        self._keys: Collection[str] | None = None

    def open(self, key_id: str | None) -> Ending:
        """Return what is done when a new stream has to end.

        Args:
            key_id: The API key that opened it, or that made the access token that did; ``None``
                if none was asked for.
        """
        ending: Ending = asyncio.get_running_loop().create_future()
        self._endings[ending] = key_id
        self._end_if_due(ending, key_id)
        return ending

    def leave(self, ending: Ending) -> None:
        """Forget a stream that has ended."""
        del self._endings[ending]

    def close(self) -> None:
        """Ask the reader of every stream, now and later, to connect anew."""
        self._closed = True
        self._end_what_is_due()

    def keep_only(self, keys: Collection[str]) -> None:
        """End every stream, now and later, that was opened with none of these API keys."""
        self._keys = keys
        self._end_what_is_due()

    def _end_what_is_due(self) -> None:
        for ending, key_id in self._endings.items():
            self._end_if_due(ending, key_id)

    def _end_if_due(self, ending: Ending, key_id: str | None) -> None:
        is_revoked = key_id is not None and self._keys is not None and key_id not in self._keys
        if is_revoked:
            _end(ending, KEY_REVOKED)
        elif self._closed:
            _end(ending, CONNECTION_CYCLE)

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
        frames_of: Turns a batch into frames; nothing is sent for what it leaves out.
        open_streams: The streams of this process.
        heartbeat_s: Seconds of silence after which a comment is sent.
        cycle_s: Seconds after which the client is asked to connect anew.
    """

    def __init__(
        self,
        batches: AsyncIterator[Batch],
        frames_of: Callable[[Batch], Sequence[bytes]],
        open_streams: OpenStreams,
        *,
        heartbeat_s: float,
        cycle_s: float,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(HEADERS)
        self._batches = cast("AsyncGenerator[Batch]", batches)
        self._frames_of = frames_of
        self._open_streams = open_streams
        self._heartbeat_s = heartbeat_s
        self._cycle_s = cycle_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the session is deleted, the client leaves, or it has to connect anew."""
        principal = principal_of(scope)
        ending = self._open_streams.open(principal.key_id)
        later = asyncio.get_running_loop().call_later
        cycle = later(self._cycle_s, _end, ending, CONNECTION_CYCLE)
        if principal.expires_ms is not None:
            left_s = max(0, principal.expires_ms - now_ms()) / 1000
            if left_s < self._cycle_s:
                cycle.cancel()
                cycle = later(left_s, _end, ending, TOKEN_EXPIRED)
        gone = asyncio.create_task(_disconnect(receive))
        try:
            async with aclosing(self._batches):
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                await self._write(Outlet(send), gone, ending)
        except (OSError, TimeoutError):
            # It gets no last word: that would wait behind all that it has not taken.
            log.info("stream ended for a reader that does not read")
            abort_connection(scope)
        finally:
            gone.cancel()
            cycle.cancel()
            self._open_streams.leave(ending)

    async def _write(self, outlet: "Outlet", gone: asyncio.Task[None], ending: Ending) -> None:
        await outlet.write_in_time([CONNECTED])
        writing = asyncio.create_task(self._write_batches(outlet, ending))
        try:
            await self._watch(writing, outlet, gone, ending)
        except EverrunsError as error:
            log.warning("stream broke off", error=error_kind(error))
            _end(ending, CONNECTION_CYCLE)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        if gone.done():
            return
        if ending.done():
            await outlet.write_in_time([disconnecting(ending.result())])
        await outlet.end()

    async def _write_batches(self, outlet: "Outlet", ending: Ending) -> None:
        async for batch in self._batches:
            await outlet.write(self._frames_of(batch))
            # A reader that takes nothing holds one batch and no more; one that waits holds none.
            del batch
            if ending.done():
                return

    async def _watch(
        self,
        writing: asyncio.Task[None],
        outlet: "Outlet",
        gone: asyncio.Task[None],
        ending: Ending,
    ) -> None:
        """Return when nothing more is to be written; send heartbeats until then.

        One task watches what another writes, so that a batch costs no task and no timer, and a
        silent stream only a timer for each heartbeat.

        Raises:
            TimeoutError: The reader takes too little.
        """
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        for future in (writing, gone, ending):
            future.add_done_callback(lambda _: woken.set())
        # A batch that has been begun is written to its end, so that no frame is cut off.
        while outlet.is_writing or not ending.done():
            if outlet.is_writing:
                due_at = outlet.progressed_at + SLICE_TIMEOUT_S
            else:
                due_at = self._heartbeat_at(outlet)
            # A slice that begins meanwhile is due no earlier.
            timer = loop.call_at(min(due_at, loop.time() + SLICE_TIMEOUT_S), woken.set)
            try:
                await woken.wait()
            finally:
                timer.cancel()
            woken.clear()
            if gone.done():
                return
            if writing.done():
                writing.result()
                return
            if outlet.is_writing:
                if loop.time() >= outlet.progressed_at + SLICE_TIMEOUT_S:
                    raise TimeoutError("The reader took no slice in time.")
            # Send heartbeats even when a filter drops every event.
            elif loop.time() >= self._heartbeat_at(outlet):
                await outlet.write_in_time([HEARTBEAT])

    def _heartbeat_at(self, outlet: "Outlet") -> float:
        """Return the loop time of the next heartbeat, if nothing else is written before."""
        due_at = outlet.written_at + self._heartbeat_s
        return due_at - due_at % min(BEAT_S, self._heartbeat_s / 4)


class Outlet:
    """The way to a reader, which takes what is sent as fast as it reads.

    Attributes:
        progressed_at: Loop time at which the last slice was begun.
        written_at: Loop time at which the reader had taken what was written last.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._now = asyncio.get_running_loop().time
        self._progress = Progress()
        self._lock = asyncio.Lock()
        self.progressed_at = self.written_at = self._now()

    @property
    def is_writing(self) -> bool:
        """Whether frames are being written."""
        return self._lock.locked()

    async def write(self, frames: Sequence[bytes]) -> None:
        """Send frames, in slices of which the next waits until there is room for it.

        Raises:
            TimeoutError: The reader takes too little.
        """
        async with self._lock:
            written = 0
            for part in slices(frames):
                await self._write(part)
                written += len(part)
            if written >= SLICE_BYTES:
                # A server lets this through when it has passed on most of what came before.
                await self._write(b"")
            if written:
                self.written_at = self._now()

    async def write_in_time(self, frames: Sequence[bytes]) -> None:
        """Send frames that nobody watches.

        Raises:
            TimeoutError: The reader takes too little.
        """
        async with asyncio.timeout(SLICE_TIMEOUT_S):
            await self.write(frames)

    async def end(self) -> None:
        """End the response."""
        async with asyncio.timeout(SLICE_TIMEOUT_S):
            await self._write(b"", more=False)

    async def _write(self, part: bytes, *, more: bool = True) -> None:
        self.progressed_at = began = self._now()
        await self._send({"type": "http.response.body", "body": part, "more_body": more})
        if not self._progress.keeps_up(len(part), self._now() - began):
            raise TimeoutError("The reader takes too little.")


def abort_connection(scope: Scope) -> None:
    """Drop the connection with all that waits in it, where the server offers that.

    A server that does not closes it, and that waits until the reader has taken the rest.
    """
    abort = scope.get("extensions", {}).get(ABORT)
    if abort is not None:
        abort()


def _end(ending: Ending, reason: str) -> None:
    if not ending.done():
        ending.set_result(reason)


async def _disconnect(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
