"""Options for answers in turns: the message's over the session's over the agent's."""

import pytest

from everruns.domain.agents import AgentInput, AgentPatch
from everruns.domain.controls import AnswerControls
from everruns.domain.events import EventType
from everruns.domain.llm import ProviderInput, ProviderPatch
from everruns.errors import InvalidRequest, UnknownModel
from everruns.runtime.local import LocalRuntime
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, local_runtime, says

REFUSED = "Model work/gpt-5 takes no temperature. Leave it out, or choose another model."


async def add_work(runtime: LocalRuntime, *models: str, is_default: bool = False) -> str:
    """Add a provider of OpenAI's models; return its id."""
    fields = {
        "name": "work",
        "provider_type": "openai",
        "api_key": "sk-x",
        "is_default": is_default,
        "models": [{"model_id": name} for name in models],
    }
    return (await runtime.registry.providers.add(ProviderInput.model_validate(fields))).id


async def agent_with(runtime: LocalRuntime, **controls: object) -> str:
    wanted = AgentInput.model_validate({"name": "a", "controls": controls})
    return (await runtime.registry.agents.create(wanted))[0].id


async def test_each_option_is_the_most_specific_one():
    driver = ScriptedDriver(says("1"), says("2"), says("3"))
    async with local_runtime(driver) as runtime:
        agent_id = await agent_with(runtime, temperature=0.1, seed=1, stop=["A"])
        talk = await Conversation.begin(
            runtime, agent_id=agent_id, controls={"temperature": 0.2, "max_output_tokens": 20}
        )
        await talk.send("one", controls={"temperature": 0.3, "reasoning": {"effort": "low"}})
        await talk.ended()
        await talk.say("two")
        await runtime.registry.agents.update(
            agent_id, AgentPatch.model_validate({"controls": {"top_p": 0.5}})
        )
        await talk.say("three")

    session = {"temperature": 0.2, "max_output_tokens": 20}
    message = {"temperature": 0.3, "reasoning": {"effort": "low"}}
    assert [asked.controls for asked in driver.requests] == [
        AnswerControls.model_validate({"seed": 1, "stop": ["A"], **session, **message}),
        AnswerControls.model_validate({"seed": 1, "stop": ["A"], **session}),
        AnswerControls.model_validate({"top_p": 0.5, **session}),
    ]


async def test_a_message_with_an_option_that_its_model_refuses_is_not_stored():
    async with local_runtime() as runtime:
        await add_work(runtime, "gpt-5")
        agent_id = await agent_with(runtime, temperature=0.2)
        talk = await Conversation.begin(runtime, agent_id=agent_id)
        for controls in ({"model_id": "work/gpt-5"}, {"model_id": "work/gpt-5", "temperature": 1}):
            with pytest.raises(InvalidRequest) as refused:
                await talk.send("hi", controls=controls)
            assert str(refused.value) == REFUSED
        assert await talk.messages() == []


async def test_a_message_for_a_model_that_nobody_offers_is_not_stored():
    async with local_runtime() as runtime:
        talk = await Conversation.begin(runtime)
        with pytest.raises(UnknownModel, match="nobody/nothing"):
            await talk.send("hi", controls={"model_id": "nobody/nothing"})
        assert await talk.messages() == []


async def test_a_model_that_was_added_a_moment_ago_is_known():
    async with local_runtime(ScriptedDriver(says("1"), says("2"))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        await add_work(runtime, "gpt-5")
        sent = await talk.send("hi", controls={"model_id": "work/gpt-5"})
        assert sent.controls is not None
        await talk.ended()


async def test_a_retry_has_the_first_answer_whatever_has_become_of_the_model():
    async with local_runtime(ScriptedDriver(says("1"))) as runtime:
        provider_id = await add_work(runtime, "gpt-5")
        talk = await Conversation.begin(runtime)
        controls = {"model_id": "work/gpt-5"}
        sent = await talk.send("hi", key="k", controls=controls)
        await talk.ended()
        await runtime.registry.providers.delete(provider_id)
        assert await talk.send("hi", key="k", controls=controls) == sent


async def test_a_plain_message_asks_the_registry_nothing_before_it_is_stored():
    async with local_runtime(ScriptedDriver(says("1"))) as runtime:
        talk = await Conversation.begin(runtime, controls={"temperature": 0.2})
        asked: list[str | None] = []
        configuration = runtime.registry.configuration

        async def counted(agent_id: str | None):
            asked.append(agent_id)
            assert await talk.messages()
            return await configuration(agent_id)

        runtime.registry.configuration = counted
        await talk.say("hi")
        assert len(asked) == 1


async def test_a_turn_fails_in_the_same_words_when_its_model_has_changed_since():
    async with local_runtime() as runtime:
        provider_id = await add_work(runtime, "gpt-4.1", is_default=True)
        talk = await Conversation.begin(runtime, controls={"temperature": 0.2})
        await runtime.registry.providers.update(
            provider_id, ProviderPatch.model_validate({"models": [{"model_id": "gpt-5"}]})
        )
        await talk.send("hi")
        ended = await talk.ended()
        assert ended.type == EventType.SESSION_FAILED
        assert ended.data["error"] == {"code": "INVALID_REQUEST", "message": REFUSED}
