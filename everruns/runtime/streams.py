"""Streams at the edge: one reading loop for each session host, shared by all its readers.

Nothing is queued for a reader. A stream that has handed its last batch on is hungry; the loop asks
the host, in one call, for what all hungry streams have not seen. A slow reader is asked about less
often and gets more at once.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import structlog

from everruns.domain.events import Delta, Event
from everruns.errors import EverrunsError, NotFound, Unavailable
from everruns.ids import new_id
from everruns.runtime.cursor import Cursor, Reading, Want
from everruns.runtime.host import SessionHost

READ_WAIT_S = 10.0
RETRY_S = 0.1

Batch = Sequence[Event | Delta]
FindHost = Callable[[str], Awaitable[SessionHost]]

log = structlog.get_logger(__name__)


class Stream:
    """One reader of one session.

    Attributes:
        session_id: The session.
        cursor: Where the reader stands.
        hungry: Whether it waits for more.
    """

    def __init__(self, key: int, session_id: str, cursor: Cursor) -> None:
        self.key = key
        self.session_id = session_id
        self.cursor = cursor
        self.hungry = False
        self._answer: asyncio.Future[Reading] | None = None

    def ask(self) -> asyncio.Future[Reading]:
        """Become hungry; return what will hold the answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self.hungry = True
        return self._answer

    def answer(self, reading: Reading, asked: Cursor) -> None:
        """Feed the stream, unless it has moved on since this was asked for.

        Args:
            reading: What is new.
            asked: After which cursor.
        """
        if not self.hungry or self.cursor != asked:
            return
        self.hungry = False
        self.cursor = reading.cursor
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(reading)

    def fail(self, error: BaseException) -> None:
        """End the stream with an error that nobody foresaw."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class HostReader:
    """Reads one host for all streams of this process whose session is there."""

    def __init__(self, host: SessionHost) -> None:
        self._host = host
        self._name = new_id("reader")
        self._streams: dict[int, Stream] = {}
        self._more = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    async def next(self, stream: Stream) -> Reading:
        """Return what is new for a stream, whenever that is."""
        answer = stream.ask()
        self._streams[stream.key] = stream
        self._more.set()
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._read())
            self._loop.add_done_callback(self._loop_ended)
        return await answer

    def _loop_ended(self, loop: asyncio.Task[None]) -> None:
        if not loop.cancelled() and (error := loop.exception()):
            for stream in self._streams.values():
                stream.fail(error)

    def leave(self, stream: Stream) -> None:
        """Forget a stream whose reader has gone."""
        self._streams.pop(stream.key, None)
        if not self._streams and self._loop is not None:
            self._loop.cancel()
            # It takes a moment to end; who comes in that moment needs a loop that goes on.
            self._loop = None

    async def _read(self) -> None:
        while self._streams:
            self._more.clear()
            hungry = {key: item for key, item in self._streams.items() if item.hungry}
            if not hungry:
                await self._more.wait()
                continue
            cursors = {key: item.cursor for key, item in hungry.items()}
            wants = [Want(key, item.session_id, item.cursor) for key, item in hungry.items()]
            try:
                readings = await self._read_or_more(wants)
            except EverrunsError as error:
                log.info("session host not read", host=self._name, error=error.code)
                readings = [Reading(want.key, [], want.cursor, "moved") for want in wants]
            for reading in readings:
                if stream := self._streams.get(reading.key):
                    stream.answer(reading, cursors[reading.key])
            # Let the fed streams hand on their batches and ask again, so that one call serves all.
            await asyncio.sleep(0)

    async def _read_or_more(self, wants: list[Want]) -> list[Reading]:
        """Read, cutting the wait short when another stream becomes hungry."""
        call = asyncio.ensure_future(self._host.read(self._name, wants, READ_WAIT_S))
        more = asyncio.ensure_future(self._more.wait())
        try:
            await asyncio.wait({call, more}, return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                await self._host.nudge(self._name)
            return await call
        finally:
            more.cancel()
            call.cancel()


class Streams:
    """All streams of this process.

    Args:
        place: Returns the name of the host that holds a session now.
        find_host: Returns a host by its name.
    """

    def __init__(
        self,
        place: Callable[[str], Awaitable[str]],
        forget: Callable[[str], None],
        find_host: FindHost,
    ) -> None:
        self._place = place
        self._forget = forget
        self._find_host = find_host
        self._readers: dict[str, HostReader] = {}
        self._keys = itertools.count()

    async def open(self, session_id: str, cursor: Cursor) -> AsyncIterator[Batch]:
        """Begin to read a session.

        Returns:
            Batches of new events and deltas, without end unless the session is deleted.

        Raises:
            SessionNotFound: There is no such session.
            Unavailable: It cannot be placed now.
        """
        await self._place(session_id)
        return self._batches(Stream(next(self._keys), session_id, cursor))

    async def _batches(self, stream: Stream) -> AsyncIterator[Batch]:
        reader: HostReader | None = None
        try:
            while True:
                try:
                    name = await self._place(stream.session_id)
                    found = await self._reader(name)
                    if reader is not None and reader is not found:
                        reader.leave(stream)
                    reader = found
                    reading = await reader.next(stream)
                except NotFound:
                    return
                except Unavailable:
                    await asyncio.sleep(RETRY_S)
                    continue
                if reading.items:
                    yield reading.items
                if reading.status == "gone":
                    return
                if reading.status == "moved":
                    reader.leave(stream)
                    self._forget(stream.session_id)
                    await asyncio.sleep(RETRY_S)
        finally:
            if reader is not None:
                reader.leave(stream)

    async def _reader(self, name: str) -> HostReader:
        if name not in self._readers:
            self._readers[name] = HostReader(await self._find_host(name))
        return self._readers[name]
