"""Sessions as the registry keeps them: rows, logs, placement."""

import asyncio
from contextlib import suppress
from threading import Event
from typing import Any

import pytest

from everruns.capabilities.registry import load_capabilities
from everruns.domain.agents import MAX_DEFINITION_BYTES, AgentInput
from everruns.domain.idempotency import Idempotency
from everruns.domain.sessions import Session, SessionInput
from everruns.errors import (
    AgentNotFound,
    CapacityExhausted,
    HostLost,
    IdempotencyKeyReused,
    PlacedElsewhere,
    SequenceConflict,
    SessionNotFound,
    StoreUnavailable,
    TooLarge,
    UnknownCapability,
    UnknownModel,
)
from everruns.ids import new_id
from everruns.registry.database import Database
from everruns.registry.hosting import Location
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.storage import pages
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery, LogHead, Verdict
from everruns.storage.memory.sessions import MemorySessions
from everruns.storage.memory.store import MemoryStore
from everruns.storage.sessions import SessionQuery
from everruns.tools.base import ToolError
from tests.logs import LogWriter, call_part
from tests.waiting import eventually

KEY = Idempotency.of("POST /v1/sessions", "key", b"body")


def wanted(**fields: Any) -> SessionInput:
    return SessionInput.model_validate(fields)


def appended(log: LogWriter, holder: int = FIRST_HOLDER) -> Append:
    """All of a log as one append."""
    return Append(log.session_id, 1, list(log.events), log.state.summary, holder)


async def talked(registry: Registry, *, ends: bool = True) -> tuple[Session, LogWriter]:
    """A session with one turn in its log."""
    session = await registry.sessions.create(wanted())
    log = LogWriter(session.id)
    log.user("hi")
    log.agent("let me see", [call_part("a")])
    log.tool_call("a")
    log.tool_result("a")
    if ends:
        log.agent("hello")
        log.end()
    assert await stored(registry, log, "h0") is None
    return session, log


async def stored(registry: Registry, log: LogWriter, host: str) -> Verdict:
    """The verdict on a log that a host loads a session for, stores and lets go."""
    holder = FIRST_HOLDER
    with suppress(SessionNotFound):
        holder = (await registry.hosting.load(log.session_id, host)).holder
    (verdict,) = (await registry.logs.append([appended(log, holder)])).verdicts
    await registry.hosting.release(log.session_id, host)
    return verdict


async def test_a_session_finds_its_agent_by_id_or_name(registry: Registry):
    agent, _ = await registry.agents.create(AgentInput(name="a"))
    by_id = await registry.sessions.create(wanted(agent_id=agent.id))
    by_name = await registry.sessions.create(wanted(agent_name="a"))
    alone = await registry.sessions.create(wanted())
    assert (by_id.agent_id, by_name.agent_id, alone.agent_id) == (agent.id, agent.id, None)
    page = await registry.sessions.list(SessionQuery(agent_id=agent.id))
    assert [session.id for session in page.data] == [by_name.id, by_id.id]


async def test_what_a_session_names_must_exist(registry: Registry):
    for fields, error in (
        ({"agent_id": new_id("agent")}, AgentNotFound),
        ({"agent_name": "nobody"}, AgentNotFound),
        ({"capabilities": ["nothing"]}, UnknownCapability),
        ({"model_id": "no/model"}, UnknownModel),
    ):
        with pytest.raises(error):
            await registry.sessions.create(wanted(**fields))


async def test_a_repeated_key_gives_one_session_even_at_once(registry: Registry):
    made = await asyncio.gather(*(registry.sessions.create(wanted(), KEY) for _ in range(10)))
    assert {session.id for session in made} == {made[0].id}
    with pytest.raises(IdempotencyKeyReused):
        await registry.sessions.create(wanted(), Idempotency(KEY.key, "another"))


async def test_initial_files_are_there_from_the_start(registry: Registry):
    session = await registry.sessions.create(
        wanted(initial_files=[{"path": "/notes/a.txt", "content": "hello"}])
    )
    file = await registry.files.read(session.workspace_id, "/notes/a.txt")
    assert file.content == b"hello"


async def test_a_log_is_read_back_as_it_was_appended(registry: Registry):
    session, log = await talked(registry)
    assert await registry.logs.events(session.id, EventQuery()) == log.events
    ends = await registry.logs.events(session.id, EventQuery(types=["session.completed"]))
    assert ends == log.events[-1:]
    stored = await registry.sessions.get(session.id)
    assert (stored.status, stored.preview, stored.output_preview) == ("idle", "hi", "hello")


async def test_messages_come_oldest_first_in_pages(registry: Registry):
    session, log = await talked(registry)
    page = await registry.logs.messages(session.id, 1, 2)
    assert page.data == log.state.messages[1:3]
    assert [message.role for message in page.data] == ["agent", "tool_result"]
    assert page.total == 4


async def test_two_who_append_the_same_place_do_not_both_succeed(registry: Registry):
    session = await registry.sessions.create(wanted())
    first, second = LogWriter(session.id), LogWriter(session.id)
    first.user("one")
    second.user("two")
    assert await stored(registry, first, "h0") is None
    assert isinstance(await stored(registry, second, "h0"), SequenceConflict)
    assert await stored(registry, first, "h0") is None, "a retry of what is stored succeeds"
    assert await registry.logs.events(session.id, EventQuery()) == first.events


async def test_a_session_that_does_not_exist_is_told_everywhere(registry: Registry):
    identity = new_id("session")
    log = LogWriter(identity)
    log.user("hi")
    assert isinstance(await stored(registry, log, "h0"), SessionNotFound)
    for asked in (
        registry.sessions.get(identity),
        registry.sessions.delete(identity),
        registry.hosting.place(identity),
        registry.hosting.load(identity, "h0"),
        registry.logs.events(identity, EventQuery()),
        registry.logs.messages(identity, 0, 10),
    ):
        with pytest.raises(SessionNotFound):
            await asked
    assert await registry.hosting.holder(identity) is None


async def test_a_deleted_session_frees_its_place_and_its_files(registry: Registry):
    session = await registry.sessions.create(wanted(initial_files=[{"path": "/a", "content": "x"}]))
    await registry.hosting.place(session.id)
    await registry.sessions.delete(session.id)
    assert await registry.hosting.holder(session.id) is None
    assert await registry.files.read(session.workspace_id, "/a") is None


async def test_a_write_that_arrives_after_the_deletion_stores_nothing(registry: Registry):
    session = await registry.sessions.create(wanted())
    await registry.sessions.delete(session.id)
    with pytest.raises(ToolError, match="deleted"):
        await registry.files.write(session.workspace_id, "/a", b"x", "text", by_tool=True)
    assert await registry.files.read(session.workspace_id, "/a") is None


async def test_messages_are_paged_by_bytes_as_well(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", 1)
    session, _ = await talked(registry)
    seen: list[str] = []
    while len(seen) < 4:
        page = await registry.logs.messages(session.id, len(seen), 100)
        assert (len(page.data), page.total) == (1, 4)
        seen += [message.role for message in page.data]
    assert seen == ["user", "agent", "tool_result", "agent"]
    assert (await registry.logs.messages(session.id, 9, 100)).total == 4


async def test_a_session_that_is_too_large_as_a_whole_is_refused(registry: Registry):
    tool = {"name": "t", "description": "", "parameters": {"x": "y" * MAX_DEFINITION_BYTES}}
    with pytest.raises(TooLarge, match="All fields but initial_files"):
        await registry.sessions.create(wanted(tools=[tool]))
    assert (await registry.sessions.list(SessionQuery())).total == 0


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
    session = await registry.sessions.create(wanted())
    log = LogWriter(session.id)
    log.user("hi")
    earlier = await registry.hosting.load(session.id, "h0")
    placement.host_lost("h0")
    later = await registry.hosting.load(session.id, "h1")
    assert later.holder > earlier.holder

    (fenced,) = (await registry.logs.append([appended(log, earlier.holder)])).verdicts
    assert isinstance(fenced, PlacedElsewhere)
    assert not await registry.logs.events(session.id, EventQuery())
    assert (await registry.logs.append([appended(log, later.holder)])).verdicts == [None]


async def test_the_first_number_of_a_session_is_handed_out_once(registry: Registry):
    session = await registry.sessions.create(wanted())
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
    new = await registry.sessions.create(wanted())
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
    session = await registry.sessions.create(wanted())
    log = LogWriter(session.id)
    log.user("hi")
    await registry.hosting.load(session.id, "h0")
    append, begun, released = registry.logs._store.logs.append, Event(), Event()

    def slowly(appends):
        begun.set()
        assert released.wait(10)
        return append(appends)

    monkeypatch.setattr(registry.logs._database.store.logs, "append", slowly)
    appending = asyncio.ensure_future(registry.logs.append([appended(log)]))
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
    sessions = [await registry.sessions.create(wanted()) for _ in range(4)]
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
    sessions = [await registry.sessions.create(wanted()) for _ in range(6)]
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
    sessions = [await registry.sessions.create(wanted()) for _ in range(5)]
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
    session = await registry.sessions.create(wanted(title="new"))

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


async def test_a_session_just_created_is_gone_when_it_is_deleted(registry: Registry):
    session = await registry.sessions.create(wanted())
    await registry.sessions.delete(session.id)
    with pytest.raises(SessionNotFound):
        await registry.sessions.get(session.id)
    with pytest.raises(SessionNotFound):
        await registry.hosting.place(session.id)


async def test_a_session_that_is_being_deleted_is_placed_nowhere_else():
    """Another host would go on with the turn that the deletion has stopped."""

    class SlowSessions(MemorySessions):
        def delete(self, session_id):
            reached.set()
            assert released.wait(10)
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


async def test_requests_with_different_keys_do_not_wait_for_each_other():
    store = MemoryStore()
    database = Database(store)
    async with database.keyed("one"):
        assert database.keyed("one").locked()
        assert not database.keyed("two").locked()
    await database.close()


async def test_sessions_that_are_created_while_others_are_stored_are_stored_together():
    class SlowSessions(MemorySessions):
        def insert_many(self, new):
            batches.append(len(new))
            assert released.wait(10)
            super().insert_many(new)

    batches: list[int] = []
    released = Event()
    store = MemoryStore()
    store.sessions = SlowSessions(store.contents)
    placement = Placement(sessions_per_host=2, warm_hosts=1, max_hosts=2)
    registry = Registry(store, load_capabilities(), placement)
    keys = [Idempotency.of("POST /v1/sessions", f"key {number}", b"body") for number in range(5)]
    first = asyncio.create_task(registry.sessions.create(wanted()))
    await eventually(lambda: batches)
    later = [asyncio.create_task(registry.sessions.create(wanted(), key)) for key in keys]
    again = asyncio.create_task(registry.sessions.create(wanted(), keys[0]))
    await asyncio.sleep(0)
    released.set()

    created = await asyncio.gather(first, *later)

    assert await again == created[1]
    assert [await registry.sessions.get(each.id) for each in created] == created
    assert sum(batches) == 6
    assert len(batches) < 6
    await registry.close()
