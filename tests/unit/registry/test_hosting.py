"""Where the registry places sessions, and who may load them and append to their logs."""

import asyncio
from threading import Event
from typing import Any

import pytest

from everruns.capabilities.registry import load_capabilities
from everruns.domain.sessions import SessionInput
from everruns.errors import (
    CapacityExhausted,
    HostLost,
    PlacedElsewhere,
    SessionNotFound,
    StoreUnavailable,
)
from everruns.ids import new_id
from everruns.registry.hosting import Location
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.storage.logs import EventQuery, LogHead
from everruns.storage.memory.sessions import MemorySessions
from everruns.storage.memory.store import MemoryStore
from tests.logs import LogWriter
from tests.unit.registry.stored_turns import talked
from tests.waiting import PATIENCE_S, eventually


async def test_only_the_host_that_holds_a_session_can_load_it(registry: Registry, placement):
    placement.host_started("h1")
    session, log = await talked(registry)
    holder, _ = await registry.hosting.place(session.id)
    other = {"h0": "h1", "h1": "h0"}[holder]
    loaded = await registry.hosting.load(session.id, holder)
    assert loaded.events == log.events
    with pytest.raises(PlacedElsewhere):
        await registry.hosting.load(session.id, other)
    await registry.hosting.release(session.id, other)
    assert await registry.hosting.holder(session.id) == holder
    await registry.hosting.release(session.id, holder)
    assert (await registry.hosting.load(session.id, other)).events == log.events


async def test_a_host_can_append_until_another_has_taken_the_session(registry: Registry, placement):
    placement.host_started("h1")
    session = await registry.sessions.create(SessionInput())
    log = LogWriter(session.id)
    log.user("hi")
    earlier = await registry.hosting.load(session.id, "h0")
    placement.host_lost("h0")
    later = await registry.hosting.load(session.id, "h1")
    assert later.holder > earlier.holder

    (fenced,) = (await registry.logs.append([log.as_append(earlier.holder)])).verdicts
    assert isinstance(fenced, PlacedElsewhere)
    assert not await registry.logs.events(session.id, EventQuery())
    assert (await registry.logs.append([log.as_append(later.holder)])).verdicts == [None]


async def test_the_first_number_of_a_session_is_handed_out_once(registry: Registry):
    session = await registry.sessions.create(SessionInput())
    numbers: list[int] = []
    for _ in range(3):
        numbers.append((await registry.hosting.load(session.id, "h0")).holder)
        await registry.hosting.release(session.id, "h0")
    assert numbers == [1, 2, 3]


async def test_a_session_that_was_taken_or_goes_on_elsewhere_is_behind(registry: Registry):
    session, log = await talked(registry)
    loaded = await registry.hosting.load(session.id, "h0")
    length = len(log.events)
    for head, is_behind in (
        (LogHead(length, loaded.holder), False),
        (LogHead(length + 1, loaded.holder), False),
        (LogHead(length - 1, loaded.holder), True),
        (LogHead(length, loaded.holder - 1), True),
    ):
        assert bool(await registry.hosting.behind({session.id: head})) is is_behind


async def test_what_hosts_can_read_themselves_is_not_handed_over(registry: Registry):
    registry.hosting.hands_over_new_only = True
    new = await registry.sessions.create(SessionInput())
    location, loaded = await registry.hosting.place_loaded(new.id)
    assert location.host == "h0"
    assert loaded is not None
    session, _ = await talked(registry)
    await registry.hosting.release(session.id, "h0")
    assert await registry.hosting.place_loaded(session.id) == (Location("h0"), None)


async def test_whether_there_is_a_session_is_left_to_the_host_that_takes_it(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    registry.hosting.hands_over_new_only = True
    session, _ = await talked(registry)
    await registry.hosting.release(session.id, "h0")
    with monkeypatch.context() as silent:
        silent.setattr(registry.logs, "heads", None)
        assert await registry.hosting.place_loaded(session.id) == (Location("h0"), None)


async def test_where_there_is_no_place_a_session_that_does_not_exist_is_not_found(
    registry: Registry, placement: Placement
):
    registry.hosting.hands_over_new_only = True
    placement.note_leaving([""])
    relieved: list[str] = []

    async def relieve(host: str) -> int:
        relieved.append(host)
        return 0

    registry.hosting.relieve = relieve
    for place in (registry.hosting.place, registry.hosting.place_loaded):
        with pytest.raises(SessionNotFound):
            await place(new_id("session"))
    assert relieved == []


async def test_what_only_the_registry_can_read_is_handed_over(registry: Registry):
    session, log = await talked(registry)
    await registry.hosting.release(session.id, "h0")
    _, loaded = await registry.hosting.place_loaded(session.id)
    assert loaded is not None
    assert len(loaded.events) == len(log.events)


async def test_what_an_owner_had_under_way_when_the_session_was_taken_is_refused(
    registry: Registry, placement, monkeypatch
):
    placement.host_started("h1")
    session = await registry.sessions.create(SessionInput())
    log = LogWriter(session.id)
    log.user("hi")
    await registry.hosting.load(session.id, "h0")
    append, begun, released = registry.logs._store.logs.append, Event(), Event()

    def slowly(appends):
        begun.set()
        assert released.wait(PATIENCE_S)
        return append(appends)

    monkeypatch.setattr(registry.logs._database.store.logs, "append", slowly)
    appending = asyncio.ensure_future(registry.logs.append([log.as_append()]))
    await eventually(begun.is_set)
    placement.host_lost("h0")
    loaded = await registry.hosting.load(session.id, "h1")
    released.set()
    (verdict,) = (await appending).verdicts
    assert isinstance(verdict, PlacedElsewhere)
    assert loaded.events == []


async def test_a_session_that_could_not_be_loaded_is_not_held(registry: Registry, monkeypatch):
    session, _ = await talked(registry)

    def unavailable(*_: Any) -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(registry.logs._store.sessions, "take", unavailable)
    with pytest.raises(StoreUnavailable):
        await registry.hosting.load(session.id, "h0")
    assert await registry.hosting.holder(session.id) is None


async def test_abandoned_are_the_open_turns_that_no_host_holds(registry: Registry):
    resting, _ = await talked(registry)
    open_turn, _ = await talked(registry, ends=False)
    held, _ = await talked(registry, ends=False)
    await registry.hosting.place(held.id)
    assert list(await registry.hosting.abandoned()) == [open_turn.id]
    assert resting.id != open_turn.id


async def test_a_full_host_is_asked_to_make_room_before_anyone_is_refused(
    registry: Registry, placement: Placement
):
    sessions = [await registry.sessions.create(SessionInput()) for _ in range(4)]
    for session in sessions[:2]:
        await registry.hosting.place(session.id)
    asked: list[str] = []

    async def relieve(host: str) -> int:
        asked.append(host)
        placement.release(sessions[0].id)
        return 1

    with pytest.raises(CapacityExhausted):
        await registry.hosting.place(sessions[2].id)
    registry.hosting.relieve = relieve
    assert (await registry.hosting.place(sessions[2].id)).host == "h0"
    assert asked == ["h0"]


async def test_room_that_another_session_takes_is_made_once_more(
    registry: Registry, placement: Placement
):
    placement.host_started("h1")
    sessions = [await registry.sessions.create(SessionInput()) for _ in range(6)]
    for session in sessions[:4]:
        await registry.hosting.place(session.id)

    async def relieve(host: str) -> int:
        placement.release(next(iter(placement.hosts[host])))
        if host == "h0":
            placement.place(sessions[4].id)
        return 1

    registry.hosting.relieve = relieve
    assert (await registry.hosting.place(sessions[5].id)).host == "h1"


async def test_a_host_that_is_lost_does_not_keep_the_others_from_making_room(
    registry: Registry, placement: Placement
):
    placement.host_started("h1")
    sessions = [await registry.sessions.create(SessionInput()) for _ in range(5)]
    for session in sessions[:4]:
        await registry.hosting.place(session.id)

    async def relieve(host: str) -> int:
        if host == "h0":
            raise HostLost("gone")
        placement.release(next(iter(placement.hosts[host])))
        return 1

    registry.hosting.relieve = relieve
    assert (await registry.hosting.place(sessions[4].id)).host == "h1"


async def test_a_session_just_created_is_loaded_without_reading_it_back(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    session = await registry.sessions.create(SessionInput(title="new"))

    def unavailable(*_: Any) -> None:
        raise StoreUnavailable("down")

    with monkeypatch.context() as down:
        for read in ("find", "take"):
            down.setattr(registry.logs._store.sessions, read, unavailable)
        host, _ = await registry.hosting.place(session.id)
        loaded = await registry.hosting.load(session.id, host)
        assert (loaded.session, loaded.events) == (session, [])
    await registry.hosting.release(session.id, host)
    assert (await registry.hosting.load(session.id, host)).session == session


async def test_a_session_that_is_being_deleted_is_placed_nowhere_else():
    """Another host would go on with the turn that the deletion has stopped."""

    class SlowSessions(MemorySessions):
        def delete(self, session_id):
            reached.set()
            assert released.wait(PATIENCE_S)
            return super().delete(session_id)

    reached, released = Event(), Event()
    store = MemoryStore()
    store.sessions = SlowSessions(store.contents)
    placement = Placement(sessions_per_host=2, warm_hosts=1, max_hosts=2)
    placement.host_started("host")
    registry = Registry(store, load_capabilities(), placement)
    session = await registry.sessions.create(SessionInput())
    await registry.hosting.place(session.id)
    deleting = asyncio.create_task(registry.sessions.delete(session.id))
    await eventually(reached.is_set)
    assert placement.find(session.id) == "host"
    released.set()
    await deleting
    assert placement.find(session.id) is None
    await registry.close()
