"""The timing of model calls, as the log has it."""

from everruns.ids import now_ms
from everruns.runtime import turn
from everruns.turn_failures import ProviderUnavailable
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says, step


async def test_an_answer_says_when_it_was_asked_for_when_it_began_and_when_it_ended():
    began = Gate()
    async with local_runtime(ScriptedDriver(says("Hello", began, " there."))) as runtime:
        talk = await Conversation.begin(runtime)
        before = now_ms()
        await talk.send("hi")
        await began.reached.wait()
        seen = now_ms()
        began.open()
        await talk.ended()
        timing = (await talk.data_of("message.created"))[-1]["timing"]

    assert before <= timing["started_ms"] <= timing["first_token_ms"] <= seen
    assert seen <= timing["ended_ms"] <= now_ms()
    assert (timing["attempts"], timing["provider"]) == (1, "simulated")


async def test_reasoning_is_what_begins_an_answer_too():
    driver = ScriptedDriver(says("Yes.", reasoning=["Hm."]))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        timing = (await talk.data_of("message.created"))[-1]["timing"]

    assert timing["first_token_ms"] >= timing["started_ms"]


async def test_an_answer_that_only_calls_tools_has_no_first_token():
    driver = ScriptedDriver(calls(call("nothing")), says("Done."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        _, asked, said = await talk.data_of("message.created")

    assert "first_token_ms" not in asked["timing"]
    assert "first_token_ms" in said["timing"]


async def test_a_user_message_has_no_timing():
    async with local_runtime(ScriptedDriver(says("Hello."))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        sent, _ = await talk.data_of("message.created")

    assert "timing" not in sent


async def test_retries_are_one_call_with_its_attempts_counted(monkeypatch):
    monkeypatch.setattr(turn, "FIRST_RETRY_S", 0.001)
    outage = ProviderUnavailable("Try again.")
    async with local_runtime(ScriptedDriver(step(outage), step(outage), says("Hello."))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        said = (await talk.data_of("message.created"))[-1]

    assert said["timing"]["attempts"] == 3


async def test_an_interrupted_call_has_its_timing_too():
    gate = Gate()
    async with local_runtime(ScriptedDriver(says("Hello", gate))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        await gate.reached.wait()
        await runtime.sessions.cancel(talk.id)
        (cancelled,) = await talk.data_of("session.cancelled")

    timing = cancelled["unfinished"]["timing"]
    assert timing["started_ms"] <= timing["first_token_ms"] <= timing["ended_ms"]
