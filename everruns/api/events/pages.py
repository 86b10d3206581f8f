"""Pages of a session's log as a face shows it.

A face can show one event of the log as several. Places and limits are the face's: a page can end
between two of them, and the sequence of its last event is the cursor of the next page. A page holds
fewer events than were asked for only if there are no more, or if they are so large that it is full.

Source: docs/sdk.md, "Lists of events".
"""

from collections.abc import Callable
from dataclasses import replace

from everruns.api.events.requests import EventsRequest, place_of
from everruns.api.http.vocabulary import ShownEvent, Vocabulary
from everruns.ids import EventPlace
from everruns.storage.logs import EventQuery, ReadEvents
from everruns.storage.pages import MAX_PAGE_BYTES, is_last

MOST_AT_ONCE = 1000


class EventPages:
    """Lists one session's events for one request.

    Args:
        read: Reads a session's log.
        vocabulary: How events are shown.
        session_id: The session.
        wanted: Which events.
        start: The place after which to begin, if any.
    """

    def __init__(
        self,
        read: ReadEvents,
        vocabulary: Vocabulary,
        session_id: str,
        wanted: EventsRequest,
        start: EventPlace | None,
    ) -> None:
        self._read = read
        self._vocabulary = vocabulary
        self._session_id = session_id
        self._wanted = wanted
        self._after = None if start is None else vocabulary.sequence_of(start)
        # Without the start, whose page is cut here: ids in lists do not depend on it.
        self._showing = vocabulary.begin(session_id, None)
        self._kinds = [
            kind for kind, names in vocabulary.shown_as.items() if any(map(wanted.wants, names))
        ]
        self._all_kinds = len(self._kinds) == len(vocabulary.shown_as)

    async def page(self) -> list[ShownEvent]:
        """Return the page that was asked for, in the order that was asked for.

        Raises:
            SessionNotFound: The session does not exist.
            InvalidCursor: ``around`` is not an event id.
        """
        wanted = self._wanted
        if wanted.around is not None:
            page = await self._around(place_of(self._session_id, wanted.around, "around"))
            return page[::-1] if wanted.order_desc else page
        # With only an upper bound, return the last events before it.
        is_backward = wanted.before_sequence is not None and self._after is None
        newest_first = wanted.order_desc or is_backward
        page = await self._between(wanted.limit, newest_first=newest_first)
        return page[::-1] if newest_first and not wanted.order_desc else page

    async def _around(self, place: EventPlace) -> list[ShownEvent]:
        sequence = self._vocabulary.sequence_of(place)
        window = self._wanted.window
        before = await self._between(window, before=sequence, newest_first=True)
        itself = await self._between(1, after=sequence - 1, before=sequence + 1)
        after = await self._between(window, after=sequence)
        return [*before[::-1], *itself, *after]

    async def _between(
        self,
        size: int,
        *,
        after: int | None = None,
        before: int | None = None,
        newest_first: bool = False,
    ) -> list[ShownEvent]:
        """Return the first ``size`` events between two places, those of the request and these."""
        after = _bound(max, after, self._after)
        before = _bound(min, before, self._wanted.before_sequence)
        query = EventQuery(
            after=None if after is None else self._vocabulary.place_at(after).sequence,
            before=None if before is None else self._first_beyond(before),
            types=() if self._all_kinds else self._kinds,
            turn_id=self._wanted.turn_id,
            since_ms=self._wanted.from_ts,
            until_ms=self._wanted.to_ts,
            limit=size,
            newest_first=newest_first,
        )
        if not self._kinds or self._wanted.asks_for_nothing:
            # Nothing can match, but a missing session is still an error.
            query = replace(query, limit=0)
        page: list[ShownEvent] = []
        size_bytes = 0
        while True:
            events = await self._read(self._session_id, query)
            for event in events:
                parts, self._showing = self._showing.show([event])
                shown = [
                    part
                    for part in parts
                    if _is_between(part, after, before) and self._wanted.matches(part)
                ]
                page += reversed(shown) if newest_first else shown
                size_bytes += sum(len(part.body) for part in shown)
                if len(page) >= size or size_bytes >= MAX_PAGE_BYTES:
                    return page[:size]
            if not events or is_last(events, query):
                return page
            # Few of the events match: read more at once.
            last = {"before" if newest_first else "after": events[-1].sequence}
            query = replace(query, limit=min(2 * (query.limit or size), MOST_AT_ONCE), **last)

    def _first_beyond(self, before: int) -> int:
        """Return the log's first event of which nothing is shown before a place."""
        last = self._vocabulary.place_at(max(0, before - 1))
        return last.sequence + (1 if last.position == 0 else 2)


def _is_between(part: ShownEvent, after: int | None, before: int | None) -> bool:
    if part.sequence is None:
        return False
    return (after is None or part.sequence > after) and (before is None or part.sequence < before)


def _bound(choose: Callable[[int, int], int], one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)
