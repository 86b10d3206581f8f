"""How a host loads sessions: from snapshots, handed over, and within its bound in bytes."""

import asyncio

import pytest

from everruns.domain import snapshots
from everruns.domain.snapshots import FORMAT
from everruns.errors import CapacityExhausted
from everruns.registry.hosting import Location
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.local import HOST, LocalRuntime
from everruns.storage.logs import EventQuery
from everruns.storage.memory.store import MemoryStore
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, local_runtime, says
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def _short_sessions_get_snapshots(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(snapshots, "DUE_EVENTS", 4)


def answers(count: int) -> ScriptedDriver:
    return ScriptedDriver(*(says(f"Answer {number}.") for number in range(count)))


async def talked(runtime: LocalRuntime, store: MemoryStore, turns: int = 3) -> Conversation:
    """A session with some turns and a snapshot, whose host has let it go."""
    talk = await Conversation.begin(runtime)
    for turn in range(turns):
        await talk.say(f"message {turn}")
    await eventually(lambda: store.contents.sessions[talk.id].snapshot)
    await eventually(lambda: not runtime.host.held._tasks)
    await runtime.host.hibernate(0)
    return talk


async def test_a_session_goes_on_from_its_snapshot_with_its_whole_conversation():
    store, driver = MemoryStore(), answers(4)
    async with local_runtime(driver, store=store) as runtime:
        talk = await talked(runtime, store)
        assert await talk.say("message 3") == "Answer 3."
        state = runtime.host.held.loaded[talk.id].state
        assert state.sequence == len(await talk.log())
    said = [f"{who} {number}" for number in range(4) for who in ("user: message", "agent: Answer")]
    read = [line.removesuffix(".") for line in driver.read(3)]
    assert read == said[:-1]


async def test_the_first_event_does_not_wait_for_the_conversation():
    """What the turns before have said is read when a model is asked, and not before."""
    store, gate = MemoryStore(), Gate()
    driver = ScriptedDriver(says("One."), says("Two."), says("Three."))
    async with local_runtime(driver, store=store) as runtime:
        talk = await talked(runtime, store, turns=2)
        read = runtime.registry.logs.events

        async def later(session_id: str, query: EventQuery):
            await gate.pass_through()
            return await read(session_id, query)

        runtime.registry.logs.events = later
        await talk.send("message 2")
        session = runtime.host.held.loaded[talk.id]
        assert session.state.turn is not None
        assert session.state.earlier
        gate.open()
        await eventually(lambda: session.state.turn is None)
        assert not session.state.earlier
    assert len(driver.read(2)) == 5


async def test_a_message_that_is_sent_again_after_long_is_found_in_the_log():
    store = MemoryStore()
    async with local_runtime(answers(3), store=store) as runtime:
        talk = await Conversation.begin(runtime)
        first = await talk.send("message 0", key="key")
        await talk.ended()
        for turn in (1, 2):
            await talk.say(f"message {turn}")
        await eventually(lambda: store.contents.sessions[talk.id].snapshot)
        await eventually(lambda: not runtime.host.held._tasks)
        await runtime.host.hibernate(0)
        assert await talk.send("message 0", key="key") == first
        assert runtime.host.held.loaded[talk.id].state.earlier


@pytest.mark.parametrize("damage", [b"", b"[]", b"\x00"])
async def test_a_snapshot_that_cannot_be_used_is_ignored(damage: bytes):
    store = MemoryStore()
    async with local_runtime(answers(4), store=store) as runtime:
        talk = await talked(runtime, store)
        store.contents.sessions[talk.id].snapshot = snapshots.Snapshot(talk.id, 5, FORMAT, damage)
        assert await talk.say("message 3") == "Answer 3."


async def test_a_snapshot_of_events_that_the_log_has_lost_is_ignored():
    """The database was restored without its newest events, and others took their places."""
    store = MemoryStore()
    async with local_runtime(answers(4), store=store) as runtime:
        talk = await talked(runtime, store)
        stored = store.contents.sessions[talk.id]
        kept = stored.snapshot
        del stored.events[4:]
        assert kept.sequence > 4
        assert await talk.say("message 3") == "Answer 3."
        await eventually(lambda: not runtime.host.held._tasks)
        await runtime.host.hibernate(0)
        stored.snapshot = kept
        await runtime.host.activate(talk.id)
        assert runtime.host.held.loaded[talk.id].state.sequence == len(await talk.log())


async def test_a_reader_gets_the_events_before_the_snapshot_too():
    store = MemoryStore()
    async with local_runtime(answers(3), store=store) as runtime:
        talk = await talked(runtime, store)
        length = len(await talk.log())
        async with talk.reading(Cursor(0)) as reader:
            await reader.until(lambda: len(reader.events) == length)
        assert [event.sequence for event in reader.events] == list(range(1, length + 1))


async def test_a_first_message_costs_two_calls_to_the_registry():
    async with local_runtime(answers(2)) as runtime:
        talk = await Conversation.begin(runtime)
        loads: list[str] = []
        load = runtime.registry.hosting.load

        async def counted(session_id: str, host: str, *, whole: bool = False):
            loads.append(session_id)
            return await load(session_id, host, whole=whole)

        runtime.registry.hosting.load = counted
        await talk.say("one")
        await runtime.host.hibernate(0)
        runtime.sessions._routes.forget(talk.id)
        await talk.say("two")
        assert loads == [], "placing it has brought what its host needs"


async def test_what_was_handed_over_too_late_is_refused_and_the_message_is_stored_once():
    """The session has gone on since it was placed, so its log is longer than the host is told."""
    async with local_runtime(answers(2)) as runtime:
        talk = await Conversation.begin(runtime)
        _, stale = await runtime.registry.hosting.place_loaded(talk.id)
        await talk.say("one")
        await runtime.host.hibernate(0)
        await runtime.registry.hosting.place(talk.id)
        place = runtime.registry.hosting.place_loaded
        asked: list[str] = []

        async def late(session_id: str):
            asked.append(session_id)
            return (Location(HOST), stale) if len(asked) == 1 else await place(session_id)

        runtime.registry.hosting.place_loaded = late
        runtime.sessions._routes.forget(talk.id)
        assert await talk.say("two") == "Answer 1."
        assert len(asked) > 1
        assert [text for text in await talk.texts() if text.startswith("user")] == [
            "user: one",
            "user: two",
        ]


async def test_a_host_lets_its_quiet_sessions_go_when_it_holds_too_many_bytes():
    async with local_runtime(answers(6), session_actor_bytes=40_000) as runtime:
        talks = [await Conversation.begin(runtime) for _ in range(6)]
        for talk in talks:
            await talk.send("x" * 8_000)
            await talk.ended()
            await eventually(lambda: runtime.host.held.size_bytes < 40_000)
        await eventually(lambda: not runtime.host.held._tasks)
        assert talks[-1].id in runtime.host.held.loaded
        assert talks[0].id not in runtime.host.held.loaded
        assert (await runtime.host.report(0)).size_bytes == runtime.host.held.size_bytes


async def test_a_full_host_first_lets_go_of_sessions_that_need_no_snapshot(monkeypatch):
    monkeypatch.setattr(snapshots, "DUE_EVENTS", 8)
    gate = Gate()
    async with local_runtime(answers(6), session_actor_bytes=40_000) as runtime:
        store_snapshot = runtime.registry.logs.put_snapshot

        async def later(snapshot: snapshots.Snapshot):
            await gate.pass_through()
            await store_snapshot(snapshot)

        runtime.registry.logs.put_snapshot = later
        longest_unused, *others = [await Conversation.begin(runtime) for _ in range(4)]
        for text in ("one", "two"):
            await longest_unused.say(text)
        for talk in others:
            await talk.say("x" * 8_000)
        await eventually(lambda: runtime.host.held.size_bytes < 40_000)
        assert others[0].id not in runtime.host.held.loaded
        assert longest_unused.id in runtime.host.held.loaded
        gate.open()


async def test_what_is_read_of_a_long_conversation_counts():
    store = MemoryStore()
    async with local_runtime(answers(4), store=store) as runtime:
        talk = await Conversation.begin(runtime)
        for _ in range(3):
            await talk.say("x" * 8_000)
        await eventually(lambda: store.contents.sessions[talk.id].snapshot)
        await eventually(lambda: not runtime.host.held._tasks)
        await runtime.host.hibernate(0)
        await talk.say("short")
        assert runtime.host.held.loaded[talk.id].size_bytes > 3 * 8_000


async def test_a_host_full_of_sessions_with_turns_takes_no_more():
    gate = Gate()
    driver = ScriptedDriver(says(gate, "One."), says("Two."))
    async with local_runtime(driver, session_actor_bytes=10_000) as runtime:
        large, other = await Conversation.begin(runtime), await Conversation.begin(runtime)
        await large.send("x" * 12_000)
        await gate.reached.wait()
        with pytest.raises(CapacityExhausted) as refused:
            await other.send("hi")
        assert refused.value.retry_after_s
        assert await runtime.registry.hosting.holder(other.id) is None
        gate.open()
        await large.ended()
        await asyncio.sleep(0)
        assert await other.say("hi") == "Two."
