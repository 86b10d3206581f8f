"""Cancelling a turn, at any moment."""

import asyncio
import threading

from everruns.domain.events import TURN_ENDS, EventType
from everruns.providers.base import TextDelta
from everruns.runtime import turn_tasks
from everruns.storage.memory.logs import MemoryLogs
from everruns.storage.memory.store import MemoryStore
from everruns.tools.function import tool
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says
from tests.waiting import PATIENCE_S, eventually


def gated_tool(gate: Gate):
    @tool()
    async def work() -> str:
        """Work."""
        await gate.pass_through()
        return "done"

    return work


@tool()
async def quick() -> str:
    """Be quick."""
    return "quick"


async def test_text_that_was_streamed_is_kept_as_an_incomplete_message():
    gate = Gate()
    driver = ScriptedDriver(says("Hello ", "wor", gate, "ld"), says("Fine."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        async with talk.reading() as reader:
            await reader.until(lambda: reader.text == "Hello wor")
            assert await runtime.sessions.cancel(talk.id, "enough")
            end = await reader.until_type(*TURN_ENDS)
            assert end.data["reason"] == "enough"
            (shown,) = reader.texts.items()
        answer = (await talk.messages())[-1]
        assert (answer.id, answer.text) == shown
        assert answer.metadata == {"incomplete": True}
        assert driver.closed == 1, "the model call was ended"
        assert await talk.say("and now?") == "Fine."
        assert driver.read(1) == ["user: hi", "agent: Hello wor", "user: and now?"]


async def test_cancelling_again_does_nothing():
    gate = Gate()
    async with local_runtime(ScriptedDriver(says(gate))) as runtime:
        talk = await Conversation.begin(runtime)
        assert not await runtime.sessions.cancel(talk.id)
        await talk.send("hi")
        await gate.reached.wait()
        outcomes = await asyncio.gather(*(runtime.sessions.cancel(talk.id) for _ in range(5)))
        assert sorted(outcomes) == [False, False, False, False, True]
        assert not await runtime.sessions.cancel(talk.id)
        assert (await talk.types()).count("session.cancelled") == 1


async def test_before_the_first_word_nothing_is_kept():
    gate = Gate()
    async with local_runtime(ScriptedDriver(says(gate, "Hello"))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        await gate.reached.wait()
        await runtime.sessions.cancel(talk.id)
        assert await talk.types() == ["message.created", "session.started", "session.cancelled"]


async def test_a_tool_that_runs_is_stopped_and_its_result_says_so():
    gate = Gate()
    driver = ScriptedDriver(calls(call("work"), call("quick")), says("Fine."))
    async with local_runtime(driver, gated_tool(gate), quick) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("go")
        async with talk.reading() as reader:
            await reader.until_type("tool.result")
        await runtime.sessions.cancel(talk.id)
        results = {item["name"]: item for item in await talk.data_of("tool.result")}
        assert results["quick"]["result"] == "quick"
        assert not results["work"]["success"]
        assert "cancelled" in results["work"]["error"]
        assert await talk.say("and now?") == "Fine."
        read = driver.requests[1].messages
        assert [said.role for said in read] == [
            "user",
            "agent",
            "tool_result",
            "tool_result",
            "user",
        ]


async def test_a_message_sent_while_cancelling_is_answered_by_a_turn():
    for ticks in range(12):
        gate = Gate()
        driver = ScriptedDriver(says("so ", "far", gate), says("Second."), says("Second."))
        async with local_runtime(driver) as runtime:
            talk = await Conversation.begin(runtime)
            await talk.send("first")
            await gate.reached.wait()
            cancelling = asyncio.create_task(runtime.sessions.cancel(talk.id))
            for _ in range(ticks):
                await asyncio.sleep(0)
            await talk.send("second")
            assert await cancelling
            types = await talk.types()
            if types.index("session.cancelled") < len(types) - 1:
                assert (await talk.ended()).type == EventType.SESSION_COMPLETED
            assert "agent: so far" in await talk.texts(), "what was streamed is kept"
            assert len(driver.requests) <= 2, "a cancelled turn does not ask the model again"


async def test_at_every_moment_of_a_turn_there_is_exactly_one_end():
    async def cancelled_after(runtime, ticks: int) -> None:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("go")
        for _ in range(ticks):
            await asyncio.sleep(0)
        cancelled = await runtime.sessions.cancel(talk.id)
        end = await talk.ended()
        types = await talk.types()
        assert sum(kind in TURN_ENDS for kind in types) == 1
        assert types[-1] == end.type
        assert cancelled == (end.type == EventType.SESSION_CANCELLED)
        assert (await runtime.registry.sessions.get(talk.id)).status == "idle"
        log = await talk.log()
        asked = [event.data["tool_call"]["id"] for event in log if event.type == "tool.call"]
        told = [event.data["tool_call_id"] for event in log if event.type == "tool.result"]
        assert sorted(asked) == sorted(told)

    async def answer(request):
        first = request.messages[-1].role == "user"
        steps = calls(call("quick"), words=["Let ", "me "]) if first else says("Done ", "it.")
        async for chunk in steps(request):
            yield chunk

    driver = ScriptedDriver(*[answer] * 400)
    async with local_runtime(driver, quick) as runtime:
        await asyncio.gather(*(cancelled_after(runtime, ticks) for ticks in range(0, 160, 2)))


async def test_a_turn_that_another_client_ended_cannot_be_cancelled_any_more():
    async with local_runtime(ScriptedDriver(says("Hello."))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        assert not await runtime.sessions.cancel(talk.id)
        assert (await talk.types())[-1] == "session.completed"


async def test_cancelling_is_done_within_a_second_even_if_the_model_does_not_let_go():
    gate, released = Gate(), asyncio.Event()

    async def stubborn(_request):
        yield TextDelta("Hello ")
        gate.reached.set()
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    async with local_runtime(ScriptedDriver(stubborn)) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        await gate.reached.wait()
        async with asyncio.timeout(PATIENCE_S):
            assert await runtime.sessions.cancel(talk.id)
        assert (await talk.types())[-1] == "session.cancelled"
        assert (await talk.messages())[-1].text == "Hello "
        released.set()


async def test_a_message_stored_just_as_the_turn_was_stopped_does_not_set_it_going(monkeypatch):
    gate = Gate()
    driver = ScriptedDriver(says("so far", gate), says("Second."))
    stop = turn_tasks.stop
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)

        async def stop_then_send(session) -> None:
            await stop(session)
            await talk.send("second")

        await talk.send("first")
        await gate.reached.wait()
        monkeypatch.setattr(turn_tasks, "stop", stop_then_send)
        assert await runtime.sessions.cancel(talk.id)
        monkeypatch.setattr(turn_tasks, "stop", stop)
        assert await talk.texts() == ["user: first", "user: second", "agent: so far"]
        assert len(driver.requests) == 1


async def test_an_answer_that_is_just_being_stored_is_stored_and_then_the_turn_ends():
    reached, released = threading.Event(), threading.Event()

    class SlowLogs(MemoryLogs):
        def append(self, appends):
            if b'"role":"agent"' in appends[0].events[0].body:
                reached.set()
                assert released.wait(PATIENCE_S)
            return super().append(appends)

    driver = ScriptedDriver(calls(call("quick"), words=["Let me see."]))
    store = MemoryStore()
    store.logs = SlowLogs(store.contents)
    async with local_runtime(driver, quick, store=store) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        async with talk.reading() as reader:
            await talk.send("hi")
            await reader.until_type("session.started")
            await eventually(reached.is_set)
            cancelling = asyncio.create_task(runtime.sessions.cancel(talk.id))
            await eventually(runtime.host.held.loaded[talk.id].task.cancelled)
            released.set()
            assert await cancelling
            await reader.until_type("session.cancelled")
            assert reader.events == await talk.log()
            assert reader.text == "Let me see."
        assert (await talk.types())[2:] == ["message.created", "session.cancelled"]
        assert (await talk.messages())[-1].metadata == {}
