"""A last turn that is started again: with the same input, once, whatever crashes."""

import asyncio
from typing import Any

import pytest

from everruns.domain.controls import Controls
from everruns.domain.idempotency import Idempotency
from everruns.domain.messages import Message
from everruns.domain.tools import ToolResults
from everruns.errors import CallClosed, Conflict, HostLost, IdempotencyKeyReused, UnknownModel
from everruns.providers.base import ModelAnswer
from everruns.runtime.feed.cursor import Cursor
from everruns.storage.memory.store import MemoryStore
from everruns.tools.function import tool
from tests.conversations import Conversation, simulated
from tests.scripts import USAGE, Gate, ScriptedDriver, call, calls, local_runtime, says, step

ASKED = {"name": "look_up", "description": "Look up.", "parameters": {"type": "object"}}


@tool()
async def work() -> str:
    """Work."""
    return "done"


async def retry(talk: Conversation, key: str | None = None, **controls: Any):
    wanted = Controls(**controls) if controls else None
    keyed = Idempotency.of("retry", key, str(controls).encode()) if key else None
    return await talk.runtime.sessions.retry(talk.id, wanted, keyed)


async def all_messages(talk: Conversation) -> list[Message]:
    page = await talk.runtime.registry.logs.messages(talk.id, 0, 100, include_superseded=True)
    return list(page.data)


async def test_a_failed_turn_is_started_again_with_the_same_input():
    driver = ScriptedDriver(step(ValueError("broken")), says("Fine."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        sent = await talk.send("hi")
        assert (await talk.ended()).type == "session.failed"
        (first,) = await talk.data_of("session.started")

        started = await retry(talk)
        assert (await talk.ended()).type == "session.completed"

        assert (started.retry_of, started.input_message_id) == (first["turn_id"], sent.id)
        assert driver.read(1) == ["user: hi"]
        assert await talk.texts() == ["user: hi", "agent: Fine."]
        assert (await talk.ended()).turn_id == started.turn_id


async def test_an_unwanted_answer_and_its_tool_calls_leave_the_conversation_not_the_log():
    driver = ScriptedDriver(
        says("Before."), calls(call("work"), words=["Working."]), says("Bad."), says("Good.")
    )
    async with local_runtime(driver, work) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.say("one")
        await talk.say("two")
        await retry(talk)
        await talk.ended()

        assert driver.read(3) == ["user: one", "agent: Before.", "user: two"]
        assert await talk.texts() == ["user: one", "agent: Before.", "user: two", "agent: Good."]
        everything = await all_messages(talk)
        assert [message.text for message in everything if message.superseded] == [
            "Working.",
            "",
            "Bad.",
        ]
        session = await runtime.registry.sessions.get(talk.id)
        assert (session.preview, session.output_preview) == ("one", "Good.")
        assert session.usage.input_tokens == 4 * USAGE.input_tokens


async def test_messages_that_steered_the_turn_are_read_again_in_order():
    gate = Gate()
    driver = ScriptedDriver(says(gate, "First."), says("Second."), says("Both."), says("Again."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("one")
        await gate.reached.wait()
        await talk.send("two")
        gate.open()
        await talk.ended()
        for number, text in ((2, "Both."), (3, "Again.")):
            await retry(talk)
            await talk.ended()
            assert driver.read(number) == ["user: one", "user: two"]
            assert await talk.texts() == ["user: one", "user: two", f"agent: {text}"]


async def test_a_retry_can_have_another_model_and_keeps_the_messages_other_options():
    async with local_runtime() as runtime:
        first = await simulated(runtime, reply="From the first.")
        second = await simulated(runtime, reply="From the second.")
        talk = await Conversation.begin(runtime, model_id=first)
        assert await talk.say("hi") == "From the first."

        await retry(talk, model_id=second)
        await talk.ended()
        assert (await talk.messages())[-1].text == "From the second."
        assert await talk.say("again") == "From the first."
        with pytest.raises(UnknownModel):
            await retry(talk, model_id="nope/x")
        assert (await talk.ended()).type == "session.completed"


async def test_options_of_a_retry_count_until_the_next_message():
    gate = Gate()
    driver = ScriptedDriver(says("1"), says(gate, "2"), says("3"))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("one", controls={"temperature": 0.1, "seed": 1})
        await talk.ended()
        await retry(talk, temperature=0.9)
        await gate.reached.wait()
        await talk.send("two", controls={"temperature": 0.3})
        gate.open()
        await talk.ended()

        given = [(each.controls.temperature, each.controls.seed) for each in driver.requests]
        assert given == [(0.1, 1), (0.9, 1), (0.3, None)]


async def test_an_open_turn_must_be_cancelled_first():
    gate = Gate()
    driver = ScriptedDriver(says("Hel", gate), says("Hello."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        await gate.reached.wait()
        with pytest.raises(Conflict, match="Cancel it first"):
            await retry(talk)
        await runtime.sessions.cancel(talk.id)
        await retry(talk)
        await talk.ended()
        assert await talk.texts() == ["user: hi", "agent: Hello."]


async def test_a_session_without_a_turn_has_nothing_to_retry():
    async with local_runtime() as runtime:
        talk = await Conversation.begin(runtime)
        with pytest.raises(Conflict, match="no turn to retry"):
            await retry(talk)


async def test_a_key_starts_one_turn_also_after_hibernation():
    driver = ScriptedDriver(says("1"), says("2"))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        started = await asyncio.gather(*(retry(talk, key="k") for _ in range(5)))
        await talk.ended()
        assert await runtime.host.hibernate(0) == 1
        assert await retry(talk, key="k") == started[0]
        assert len({one.turn_id for one in started}) == 1
        with pytest.raises(IdempotencyKeyReused):
            await retry(talk, key="k", temperature=0.5)
        assert len(driver.requests) == 2


async def test_a_call_whose_host_is_lost_after_it_retries_once():
    driver = ScriptedDriver(says("1"), says("2"))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        carried_out, lost = runtime.host.retry, []

        async def lose(*args: Any) -> Any:
            answer = await carried_out(*args)
            if not lost:
                lost.append(answer)
                raise HostLost("the host died after it had stored the retry")
            return answer

        runtime.host.retry = lose
        assert await retry(talk) == lost[0]
        await talk.ended()
        assert (await talk.types()).count("session.started") == 2


async def test_a_retry_whose_process_dies_at_once_is_resumed_with_the_same_input():
    store, gate = MemoryStore(), Gate()
    driver = ScriptedDriver(says("Bad."), says(gate))
    async with local_runtime(driver, store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        started = await retry(talk)
        await gate.reached.wait()
    driver = ScriptedDriver(says("Good."))
    async with local_runtime(driver, store=store) as runtime:
        talk = Conversation(runtime, talk.session)
        ended = await talk.ended()
        assert (ended.type, ended.turn_id) == ("session.completed", started.turn_id)
        assert driver.read(0) == ["user: hi"]
        assert await talk.texts() == ["user: hi", "agent: Good."]


async def test_a_call_of_the_retried_turn_never_has_the_id_of_a_superseded_one():
    driver = ScriptedDriver(
        calls(call("work", "call_1")), says("Bad."), calls(call("work", "call_1")), says("Good.")
    )
    async with local_runtime(driver, work) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.say("hi")
        await retry(talk)
        await talk.ended()
        ids = [data["tool_call"]["id"] for data in await talk.data_of("tool.call")]
        assert len(ids) == len(set(ids)) == 2


async def test_a_turn_that_waited_for_its_client_is_retried_after_its_end():
    driver = ScriptedDriver(
        calls(call("look_up", "call_1")), calls(call("look_up", "call_2")), says("Found.")
    )
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime, tools=[ASKED])
        await talk.send("hi")
        async with talk.reading(Cursor(0)) as reader:
            await reader.until_type("tool.call")
        with pytest.raises(Conflict, match="Cancel it first"):
            await retry(talk)
        await runtime.sessions.cancel(talk.id)
        started = await retry(talk)
        async with talk.reading(Cursor(started.sequence)) as reader:
            await reader.until_type("tool.call")
        given = {"tool_results": [{"tool_call_id": "call_2", "result": 1}]}
        await runtime.sessions.take(talk.id, ToolResults.model_validate(given))
        await talk.ended()
        assert await talk.texts() == ["user: hi", "agent: ", "agent: Found."]


async def test_a_reader_without_a_cursor_begins_with_the_retry():
    driver = ScriptedDriver(says("1"), says("2"))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        started = await retry(talk)
        await talk.ended()
        async with talk.reading(Cursor()) as reader:
            await reader.until_type("session.completed")
            assert reader.events[0].sequence == started.sequence


async def test_an_answer_without_text_or_calls_can_be_retried():
    driver = ScriptedDriver(step(ModelAnswer(usage=USAGE)), says("Words."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        await talk.ended()
        await retry(talk)
        await talk.ended()
        assert (await talk.messages())[-1].text == "Words."


@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize("was_answered", [True, False])
async def test_input_for_a_superseded_call_comes_too_late_whether_the_new_turn_runs_or_not(
    is_running: bool, was_answered: bool
):
    gate = Gate()
    driver = ScriptedDriver(
        calls(call("look_up", "call_1")),
        *([says("Bad.")] if was_answered else []),
        says(*([gate] if is_running else []), "Good."),
    )
    given = ToolResults.model_validate({"tool_results": [{"tool_call_id": "call_1", "result": 1}]})
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime, tools=[ASKED])
        await talk.send("hi")
        async with talk.reading(Cursor(0)) as reader:
            await reader.until_type("tool.call")
        if was_answered:
            await runtime.sessions.take(talk.id, given)
            await talk.ended()
        else:
            await runtime.sessions.cancel(talk.id)
        await retry(talk)
        await (gate.reached.wait() if is_running else talk.ended())

        with pytest.raises(CallClosed, match="retry"):
            await runtime.sessions.take(talk.id, given)
        gate.open()
        await talk.ended()


async def test_a_decision_on_a_superseded_call_comes_too_late_too():
    @tool(destructive=True)
    async def destroy() -> str:
        """Destroy."""
        return "destroyed"

    driver = ScriptedDriver(calls(call("destroy", "call_1")), says("Bad."), says("Good."))
    async with local_runtime(driver, destroy) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit", "tool_approval"])
        await talk.send("hi")
        async with talk.reading(Cursor(0)) as reader:
            await reader.until_type("tool.approval")
        await talk.decide("call_1", "allow")
        await talk.ended()
        await retry(talk)
        await talk.ended()

        with pytest.raises(CallClosed, match="retry"):
            await talk.decide("call_1", "allow")
