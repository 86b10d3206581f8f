"""Pages of a log as the SDK's face shows it: cut anywhere, together they are the whole list."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from everruns.api.events.pages import EventPages
from everruns.api.events.requests import EventsRequest
from everruns.api.http.vocabulary import ShownEvent
from everruns.api.sdk.events import EVERRUNS
from everruns.domain.events import Event
from everruns.domain.sessions import Session, SessionSummary
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery
from everruns.storage.memory.store import MemoryStore
from tests.logs import SESSION_ID, LogWriter, logs

NOW = "2026-01-01T00:00:00.000Z"
sizes = st.lists(st.integers(1, 7), min_size=1, max_size=5)


class Log:
    """A stored log, listed as the SDK's face does it."""

    def __init__(self, written: LogWriter) -> None:
        self._store = MemoryStore()
        self._store.sessions.insert(
            Session(
                id=SESSION_ID,
                harness_id="h",
                organization_id="o",
                workspace_id="w",
                created_at=NOW,
                updated_at=NOW,
            )
        )
        summary = SessionSummary(sequence=len(written.events))
        assert self._store.logs.append(
            [Append(SESSION_ID, 1, written.events, summary, FIRST_HOLDER)]
        ) == [None]

    async def _read(self, session_id: str, query: EventQuery) -> Sequence[Event]:
        return self._store.logs.read(session_id, query)

    def page(self, **query: Any) -> list[ShownEvent]:
        wanted = EventsRequest(**query)
        start = wanted.start(SESSION_ID, "", EVERRUNS)
        pages = EventPages(self._read, EVERRUNS, SESSION_ID, wanted, start)
        return asyncio.run(pages.page())


def next_size(cycle: list[int], page: int) -> int:
    return cycle[page % len(cycle)]


@given(written=logs(), cycle=sizes, by_id=st.booleans())
def test_forwards_each_page_goes_on_right_after_the_one_before(
    written: LogWriter, cycle: list[int], by_id: bool
):
    log = Log(written)
    whole = log.page(limit=1000)
    seen: list[ShownEvent] = []
    for number in range(len(whole) + 1):
        size = next_size(cycle, number)
        if not seen:
            after = {}
        elif by_id:
            after = {"since_id": seen[-1].id}
        else:
            after = {"after_sequence": seen[-1].sequence}
        page = log.page(limit=size, **after)
        assert len(page) == min(size, len(whole) - len(seen)), "the limit counts what is shown"
        seen += page
    assert seen == whole


@given(written=logs(), cycle=sizes, order_desc=st.booleans())
def test_backwards_each_page_ends_right_before_the_one_after(
    written: LogWriter, cycle: list[int], order_desc: bool
):
    log = Log(written)
    whole = log.page(limit=1000)
    seen: list[ShownEvent] = []
    for number in range(len(whole) + 1):
        size = next_size(cycle, number)
        before = seen[0].sequence if seen else whole[-1].sequence + 1
        page = log.page(limit=size, before_sequence=before, order_desc=order_desc)
        assert len(page) == min(size, len(whole) - len(seen)), "the limit counts what is shown"
        seen = (page[::-1] if order_desc else page) + seen
    assert seen == whole


@given(written=logs(), data=st.data())
def test_between_two_sequences_there_is_what_the_whole_list_has_there(
    written: LogWriter, data: st.DataObject
):
    log = Log(written)
    whole = log.page(limit=1000)
    bounds = st.integers(0, whole[-1].sequence + 20)
    after, before = data.draw(bounds), data.draw(bounds)

    page = log.page(after_sequence=after, before_sequence=before, limit=1000)

    assert page == [shown for shown in whole if after < shown.sequence < before]


@given(written=logs(), data=st.data(), window=st.integers(0, 4))
def test_around_an_event_are_its_neighbours(written: LogWriter, data: st.DataObject, window: int):
    log = Log(written)
    whole = log.page(limit=1000)
    place = data.draw(st.integers(0, len(whole) - 1))

    page = log.page(around=whole[place].id, window=window)

    assert page == whole[max(0, place - window) : place + window + 1]
