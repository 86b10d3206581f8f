"""Actors die while nobody looks: what is asked next is answered.

What happens to turns and streams meanwhile is the business of ``tests/faults``.
"""

import asyncio

import pytest

from actors.calls.registry_stub import registry_of
from actors.names import REGISTRY
from everruns.domain.events import TURN_ENDS
from everruns.domain.llm import Provider
from everruns.domain.tools import ToolResults
from everruns.errors import HostLost
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.runtime import Runtime
from everruns.settings import Settings
from tests.conftest import with_room
from tests.conversations import Conversation, simulated
from tests.ray.processes import kill_named as kill
from tests.waiting import PATIENCE_S, POLL_S

PACE = {"tokens": 60, "tokens_per_s": 30}


async def holder(talk: Conversation) -> str:
    name = await talk.runtime.registry.hosting.holder(talk.id)
    assert name is not None
    return name


def assert_exact(events, turns: int) -> None:
    """The log has no gap, and each turn one beginning and one end."""
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    begun = [event.turn_id for event in events if event.type == "session.started"]
    ended = [event.turn_id for event in events if event.type in TURN_ENDS]
    assert begun == ended
    assert len(ended) == turns


@pytest.fixture
async def talk(ray_runtime: Runtime) -> Conversation:
    await with_room(ray_runtime)
    return await Conversation.begin(ray_runtime, model_id=await simulated(ray_runtime, **PACE))


async def test_resources_are_read_and_written_while_the_registry_dies(talk: Conversation):
    kill(REGISTRY)
    sessions = talk.runtime.registry.sessions
    assert (await sessions.get(talk.id)).id == talk.id
    kill(REGISTRY)
    await talk.runtime.ready()
    assert await talk.say("hi")


async def test_a_reader_that_connects_while_both_are_dead_misses_nothing(talk: Conversation):
    await talk.send("hi")
    kill(await holder(talk))
    kill(REGISTRY)
    async with talk.reading(Cursor(0)) as reader:
        await reader.until_type("session.completed")
        assert reader.events == await talk.log()
    assert_exact(await talk.log(), turns=1)


async def test_a_wait_for_the_client_outlasts_both(ray_runtime: Runtime):
    await with_room(ray_runtime)
    script = [{"tool_calls": [{"name": "open_door"}]}, {"text": "It is open."}]
    tool = {"name": "open_door", "description": "Open it.", "parameters": {"type": "object"}}
    model = await simulated(ray_runtime, script=script)
    talk = await Conversation.begin(ray_runtime, model_id=model, tools=[tool])
    await talk.send("open the door")
    async with talk.reading(Cursor(0)) as reader:
        asked = await reader.until_type("tool.call")
        kill(await holder(talk))
        kill(REGISTRY)
        answer = {"tool_call_id": asked.data["tool_call"]["id"], "result": "open"}
        results = ToolResults.model_validate({"tool_results": [answer]})
        assert (await ray_runtime.sessions.take(talk.id, results)).accepted == 1
        await reader.until_type("session.completed")
        assert reader.events == await talk.log()
    assert (await talk.messages())[-1].text == "It is open."
    assert_exact(await talk.log(), turns=1)


async def test_a_command_finds_the_registry_without_ray_in_each_of_its_lives(
    ray_runtime: Runtime, ray_settings: Settings
):
    async with registry_of(ray_settings.data_dir) as found:
        assert await found.providers.list() == await ray_runtime.registry.providers.list()
        kill(REGISTRY)
        providers = await ray_runtime.registry.providers.list()
        with pytest.raises(HostLost):
            await found.providers.list()

    async def providers_of_the_next_life() -> list[Provider]:
        while True:
            try:
                async with registry_of(ray_settings.data_dir) as found:
                    return await found.providers.list()
            except HostLost:
                await asyncio.sleep(POLL_S)

    assert await asyncio.wait_for(providers_of_the_next_life(), PATIENCE_S) == providers
