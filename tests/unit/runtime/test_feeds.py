"""The host's side of a feed: what a poll costs, what it may take, and when it is refused."""

import asyncio
from collections.abc import Sequence

import pytest

from everruns.domain.events import Event, EventType, NewEvent
from everruns.domain.messages import TextPart
from everruns.domain.sessions import Session
from everruns.registry.group_commit import GroupCommit
from everruns.runtime.feed import feeds as feeds_module
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.feed.draft import Draft
from everruns.runtime.feed.feeds import Feeds
from everruns.runtime.feed.poll import Poll, Reading, Subscribe
from everruns.runtime.feed.subscription import Subscription
from everruns.runtime.recent_events import RECENT_EVENTS
from everruns.runtime.session import LiveSession
from everruns.storage.logs import FIRST_HOLDER, EventQuery
from tests.logs import LogWriter

NOW = "2026-01-01T00:00:00.000Z"


class Host:
    """A host that holds sessions in which a user has just said something."""

    def __init__(self, pace_s: float = 0.0) -> None:
        self.sessions: dict[str, LiveSession] = {}
        self.feeds = Feeds(self._hold, self._read_events, pace_s)

    def _hold(self, session_id: str) -> asyncio.Future[LiveSession]:
        if session_id not in self.sessions:
            self.sessions[session_id] = _session(session_id)
        held: asyncio.Future[LiveSession] = asyncio.get_running_loop().create_future()
        held.set_result(self.sessions[session_id])
        return held

    async def _read_events(self, *_: object) -> Sequence[Event]:
        raise AssertionError("all events are in memory")

    async def poll(self, number: int, life: int = 0, **fields: object) -> Sequence[Reading] | None:
        return await self.feeds.poll(Poll("replica", life, number, **fields))

    def write(self, session_id: str, text: str) -> None:
        """Let the model of a session say more."""
        session = self.sessions[session_id]
        if session.draft is None:
            session.draft = Draft("message_1", "turn_1", session.state.sequence)
        is_first = not session.draft.text.length
        session.draft.text.append(text)
        session.notify(urgent=is_first)


def _session(session_id: str, log: LogWriter | None = None) -> LiveSession:
    if log is None:
        log = LogWriter()
        log.user("hi")
    resource = Session(
        id=session_id,
        harness_id="h",
        organization_id="o",
        workspace_id="w",
        created_at=NOW,
        updated_at=NOW,
    )

    async def commit(appends: Sequence[object]) -> list[None]:
        return [None for _ in appends]

    return LiveSession(resource, log.events, GroupCommit(commit), FIRST_HOLDER)


def subscribed(count: int) -> list[Subscribe]:
    return [Subscribe(key, f"session_{key}", Cursor(0)) for key in range(count)]


async def test_what_is_new_in_one_session_is_looked_for_there_alone(monkeypatch):
    host = Host()
    read = await host.poll(0, subscribe=subscribed(1000))
    assert len(read) == 1000
    assert await host.poll(1, acknowledge=range(1000)) == []
    looked_at: list[Subscription] = []
    look = Subscription.next
    monkeypatch.setattr(
        Subscription, "next", lambda self, **given: looked_at.append(self) or look(self, **given)
    )
    host.write("session_7", "Hello")
    (reading,) = await host.poll(2)
    assert reading.key == 7
    assert len(looked_at) == 1


async def test_a_subscription_gets_nothing_until_its_last_reading_is_acknowledged():
    host = Host()
    await host.poll(0, subscribe=subscribed(1))
    host.write("session_0", "Hello ")
    host.write("session_0", "there.")
    assert await host.poll(1) == []
    (reading,) = await host.poll(2, acknowledge=[0])
    assert [item.text for item in reading.items] == ["Hello there."]


async def test_a_poll_ends_when_the_next_one_comes():
    host = Host()
    waiting = asyncio.create_task(host.poll(0, wait_s=60))
    await asyncio.sleep(0)
    read = await host.poll(1, subscribe=subscribed(1))
    assert [reading.key for reading in read] == [0]
    assert await waiting == []


@pytest.mark.parametrize("number", [0, 2, 7])
async def test_a_poll_out_of_order_is_refused_and_changes_nothing(number: int):
    host = Host()
    await host.poll(0)
    assert await host.poll(number, subscribe=subscribed(1)) is None
    assert not host.sessions


async def test_a_later_life_replaces_an_earlier_one_which_is_refused_from_then_on():
    host = Host()
    await host.poll(0, subscribe=subscribed(1))
    await host.poll(1, acknowledge=[0])
    assert host.sessions["session_0"].watchers
    assert await host.poll(0, life=1) == []
    assert not host.sessions["session_0"].watchers
    assert await host.poll(2) is None
    assert await host.poll(0, subscribe=subscribed(1)) is None


async def test_a_feed_that_is_not_known_any_more_is_refused(monkeypatch):
    host = Host()
    await host.poll(0, subscribe=subscribed(1))
    monkeypatch.setattr(feeds_module, "FORGET_AFTER_S", -1.0)
    host.feeds.forget_silent()
    assert await host.poll(1, acknowledge=[0]) is None


async def test_what_does_not_fit_in_an_answer_comes_with_the_next_and_first(monkeypatch):
    monkeypatch.setattr(feeds_module, "ANSWER_SIZE", 1)
    host = Host()
    keys = []
    for number in range(3):
        added = subscribed(3) if number == 0 else ()
        ready = [keys[-1]] if keys else ()
        (reading,) = await host.poll(number, subscribe=added, acknowledge=ready)
        keys.append(reading.key)
    assert keys == [0, 1, 2]


async def test_words_gather_for_as_long_as_the_replica_asks_for_and_first_words_do_not():
    host = Host()
    both = {"pace_s": feeds_module.LONGEST_PACE_S, "wait_s": 5.0}
    await host.poll(0, subscribe=subscribed(2), **both)
    host.write("session_0", "First ")
    (first,) = await host.poll(1, acknowledge=[0, 1], **both)
    now = asyncio.get_running_loop().time
    answered_at = now()
    host.write("session_0", "second ")
    gathering = asyncio.create_task(host.poll(2, acknowledge=[0], **both))
    await asyncio.sleep(0)
    host.write("session_0", "third.")
    (rest,) = await gathering
    assert [item.text for item in (*first.items, *rest.items)] == ["First ", "second third."]
    assert now() - answered_at >= feeds_module.LONGEST_PACE_S / 2


async def test_a_page_that_was_read_for_one_place_is_not_shown_at_another():
    """A newer message moves the beginning of a stream without a cursor while its page is read."""
    log = LogWriter()
    log.user("first")
    while len(log.events) < RECENT_EVENTS + 50:
        log.agent("more")
    session = _session("session_1", log)
    pages: list[asyncio.Future[Sequence[Event]]] = []

    async def read_events(_: str, query: EventQuery) -> Sequence[Event]:
        page: asyncio.Future[Sequence[Event]] = asyncio.get_running_loop().create_future()
        pages.append(page)
        return await page

    held: asyncio.Future[LiveSession] = asyncio.get_running_loop().create_future()
    held.set_result(session)
    wanted = Subscribe(0, session.id, Cursor())
    subscription = Subscription(wanted, held, read_events, lambda _: None, lambda _: None)
    assert subscription.next(is_due=True) is None
    await asyncio.sleep(0)
    assert len(pages) == 1
    said = log.message("user", [TextPart(text="second")])
    data = {"message": said.wire()}
    await session.append(lambda state, now: [NewEvent(EventType.MESSAGE_CREATED, data, {})])
    newest = subscription.next(is_due=True)
    assert newest is not None
    assert [event.sequence for event in newest.items] == [session.state.sequence]
    if not pages[0].done():
        pages[0].set_result(log.events[:10])
    await asyncio.sleep(0)
    many = [NewEvent(EventType.MESSAGE_CREATED, data, {})] * (2 * RECENT_EVENTS + 1)
    await session.append(lambda state, now: many)
    assert subscription.next(is_due=True) is None, "the next event is no longer in memory"
    await asyncio.sleep(0)
    assert len(pages) == 2


async def test_a_subscription_that_ended_while_its_session_was_loaded_does_not_come_back():
    looked: list[Subscription] = []
    held: asyncio.Future[LiveSession] = asyncio.get_running_loop().create_future()
    wanted = Subscribe(0, "session_1", Cursor(0))
    subscription = Subscription(wanted, held, Host()._read_events, looked.append, looked.append)
    held.set_result(_session("session_1"))
    subscription.end()
    await asyncio.sleep(0)
    assert looked == []
