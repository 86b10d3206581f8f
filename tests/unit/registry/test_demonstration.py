"""The demonstration: an agent that is there at the first start, and what it shows."""

import asyncio

from everruns.domain.agents import AgentInput
from everruns.domain.llm import ProviderInput, ProviderPatch
from everruns.domain.questions import QuestionAnswers
from everruns.domain.sessions import Session
from everruns.ids import DEMONSTRATION_AGENT_ID
from everruns.registry.demonstration import NAME, SCRIPT
from everruns.runtime.local import LocalRuntime
from everruns.storage.agents import AgentQuery
from everruns.storage.memory.store import MemoryStore
from tests.conversations import Conversation
from tests.scripts import local_runtime

STEPS = ["tool.call", "tool.call", "tool.call", "tool.approval", "tool.approval", "tool.call"]


async def agents(runtime: LocalRuntime) -> list[str]:
    return [agent.name for agent in (await runtime.agents.list(AgentQuery())).data]


async def providers(runtime: LocalRuntime) -> list[str]:
    return [provider.name for provider in await runtime.providers.list()]


async def test_it_is_there_once_and_its_provider_is_not_the_default():
    async with local_runtime() as runtime:
        for _ in range(2):
            await runtime.registry.seed_demonstration()

        assert await agents(runtime) == [NAME]
        assert await providers(runtime) == [NAME, "simulated"]
        defaults = [one.name for one in await runtime.providers.list() if one.is_default]
        assert defaults == ["simulated"]


async def test_a_runtime_without_the_server_has_none():
    async with local_runtime() as runtime:
        assert (await agents(runtime), await providers(runtime)) == ([], ["simulated"])


async def test_who_deletes_it_does_not_get_it_again():
    store = MemoryStore()
    async with local_runtime(store=store) as runtime:
        await runtime.registry.seed_demonstration()
        await runtime.agents.archive(DEMONSTRATION_AGENT_ID)
        (provider, _) = await runtime.providers.list()
        await runtime.providers.delete(provider.id)

    async with local_runtime(store=store) as runtime:
        await runtime.registry.seed_demonstration()

        assert (await agents(runtime), await providers(runtime)) == ([], ["simulated"])


async def test_an_installation_with_agents_is_left_as_it_is():
    async with local_runtime() as runtime:
        await runtime.agents.create(AgentInput(name="clerk"))
        await runtime.registry.seed_demonstration()

        assert (await agents(runtime), await providers(runtime)) == (["clerk"], ["simulated"])


async def test_a_start_that_was_interrupted_is_completed_by_the_next_one():
    async with local_runtime() as runtime:
        provider = {"name": NAME, "provider_type": "simulated", "settings": {"script": SCRIPT}}
        await runtime.providers.add(ProviderInput.model_validate(provider))
        await runtime.registry.seed_demonstration()

        assert await agents(runtime) == [NAME]
        assert await providers(runtime) == [NAME, "simulated"]


async def test_a_provider_of_its_name_that_offers_something_else_does_not_stop_the_start():
    async with local_runtime() as runtime:
        provider = {"name": NAME, "provider_type": "openai", "api_key": "sk-own"}
        await runtime.providers.add(ProviderInput.model_validate(provider))
        await runtime.registry.seed_demonstration()

        assert await agents(runtime) == []


async def begin(runtime: LocalRuntime) -> Conversation:
    """A session with the demonstration, whose script is played at full speed."""
    await runtime.registry.seed_demonstration()
    (provider, _) = await runtime.providers.list()
    unpaced = ProviderPatch.model_validate({"settings": {"script": SCRIPT}})
    await runtime.providers.update(provider.id, unpaced)
    return await Conversation.begin(runtime, agent_id=DEMONSTRATION_AGENT_ID)


async def waiting(talk: Conversation, kind: str) -> str:
    """Wait until the turn waits for something of this type; return the call."""

    async def found() -> Session:
        while not (session := await talk.runtime.sessions.get(talk.id)).waiting_for:
            await asyncio.sleep(0)
        return session

    (wait,) = (await asyncio.wait_for(found(), 30)).waiting_for
    assert wait.type == kind
    return wait.tool_call_id


async def play(talk: Conversation, decision: str) -> str:
    """Go through a turn as a person does; return its last answer."""
    await talk.send("Show me.")
    await waiting(talk, "question")
    chosen = {"answers": [{"id": "next", "selected": ["An approval"]}]}
    await talk.runtime.sessions.take(talk.id, QuestionAnswers.model_validate(chosen))
    call_id = await waiting(talk, "approval")
    await talk.decide(call_id, decision)
    await talk.ended()
    return (await talk.messages())[-1].text


async def test_every_message_shows_tools_a_question_an_approval_and_an_answer():
    async with local_runtime() as runtime:
        talk = await begin(runtime)

        for decision in ("allow", "reject"):
            assert await play(talk, decision) == SCRIPT[-1]["text"]

        shown = [kind for kind in await talk.types() if kind in STEPS]
        assert shown == [*STEPS, *STEPS[:-1]]
        results = await talk.data_of("tool.result")
        assert [result["success"] for result in results] == [True] * 7 + [False]


async def test_many_sessions_show_it_at_once():
    async with local_runtime() as runtime:
        talks = [await begin(runtime) for _ in range(5)]

        answers = await asyncio.gather(*(play(talk, "allow") for talk in talks))

        assert answers == [SCRIPT[-1]["text"]] * 5
