"""The agent loop from the first message to the end of the turn."""

import pytest

from everruns.domain.agents import AgentInput, AgentPatch
from everruns.domain.events import EventType
from everruns.domain.llm import ProviderInput
from everruns.domain.usage import Usage
from everruns.errors import SessionNotFound
from everruns.ids import new_id
from everruns.providers.base import ModelAnswer, TextDelta
from tests.conversations import Conversation, simulated
from tests.scripts import Gate, ScriptedDriver, add, call, calls, local_runtime, says, step


async def test_a_question_is_answered():
    driver = ScriptedDriver(says("Hello ", "there."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        assert await talk.say("hi") == "Hello there."
        assert await talk.types() == [
            "message.created",
            "session.started",
            "message.created",
            "session.completed",
        ]
        (completed,) = await talk.data_of("session.completed")
        answer = (await talk.messages())[-1]
        assert completed["final_message_id"] == answer.id
        assert completed["iterations"] == 1
        assert completed["usage"]["output_tokens"] == 5
        assert (await runtime.registry.sessions.get(talk.id)).usage.output_tokens == 5


async def test_all_events_of_a_turn_name_it_and_its_first_message():
    driver = ScriptedDriver(calls(call("add", a=1, b=2)), says("3"))
    async with local_runtime(driver, add) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        sent = await talk.send("add")
        await talk.ended()
        log = await talk.log()
        assert {event.context["input_message_id"] for event in log} == {sent.id}
        assert len({event.turn_id for event in log}) == 1
        assert [event.sequence for event in log] == list(range(1, len(log) + 1))
        assert sorted(event.id for event in log) == [event.id for event in log]


async def test_a_turn_that_never_ends_is_ended_and_the_session_goes_on():
    again = [calls(call("add", f"call_{number}", a=1, b=1)) for number in range(3)]
    driver = ScriptedDriver(*again, says("Fine."))
    async with local_runtime(driver, add) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"], max_iterations=3)
        await talk.send("go")
        end = await talk.ended()
        assert end.type == EventType.SESSION_FAILED
        assert end.data["error"]["code"] == "MAX_ITERATIONS"
        assert len(driver.requests) == 3
        assert (await runtime.registry.sessions.get(talk.id)).status == "idle"
        assert await talk.say("and now?") == "Fine."


async def test_without_a_model_the_turn_fails_and_says_what_to_do():
    async with local_runtime() as runtime:
        for provider in await runtime.registry.providers.list():
            await runtime.registry.providers.delete(provider.id)
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        error = (await talk.ended()).data["error"]
        assert error["code"] == "NO_MODEL"
        assert "POST /v1/llm-providers" in error["message"]
        await simulated(runtime, reply="Here I am.")
        assert await talk.say("and now?") == "Here I am."


async def test_a_provider_that_cannot_be_used_fails_the_turn_instead_of_blocking_it():
    async with local_runtime() as runtime:
        provider = await runtime.registry.providers.add(
            ProviderInput.model_validate(
                {
                    "name": "azure",
                    "provider_type": "azure_openai",
                    "models": [{"model_id": "gpt"}],
                    "base_url": "https://resource.example/openai/v1",
                }
            )
        )
        # As a version stored it that did not ask for the address.
        account, *_ = await runtime.registry.providers.accounts()
        nowhere = provider.model_copy(update={"base_url": None})
        await runtime.registry.providers._put(account.model_copy(update={"provider": nowhere}), ())
        talk = await Conversation.begin(runtime, model_id=provider.models[0].id)
        await talk.send("hi")
        end = await talk.ended()
        assert end.type == EventType.SESSION_FAILED
        assert "base_url" in end.data["error"]["message"]


async def test_a_fault_nobody_foresaw_ends_the_turn_without_details():
    driver = ScriptedDriver(says("so far ", RuntimeError("secret detail")), says("Fine."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        error = (await talk.ended()).data["error"]
        assert error["code"] == "TURN_FAILED"
        assert "secret" not in str(error)
        assert await talk.say("again") == "Fine."


async def test_a_changed_agent_counts_from_the_next_turn_on():
    driver = ScriptedDriver(says("1"), says("2"))
    async with local_runtime(driver) as runtime:
        agent, _ = await runtime.registry.agents.create(
            AgentInput(name="a", system_prompt="old words")
        )
        talk = await Conversation.begin(runtime, agent_id=agent.id)
        await talk.say("one")
        await runtime.registry.agents.update(agent.id, AgentPatch(system_prompt="new words"))
        await talk.say("two")
        assert [asked.system_prompt for asked in driver.requests] == ["old words", "new words"]


async def test_the_message_then_the_session_then_the_agent_names_the_model():
    async with local_runtime() as runtime:
        model = {
            name: await simulated(runtime, reply=name) for name in ("message", "session", "agent")
        }
        agent, _ = await runtime.registry.agents.create(
            AgentInput(name="a", default_model_id=model["agent"])
        )
        for_agent = await Conversation.begin(runtime, agent_id=agent.id)
        talk = await Conversation.begin(runtime, agent_id=agent.id, model_id=model["session"])
        assert await for_agent.say("hi") == "agent"
        assert await talk.say("hi") == "session"
        await talk.send("hi", controls={"model_id": model["message"]})
        await talk.ended()
        assert (await talk.messages())[-1].text == "message"


async def test_usage_and_reasoning_are_kept_with_the_answer():
    usage = Usage(input_tokens=7, output_tokens=3, cache_read_tokens=2)
    driver = ScriptedDriver(says("Four.", reasoning=["two ", "and two"]), says("x"))
    driver.steps[1] = step(TextDelta("Five."), ModelAnswer(usage=usage, finish_reason="length"))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("2+2?")
        assert (await talk.messages())[-1].thinking == "two and two"
        await talk.say("2+3?")
        said = (await talk.data_of("message.created"))[-1]
        assert said["usage"] == {**usage.wire(), "estimated_cost_usd": 0.0}
        assert said["finish_reason"] == "length"


async def test_sessions_run_their_turns_independently():
    gate = Gate()
    driver = ScriptedDriver(says(gate, "slow"), says("fast"))
    async with local_runtime(driver) as runtime:
        slow, fast = await Conversation.begin(runtime), await Conversation.begin(runtime)
        await slow.send("hi")
        await gate.reached.wait()
        assert await fast.say("hi") == "fast"
        gate.open()
        await slow.ended()


async def test_a_session_that_does_not_exist_is_told():
    async with local_runtime() as runtime:
        talk = await Conversation.begin(runtime)
        talk.id = new_id("session")
        with pytest.raises(SessionNotFound):
            await talk.send("hi")
        with pytest.raises(SessionNotFound):
            await runtime.sessions.cancel(talk.id)
        with pytest.raises(SessionNotFound):
            await runtime.sessions.delete(talk.id)
        with pytest.raises(SessionNotFound):
            await runtime.sessions.stream(talk.id, None)


async def test_an_answer_may_be_longer_than_what_users_may_send():
    text = "x" * 3_000_000
    async with local_runtime(ScriptedDriver(says(text))) as runtime:
        talk = await Conversation.begin(runtime)
        assert await talk.say("at length") == text


async def test_an_answer_without_end_is_broken_off_and_what_came_is_kept(monkeypatch):
    monkeypatch.setattr("everruns.runtime.turn.MAX_ANSWER_CHARACTERS", 10)
    async with local_runtime(ScriptedDriver(says("01234", "56789", "more"))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("on and on")
        ended = await talk.ended()
        assert ended.type == "session.failed"
        assert "longer than" in ended.data["error"]["message"]
        assert (await talk.messages())[-1].metadata == {"incomplete": True}
