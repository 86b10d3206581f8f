"""Streams at the edge: one reading loop for each session host, shared by all its readers.

Nothing is queued for a reader. A stream that has handed its last batch on waits for the next; the
loop asks the host, in one call, for what is new at each place where streams wait. Streams at the
same place of the same session get the same batch: there is one copy of it in this process, however
many readers there are. A slow reader is asked about less often and gets more at once.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Sequence
from itertools import chain
from typing import Any
from weakref import WeakValueDictionary

import structlog

from everruns.domain.events import Delta, Event
from everruns.errors import EverrunsError, NotFound
from everruns.ids import new_id
from everruns.runtime.cursor import Cursor, Reading, Want
from everruns.runtime.host import SessionHost

READ_WAIT_S = 10.0
FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 2.0
REFUSE_FOR_S = 5.0
# Of the event loop, from a batch that is handed to a stream until the stream asks for the next.
ROUNDS_TO_ASK_AGAIN = 4
REMEMBERED_FAILURES = 1000

FindHost = Callable[[str], Awaitable[SessionHost]]

log = structlog.get_logger(__name__)


class Batch:
    """What is new for the streams at one place; all of them share it.

    Attributes:
        items: Durable events and deltas in order.
        shown: What faces of the API have made of the items, so that they do it once.
    """

    def __init__(self, items: Sequence[Event | Delta]) -> None:
        self.items = items
        self.shown: dict[Hashable, Any] = {}

    def __iter__(self) -> Iterator[Event | Delta]:
        return iter(self.items)


class Answer:
    """A reading as its streams share it.

    Attributes:
        batch: What is new.
        reading: The rest of what the host said.
    """

    def __init__(self, reading: Reading) -> None:
        self.batch = Batch(reading.items)
        self.reading = reading


class HostReader:
    """Reads one host for all streams of this process whose session is there.

    Args:
        host: The host.
        answers: The answers that some stream of this process has not handed on yet.
    """

    def __init__(self, host: SessionHost, answers: "WeakValueDictionary[Want, Answer]") -> None:
        self._host = host
        self._answers = answers
        self._name = new_id("reader")
        # In the order in which they began to wait: who waits longest is asked for first.
        self._waiting: dict[Want, set[asyncio.Future[Answer]]] = {}
        self._asked: set[Want] = set()
        self._more = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    async def next(self, want: Want) -> Answer:
        """Return what is new at a place, whenever that is."""
        waiting = self._waiting.get(want)
        if waiting is None:
            waiting = self._waiting[want] = set()
            if want not in self._asked:
                self._more.set()
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._read())
            self._loop.add_done_callback(self._loop_ended)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting.add(answer)
        try:
            return await answer
        finally:
            waiting.discard(answer)
            if not waiting and self._waiting.get(want) is waiting:
                del self._waiting[want]
                self._leave()

    def _leave(self) -> None:
        if not self._waiting and self._loop is not None:
            self._loop.cancel()
            # It takes a moment to end; who comes in that moment needs a loop that goes on.
            self._loop = None

    def _loop_ended(self, loop: asyncio.Task[None]) -> None:
        if not loop.cancelled() and (error := loop.exception()):
            for answer in chain.from_iterable(self._waiting.values()):
                if not answer.done():
                    answer.set_exception(error)
            self._waiting.clear()

    async def _read(self) -> None:
        while self._waiting:
            self._more.clear()
            wants = list(self._waiting)
            self._asked = set(wants)
            try:
                readings = await self._read_or_more(wants)
            except EverrunsError as error:
                log.info("session host not read", host=self._name, error=error.code)
                readings = [Reading(number, status="moved") for number in range(len(wants))]
            for reading in readings:
                want = wants[reading.number]
                if waiting := self._waiting.pop(want, None):
                    shared = self._shared(want, reading)
                    for answer in waiting:
                        if not answer.done():
                            answer.set_result(shared)
            self._asked = set()
            # Let the fed streams hand on their batches and ask again, so that one call serves all:
            # one that comes later cuts the call short.
            for _ in range(ROUNDS_TO_ASK_AGAIN):
                await asyncio.sleep(0)
                if len(self._waiting) >= len(wants):
                    break

    def _shared(self, want: Want, reading: Reading) -> Answer:
        """Return a reading as streams at the same place hold it already, if some do."""
        if not reading.items:
            return Answer(reading)
        place = Want(want.session_id, reading.start) if reading.start else want
        answer = self._answers.get(place)
        if answer is None:
            answer = self._answers[place] = Answer(reading)
        return answer

    async def _read_or_more(self, wants: list[Want]) -> list[Reading]:
        """Read, cutting the wait short when streams begin to wait at another place."""
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
        forget: Called when a session is not where ``place`` said.
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
        self._answers: WeakValueDictionary[Want, Answer] = WeakValueDictionary()
        self._failures: dict[str, tuple[float, EverrunsError]] = {}

    async def open(self, session_id: str, cursor: Cursor) -> AsyncIterator[Batch]:
        """Begin to read a session.

        Returns:
            Batches of new events and deltas, without end unless the session is deleted. They end
            with an error when the session cannot be read and that will not pass by itself.

        Raises:
            SessionNotFound: There is no such session.
            Unavailable: It cannot be placed now.
            EverrunsError: It could not be read a moment ago.
        """
        if failure := self._failures.get(session_id):
            until, error = failure
            if asyncio.get_running_loop().time() < until:
                raise error
            del self._failures[session_id]
        await self._place(session_id)
        return self._batches(session_id, cursor)

    async def _batches(self, session_id: str, cursor: Cursor) -> AsyncIterator[Batch]:
        failed = 0
        while True:
            answer = None  # A batch that was handed on is kept no longer.
            try:
                answer = await self._next(Want(session_id, cursor))
            except NotFound:
                return
            except EverrunsError as error:
                if not error.retryable:
                    self._remember_failure(session_id, error)
                    raise
                log.debug("stream waits for its session", session_id=session_id, code=error.code)
            status = answer.reading.status if answer else "moved"
            if answer is not None and status == "open":
                failed = 0
                cursor = answer.reading.cursor
                yield answer.batch
            elif status == "gone":
                return
            else:
                self._forget(session_id)
                await asyncio.sleep(_retry_s(failed))
                failed += 1

    async def _next(self, want: Want) -> Answer:
        held = self._answers.get(want)
        if held is not None:
            return held
        reader = await self._reader(await self._place(want.session_id))
        answer = await reader.next(want)
        if answer.reading.error is not None:
            raise answer.reading.error
        return answer

    async def _reader(self, name: str) -> HostReader:
        if name not in self._readers:
            self._readers[name] = HostReader(await self._find_host(name), self._answers)
        return self._readers[name]

    def _remember_failure(self, session_id: str, error: EverrunsError) -> None:
        self._failures.pop(session_id, None)
        if len(self._failures) >= REMEMBERED_FAILURES:
            del self._failures[next(iter(self._failures))]
        until = asyncio.get_running_loop().time() + REFUSE_FOR_S
        self._failures[session_id] = until, error


def _retry_s(failed: int) -> float:
    """Return how long to wait after so many failures in a row, differently for each stream."""
    longest = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(failed, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311
