"""How a host holds sessions: hibernation, eviction, moving, the end of the host."""

import asyncio
from threading import Event as ThreadGate

import pytest

from everruns.errors import (
    CapacityExhausted,
    PlacedElsewhere,
    SequenceConflict,
    StoreUnavailable,
)
from everruns.registry.hosting import Location
from everruns.registry.logs import LoadedSession
from everruns.runtime import routes as places
from everruns.runtime.local import HOST
from everruns.storage.memory.logs import MemoryLogs
from everruns.storage.memory.store import MemoryStore
from everruns.tools.function import tool
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says
from tests.waiting import PATIENCE_S, eventually


async def test_a_quiet_session_leaves_memory_and_comes_back_as_it_was():
    driver = ScriptedDriver(says("One."), says("Two."))
    async with local_runtime(driver, hibernate_after_s=0.02) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("one")
        await eventually(lambda: not runtime.host.held._sessions)
        await eventually(lambda: runtime.registry.placement.find(talk.id) is None)
        assert await talk.say("two") == "Two."
        assert driver.read(1) == ["user: one", "agent: One.", "user: two"]


async def test_a_session_with_a_turn_or_a_reader_stays():
    gate = Gate()
    async with local_runtime(ScriptedDriver(says(gate, "One."))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("one")
        await gate.reached.wait()
        assert await runtime.host.hibernate(0) == 0
        async with talk.reading() as reader:
            await reader.next()
            waiting = asyncio.create_task(reader.until_type("session.completed"))
            gate.open()
            await waiting
            listening = asyncio.create_task(reader.next())
            session = runtime.host.held.loaded[talk.id]
            await eventually(lambda: session.watchers and not session.is_busy)
            assert await runtime.host.hibernate(0) == 0
            listening.cancel()
            await asyncio.wait([listening])
        await eventually(lambda: not session.watchers)
        assert await runtime.host.hibernate(0) == 1


async def test_what_rests_is_handed_on_with_its_readers_and_what_is_at_work_is_not():
    gate = Gate()
    async with local_runtime(ScriptedDriver(says("One."), says(gate, "Two."))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("one")
        async with talk.reading() as reader:
            await reader.until_type("session.completed")
            assert await runtime.host.hand_on() == 0
            assert await runtime.registry.hosting.holder(talk.id) is None
            await talk.send("two")
            await gate.reached.wait()
            assert await runtime.host.hand_on() == 1
            gate.open()
            await reader.until(
                lambda: [event.type for event in reader.events].count("session.completed") == 2
            )
            assert reader.events == await talk.log()


async def test_a_turn_whose_end_is_just_being_stored_is_not_put_to_sleep(monkeypatch):
    class SlowLogs(MemoryLogs):
        def append(self, appends):
            if any(event.type == "session.completed" for one in appends for event in one.events):
                reached.set()
                assert released.wait(PATIENCE_S)
            return super().append(appends)

    reached, released = ThreadGate(), ThreadGate()
    store = MemoryStore()
    store.logs = SlowLogs(store.contents)
    async with local_runtime(ScriptedDriver(says("One.")), store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("one")
        await eventually(reached.is_set)
        assert runtime.host.held.loaded[talk.id].state.turn is None
        assert await runtime.host.hibernate(0) == 0
        released.set()
        assert (await talk.ended()).type == "session.completed"


async def test_a_full_host_lets_quiet_sessions_go_for_new_ones():
    driver = ScriptedDriver(*[says(str(number)) for number in range(6)])
    async with local_runtime(driver, sessions_per_actor=1) as runtime:
        talks = [await Conversation.begin(runtime) for _ in range(3)]
        for number, talk in enumerate([*talks, *talks]):
            assert await talk.say("hi") == str(number)
            assert list(runtime.host.held.loaded) == [talk.id]


async def test_a_host_full_of_running_turns_refuses_and_says_when_to_come_back():
    gate = Gate()
    driver = ScriptedDriver(says(gate, "One."), says("Two."))
    async with local_runtime(driver, sessions_per_actor=1) as runtime:
        busy, other = await Conversation.begin(runtime), await Conversation.begin(runtime)
        await busy.send("hi")
        await gate.reached.wait()
        with pytest.raises(CapacityExhausted) as full:
            await other.send("hi")
        assert full.value.retry_after_s
        gate.open()
        await busy.ended()
        assert await other.say("hi") == "Two."


async def test_a_stream_and_a_turn_survive_that_their_session_moves():
    gate = Gate()
    driver = ScriptedDriver(says("Hello ", gate), says("Hello ", "again."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        async with talk.reading() as reader:
            await reader.until(lambda: reader.text == "Hello ")
            runtime.host.held.loaded[talk.id].close()
            await reader.until_type("session.completed")
            assert reader.text == "Hello again."
            assert reader.events == await talk.log()


async def test_who_was_overtaken_in_the_log_lets_go_and_the_send_succeeds_anew():
    store = MemoryStore()
    driver = ScriptedDriver(says("One."), says("Two."))
    async with local_runtime(driver, store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("one")
        append, refuse = store.logs.append, [True]

        def overtaken(appends):
            return [SequenceConflict("taken")] if refuse and refuse.pop() else append(appends)

        store.logs.append = overtaken
        assert await talk.say("two") == "Two."
        assert await talk.texts() == ["user: one", "agent: One.", "user: two", "agent: Two."]


async def test_a_session_that_was_lost_between_two_tools_runs_each_at_most_once():
    gates = [Gate(), Gate()]
    ran: list[int] = []

    @tool()
    async def work(number: int) -> None:
        """Work."""
        ran.append(number)
        await gates[number].pass_through()

    wanted = [call("work", f"call_{number}", number=number) for number in range(2)]
    driver = ScriptedDriver(calls(*wanted), says("Done."))
    store = MemoryStore()
    async with local_runtime(driver, work, store=store) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"], parallel_tool_calls=False)
        await talk.send("go")
        await gates[0].reached.wait()
        append, refuse = store.logs.append, [True]
        store.logs.append = lambda appends: (
            [SequenceConflict("taken")] if refuse and refuse.pop() else append(appends)
        )
        for gate in gates:
            gate.open()
        # Loaded anew: the first had been announced and is not run again, the second had not.
        await talk.ended()
        assert ran == [0, 1]


async def test_tidying_goes_on_after_the_registry_was_away():
    async with local_runtime(hibernate_after_s=0.02) as runtime:
        release, failures = runtime.registry.hosting.release, [StoreUnavailable("away")]

        async def sometimes(*args):
            if failures:
                raise failures.pop()
            await release(*args)

        runtime.registry.hosting.release = sometimes
        for _ in range(2):
            talk = await Conversation.begin(runtime)
            await runtime.host.activate(talk.id)
            await eventually(lambda: not runtime.host.held._sessions)
        await eventually(lambda: runtime.registry.placement.find(talk.id) is None)
        assert HOST in runtime.registry.placement.hosts


async def test_a_host_that_stops_leaves_turns_open_and_begins_nothing_more():
    gate, never = Gate(), Gate()
    driver = ScriptedDriver(says("Hel", gate, "lo"), says(never))
    async with local_runtime(driver) as runtime:
        talks = [await Conversation.begin(runtime) for _ in range(2)]
        for talk in talks:
            await talk.send("hi")
        await gate.reached.wait()
        await never.reached.wait()
        await runtime.host.close()
        for talk in talks:
            for _ in range(2):
                with pytest.raises(PlacedElsewhere):
                    await runtime.host.activate(talk.id)
            assert [event.type for event in await talk.log()] == [
                "message.created",
                "session.started",
            ]
        assert driver.closed == 2


async def test_of_many_places_those_remembered_longest_are_looked_up_anew(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(places, "REMEMBERED_PLACES", 2)
    looked_up: list[str] = []
    async with local_runtime(ScriptedDriver(*[says("Hello.")] * 6)) as runtime:
        place = runtime.registry.hosting.place_loaded

        async def counted(session_id: str) -> tuple[Location, LoadedSession | None]:
            looked_up.append(session_id)
            return await place(session_id)

        monkeypatch.setattr(runtime.registry.hosting, "place_loaded", counted)
        first, second, third = [await Conversation.begin(runtime) for _ in range(3)]
        for talk in (first, second, third, third, second, first):
            await talk.say("hi")
        assert looked_up == [first.id, second.id, third.id, first.id]
