"""A subscription: what a host knows of the readers that stand at one place of a session."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from everruns.domain.events import Event
from everruns.errors import EverrunsError, PlacedElsewhere, SessionNotFound
from everruns.runtime.feed.poll import Reading, Subscribe
from everruns.runtime.feed.reading import (
    READING_SIZE,
    News,
    news_after,
    read_session,
    start_cursor,
)
from everruns.runtime.session import LiveSession
from everruns.storage.logs import EventQuery, ReadEvents

READ_PAGE = 256

Look = Callable[["Subscription"], None]

log = structlog.get_logger(__name__)


class Subscription:
    """Readers of one session, at one place.

    Args:
        wanted: The session and where the readers stand.
        loading: The session, or what will be it once it is loaded.
        read_events: Reads events that are no longer in memory.
        look: Called when there may be something to show at once.
        gather: Called when more was written of a text that the readers have begun to read.
    """

    def __init__(
        self,
        wanted: Subscribe,
        loading: asyncio.Future[LiveSession],
        read_events: ReadEvents,
        look: Look,
        gather: Look,
    ) -> None:
        self._key, self._session_id, self._cursor = wanted
        self._loading = loading
        self._read_events = read_events
        self._look = look
        self._gather = gather
        self._session: LiveSession | None = None
        self._page: asyncio.Future[Sequence[Event]] | None = None
        self._page_after = 0
        self._has_ended = False
        if not loading.done():
            loading.add_done_callback(self._arrived)

    def changed(self, *, urgent: bool) -> None:
        """Take note that the session has something new; see ``LiveSession.watchers``."""
        (self._look if urgent else self._gather)(self)

    def next(self, *, is_due: bool) -> Reading | None:
        """Return what is new, or wait for it; the last reading has been acknowledged.

        What is not in memory begins to be loaded. What is wrong with the session becomes a
        reading: it is a matter of its own readers.

        Args:
            is_due: Whether text has gathered for long enough.
        """
        try:
            session = self._held()
            return self._news(session, is_due=is_due) if session else None
        except SessionNotFound:
            return Reading(self._key, status="gone")
        except PlacedElsewhere:
            return Reading(self._key, status="moved")
        except EverrunsError as error:
            return Reading(self._key, status="failed", error=error)
        except Exception:  # What nobody foresaw in one session stays with its readers.
            log.exception("session not read", session_id=self._session_id)
            unforeseen = EverrunsError(
                f"Session {self._session_id} cannot be read just now. The server's log says why."
            )
            return Reading(self._key, status="failed", error=unforeseen)

    def end(self) -> None:
        """Follow the session no longer."""
        self._has_ended = True
        self._loading.remove_done_callback(self._arrived)
        self._drop_page()
        if self._session is not None:
            self._stop_watching(self._session)

    def _held(self) -> LiveSession | None:
        """Return the session; ``None`` while it is loading.

        Raises:
            PlacedElsewhere: It has left this host.
            EverrunsError: It could not be loaded.
        """
        if self._session is None and self._loading.done():
            self._session = self._loading.result()
        if self._session is not None and self._session.closed:
            raise PlacedElsewhere(f"Session {self._session_id} has left this host.")
        return self._session

    def _news(self, session: LiveSession, *, is_due: bool) -> Reading | None:
        session.watchers.add(self)
        start = start_cursor(session, self._cursor)
        sequence = start.sequence or 0
        events = session.events_after(sequence)
        complete = events is not None and len(events) <= READ_PAGE
        if events is None:
            events = self._stored_after(sequence)
        else:
            self._drop_page()
        news = News.NONE if events is None else news_after(session, start, events)
        if news is News.MORE_TEXT and not is_due:
            self._gather(self)
        elif events is not None and news is not News.NONE:
            items, cursor = read_session(session, start, events[:READ_PAGE], complete=complete)
            if items:
                # Readers who still hand this on do not keep the session in memory.
                self._stop_watching(session)
                wanted, self._cursor = self._cursor, cursor
                return Reading(self._key, items, cursor, None if start is wanted else start)
        return None

    def _stop_watching(self, session: LiveSession) -> None:
        session.watchers.discard(self)
        session.touched = asyncio.get_running_loop().time()

    def _stored_after(self, sequence: int) -> Sequence[Event] | None:
        """Return events that are no longer in memory; ``None`` while they are being read."""
        if self._page is not None and self._page_after != sequence:
            # A stream without a cursor begins later now: there is a newer message.
            self._drop_page()
        if self._page is None:
            self._page_after = sequence
            query = EventQuery(after=sequence, limit=READ_PAGE, size_bytes=READING_SIZE)
            self._page = asyncio.ensure_future(self._read_events(self._session_id, query))
            self._page.add_done_callback(self._arrived)
        if not self._page.done():
            return None
        page, self._page = self._page, None
        return page.result()

    def _drop_page(self) -> None:
        if self._page is not None:
            self._page.remove_done_callback(self._arrived)
            self._page.cancel()
            self._page = None

    def _arrived(self, arrived: asyncio.Future[Any]) -> None:
        if not arrived.cancelled():
            arrived.exception()  # It may be that nobody looks at it any more.
        # It may have been on its way here when the subscription ended.
        if not self._has_ended:
            self._look(self)
