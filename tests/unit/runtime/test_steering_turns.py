"""Messages that arrive during a turn steer it."""

import asyncio

from everruns.domain.events import EventType
from everruns.tools.function import tool
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says


async def test_a_message_during_a_model_call_makes_the_turn_go_on():
    gate = Gate()
    driver = ScriptedDriver(says("First ", gate, "answer."), says("Second answer."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("first")
        await gate.reached.wait()
        await talk.send("steering")
        gate.open()
        await talk.ended()
        assert driver.read(1) == ["user: first", "agent: First answer.", "user: steering"]
        assert (await talk.types()).count("session.started") == 1
        (completed,) = await talk.data_of("session.completed")
        assert completed["iterations"] == 2
        assert completed["final_message_id"] == (await talk.messages())[-1].id


async def test_a_message_while_tools_run_is_read_at_the_next_step():
    gate = Gate()

    @tool()
    async def work() -> str:
        """Work."""
        await gate.pass_through()
        return "done"

    driver = ScriptedDriver(calls(call("work"), words=["Working."]), says("Both done."))
    async with local_runtime(driver, work) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("first")
        await gate.reached.wait()
        await talk.send("steering")
        gate.open()
        await talk.ended()
        assert driver.read(1) == [
            "user: first",
            "agent: Working.",
            "tool_result: ['tool_result']",
            "user: steering",
        ]
        assert len(driver.requests) == 2


async def test_a_message_at_the_very_end_is_always_answered():
    async def steered_after(runtime, ticks: int) -> None:
        talk = await Conversation.begin(runtime)
        await talk.send("first")
        for _ in range(ticks):
            await asyncio.sleep(0)
        second = await talk.send("second")
        await talk.ended()
        types = await talk.types()
        assert types.count("session.started") == types.count("session.completed")
        messages = await talk.messages()
        assert messages[-1].role == "agent"
        assert messages[-1].text.endswith("second")
        assert second in messages

    async def echo(request):
        said = [message.text for message in request.messages if message.role == "user"]
        async for chunk in says("You ", "said: ", said[-1])(request):
            yield chunk

    async with local_runtime(ScriptedDriver(*[echo] * 200)) as runtime:
        await asyncio.gather(*(steered_after(runtime, ticks) for ticks in range(60)))


async def test_the_newest_messages_controls_count_for_the_next_step():
    gate = Gate()
    driver = ScriptedDriver(says(gate, "1"), says("2"))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("first", controls={"reasoning": {"effort": "low"}})
        await gate.reached.wait()
        await talk.send("second", controls={"reasoning": {"effort": "high"}})
        gate.open()
        await talk.ended()
        assert [asked.effort for asked in driver.requests] == ["low", "high"]


async def test_messages_a_failed_turn_never_read_are_read_by_the_next():
    gate = Gate()
    driver = ScriptedDriver(says(gate, RuntimeError("broken")), says("Fine."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("first")
        await gate.reached.wait()
        await talk.send("steering")
        gate.open()
        assert (await talk.ended()).type == EventType.SESSION_FAILED
        assert await talk.say("next") == "Fine."
        assert driver.read(1) == ["user: first", "user: steering", "user: next"]
