"""Reads: a host's answers to the processes whose readers follow its sessions.

What one session lacks never holds up another: a session that is not in memory, and events that are
not, are loaded in tasks of their own, and the answer has what is there without them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from everruns.domain.base import MIB
from everruns.domain.events import Event
from everruns.errors import EverrunsError, PlacedElsewhere, SessionNotFound
from everruns.runtime.cursor import Cursor, Reading, Want
from everruns.runtime.reading import (
    READING_SIZE,
    News,
    news_after,
    read_session,
    size_of,
    start_cursor,
)
from everruns.runtime.session import LiveSession, Watch
from everruns.storage.logs import EventQuery

READ_PAGE = 256
# What one answer holds at most, but for its last reading.
ANSWER_SIZE = 4 * MIB
PAGES_AT_ONCE = 8
FORGET_AFTER_S = 60.0

Hold = Callable[[str], asyncio.Future[LiveSession]]
ReadEvents = Callable[[str, EventQuery], Awaitable[Sequence[Event]]]
Page = asyncio.Future[Sequence[Event]]


log = structlog.get_logger(__name__)


class Follower:
    """What is known of an asking process from one of its reads to the next.

    Attributes:
        watch: What wakes the read under way, if one is.
        gathered_at: Loop time of the last answer for which no text was held back.
        pages: Stored events that are being read for it, by session and the sequence before them.
    """

    def __init__(self) -> None:
        self.watch: Watch | None = None
        self.gathered_at = 0.0
        self.pages: dict[tuple[str, int], Page] = {}


class Reads:
    """Long reads over many sessions, one under way for each asking process.

    Args:
        hold: Returns a live session, or what will be it once it is loaded.
        read_events: Reads events that are no longer in memory.
        pace_s: Seconds in which deltas gather before a process gets its next answer.
    """

    def __init__(self, hold: Hold, read_events: ReadEvents, pace_s: float) -> None:
        self._hold = hold
        self._read_events = read_events
        self._pace_s = pace_s
        self._followers: dict[str, Follower] = {}
        self._reading_pages = asyncio.Semaphore(PAGES_AT_ONCE)

    async def read(self, reader: str, wants: Sequence[Want], wait_s: float) -> list[Reading]:
        """Return what is new at each place, or wait until something is new at one of them.

        A durable event and the first words of a draft are answered at once, and alone; further
        words of all sessions gather for a moment, so that fast models cost one answer for many
        tokens. An answer has a limit:
        what does not fit in it is there for the next read, which should ask for it first.

        Args:
            reader: The asking process, under a name of its own.
            wants: Sessions and cursors, each once.
            wait_s: Seconds to wait at most.

        Returns:
            One reading for each place that has news; empty when there are none.

        Raises:
            PlacedElsewhere: The host stops.
        """
        follower = self._follower(reader)
        watch = follower.watch = Watch()
        held = {want.session_id: self._hold(want.session_id) for want in wants}
        for loading in held.values():
            if not loading.done():
                loading.add_done_callback(watch.wake)
        try:
            is_due = self._pace_left(follower) <= 0
            readings = self._read_now(wants, held, follower, watch, is_due=is_due)
            if not readings and await _set_within(watch.dirty, wait_s):
                pace_left = self._pace_left(follower)
                is_due = pace_left <= 0 or not await _set_within(watch.urgent, pace_left)
                readings = self._read_now(wants, held, follower, watch, is_due=is_due)
        finally:
            for loading in held.values():
                loading.remove_done_callback(watch.wake)
                if is_loaded(loading):
                    loading.result().watches.discard(watch)
            if follower.watch is watch:
                follower.watch = None
        if readings and is_due:
            follower.gathered_at = asyncio.get_running_loop().time()
        return readings

    def nudge(self, reader: str) -> None:
        """Make a reader's call under way return, so that it can ask for more sessions."""
        follower = self._followers.get(reader)
        if follower is not None and follower.watch is not None:
            follower.watch.wake()

    def _follower(self, reader: str) -> Follower:
        if reader not in self._followers:
            forgotten = asyncio.get_running_loop().time() - FORGET_AFTER_S
            self._followers = {
                name: follower
                for name, follower in self._followers.items()
                if follower.watch is not None or follower.gathered_at > forgotten
            }
            self._followers[reader] = Follower()
        return self._followers[reader]

    def _pace_left(self, follower: Follower) -> float:
        since = asyncio.get_running_loop().time() - follower.gathered_at
        return max(0.0, self._pace_s - since)

    def _read_now(
        self,
        wants: Sequence[Want],
        held: Mapping[str, asyncio.Future[LiveSession]],
        follower: Follower,
        watch: Watch,
        *,
        is_due: bool,
    ) -> list[Reading]:
        """Return what is there, and begin to load what is not.

        Args:
            wants: Sessions and cursors.
            held: The sessions.
            follower: The asking process.
            watch: What wakes the read.
            is_due: Whether text has gathered for long enough.
        """
        readings: list[Reading] = []
        room = ANSWER_SIZE
        unused, follower.pages = follower.pages, {}
        for number, want in enumerate(wants):
            if room <= 0:
                break
            loading = held[want.session_id]
            if not loading.done():
                continue
            try:
                reading = self._reading(
                    number,
                    want.cursor,
                    loading.result(),
                    unused,
                    follower,
                    watch,
                    is_due=is_due,
                )
            except SessionNotFound:
                reading = Reading(number, status="gone")
            except PlacedElsewhere:
                reading = Reading(number, status="moved")
            except EverrunsError as error:
                reading = Reading(number, status="failed", error=error)
            except Exception:  # What nobody foresaw in one session stays with its readers.
                log.exception("session not read", session_id=want.session_id)
                unforeseen = EverrunsError(
                    f"Session {want.session_id} cannot be read just now. The server's log says why."
                )
                reading = Reading(number, status="failed", error=unforeseen)
            if reading is not None:
                readings.append(reading)
                room -= size_of(reading.items)
        for page in unused.values():
            page.cancel()
        return readings

    def _reading(
        self,
        number: int,
        wanted: Cursor,
        session: LiveSession,
        pages: dict[tuple[str, int], Page],
        follower: Follower,
        watch: Watch,
        *,
        is_due: bool,
    ) -> Reading | None:
        if session.closed:
            return Reading(number, status="moved")
        session.watches.add(watch)
        start = start_cursor(session, wanted)
        sequence = start.sequence or 0
        events = session.events_after(sequence)
        complete = events is not None and len(events) <= READ_PAGE
        if events is None:
            key = session.id, sequence
            page = pages.pop(key, None) or asyncio.ensure_future(self._page(*key))
            if not page.done():
                follower.pages[key] = page
                page.add_done_callback(watch.wake)
                return None
            events = page.result()
        news = news_after(session, start, events)
        if news is News.MORE_TEXT and not is_due:
            watch.dirty.set()
            return None
        if news is News.NONE:
            return None
        items, cursor = read_session(session, start, events[:READ_PAGE], complete=complete)
        if not items:
            return None
        return Reading(number, items, cursor, None if start is wanted else start)

    async def _page(self, session_id: str, sequence: int) -> Sequence[Event]:
        query = EventQuery(after=sequence, limit=READ_PAGE, size_bytes=READING_SIZE)
        async with self._reading_pages:
            return await self._read_events(session_id, query)


def is_loaded(loading: asyncio.Future[LiveSession]) -> bool:
    """Tell whether a session was loaded, and not still is or could not be."""
    return loading.done() and not loading.cancelled() and loading.exception() is None


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
