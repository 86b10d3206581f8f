"""Streams: what readers in this process get of their sessions, wherever those are held."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from everruns.errors import EverrunsError, NotFound
from everruns.log import error_kind
from everruns.runtime.feed.batch import Batch
from everruns.runtime.feed.cursor import Cursor, Place
from everruns.runtime.feed.pace import Pace
from everruns.runtime.feed.subscriber import Answer, Answers, Seat, Subscriber
from everruns.runtime.host import SessionHost

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 2.0
REFUSE_FOR_S = 5.0
REMEMBERED_FAILURES = 1000

FindHost = Callable[[str], Awaitable[SessionHost]]

log = structlog.get_logger(__name__)


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
        self._subscribers: dict[str, Subscriber] = {}
        self._answers = Answers()
        self._pace = Pace(time.perf_counter())
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
        seat = Seat()
        try:
            while True:
                answer = None  # A batch that was handed on is kept no longer.
                try:
                    answer = await self._next(Place(session_id, cursor), seat)
                except NotFound:
                    return
                except EverrunsError as error:
                    if not error.retryable:
                        self._remember_failure(session_id, error)
                        raise
                    log.debug(
                        "stream waits for its session",
                        session_id=session_id,
                        error=error_kind(error),
                    )
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
        finally:
            seat.leave()

    async def _next(self, place: Place, seat: Seat) -> Answer:
        held = self._answers.get(place)
        if held is not None:
            return held
        subscriber = await self._subscriber(await self._place(place.session_id))
        answer = await subscriber.next(place, seat)
        if answer.reading.error is not None:
            raise answer.reading.error
        return answer

    async def _subscriber(self, name: str) -> Subscriber:
        if name not in self._subscribers:
            host = await self._find_host(name)
            self._subscribers[name] = Subscriber(host, self._answers, self._pace)
        return self._subscribers[name]

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
