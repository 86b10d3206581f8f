"""Reads: a host's answers to the processes whose readers follow its sessions."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from everruns.domain.events import Event
from everruns.errors import PlacedElsewhere, SessionNotFound
from everruns.runtime.cursor import Reading, Want
from everruns.runtime.reading import read_session, start_cursor
from everruns.runtime.session import LiveSession, Watch
from everruns.storage.base import EventQuery

READ_PAGE = 512

FindSession = Callable[[str], Awaitable[LiveSession]]
ReadEvents = Callable[[str, EventQuery], Awaitable[Sequence[Event]]]


class Reads:
    """Long reads over many sessions, one under way for each asking process.

    Args:
        find_session: Returns a live session, loading it if need be.
        read_events: Reads events that are no longer in memory.
        pace_s: Seconds in which deltas gather before a process gets its next answer.
    """

    def __init__(self, find_session: FindSession, read_events: ReadEvents, pace_s: float) -> None:
        self._find_session = find_session
        self._read_events = read_events
        self._pace_s = pace_s
        self._watches: dict[str, Watch] = {}
        self._answered: dict[str, float] = {}

    async def read(self, reader: str, wants: Sequence[Want], wait_s: float) -> list[Reading]:
        """Return what is new for each wish, or wait until something is new for one of them.

        A durable event and the first words of a draft are answered at once; further words gather
        for a moment, so that a fast model costs one answer for many tokens.

        Args:
            reader: Who asks; a new name for each asking process.
            wants: Sessions and cursors.
            wait_s: Seconds to wait at most.

        Returns:
            One reading for each wish that has news; empty when there are none.
        """
        watch = self._watches[reader] = Watch()
        sessions: dict[str, LiveSession] = {}
        try:
            readings = await self._watch(wants, watch, sessions)
            if not readings:
                readings = await self._read_now(wants, sessions)
            if not readings and await _set_within(watch.dirty, wait_s):
                if not watch.urgent.is_set():
                    await _set_within(watch.urgent, self._pace_left(reader))
                readings = await self._read_now(wants, sessions)
        finally:
            for session in sessions.values():
                session.watches.discard(watch)
            if self._watches.get(reader) is watch:
                del self._watches[reader]
        if readings:
            self._answered[reader] = asyncio.get_running_loop().time()
        return readings

    def nudge(self, reader: str) -> None:
        """Make a reader's call under way return, so that it can ask for more sessions."""
        if watch := self._watches.get(reader):
            watch.dirty.set()
            watch.urgent.set()

    def _pace_left(self, reader: str) -> float:
        since = asyncio.get_running_loop().time() - self._answered.get(reader, 0)
        return max(0.0, self._pace_s - since)

    async def _watch(
        self, wants: Sequence[Want], watch: Watch, sessions: dict[str, LiveSession]
    ) -> list[Reading]:
        """Fill ``sessions`` with those that are here; return readings for those that are not."""
        readings: list[Reading] = []
        found = await asyncio.gather(
            *(self._find_session(want.session_id) for want in wants), return_exceptions=True
        )
        for want, session in zip(wants, found, strict=True):
            match session:
                case LiveSession():
                    session.watches.add(watch)
                    sessions[want.session_id] = session
                case SessionNotFound():
                    readings.append(Reading(want.key, [], want.cursor, "gone"))
                case PlacedElsewhere():
                    readings.append(Reading(want.key, [], want.cursor, "moved"))
                case error:
                    raise error
        return readings

    async def _read_now(
        self, wants: Sequence[Want], sessions: dict[str, LiveSession]
    ) -> list[Reading]:
        readings: list[Reading] = []
        for want in wants:
            session = sessions[want.session_id]
            if session.closed:
                readings.append(Reading(want.key, [], want.cursor, "moved"))
                continue
            cursor = start_cursor(session, want.cursor)
            events, complete = await self._events_after(session, cursor.sequence or 0)
            items, after = read_session(session, cursor, events, complete=complete)
            if items:
                readings.append(Reading(want.key, items, after))
        return readings

    async def _events_after(
        self, session: LiveSession, sequence: int
    ) -> tuple[Sequence[Event], bool]:
        """Return a page of the events after a sequence, and whether these are all."""
        events = session.events_after(sequence)
        if events is not None:
            return events[:READ_PAGE], len(events) <= READ_PAGE
        return await self._read_events(
            session.id, EventQuery(after=sequence, limit=READ_PAGE)
        ), False


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
