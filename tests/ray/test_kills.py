"""Actors die in the middle of turns: the turns go on, logs stay exact, clients see no error."""

import asyncio

import pytest

from actors.cluster import NAMESPACE, REGISTRY
from everruns.domain.events import TURN_ENDS
from everruns.runtime.cursor import Cursor
from everruns.runtime.runtime import Runtime
from tests.conftest import with_room
from tests.conversations import Conversation, simulated

ray = pytest.importorskip("ray")

PACE = {"tokens": 60, "tokens_per_s": 30}


def kill(name: str) -> None:
    """End an actor's process; Ray starts it again."""
    ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=False)


async def holder(talk: Conversation) -> str:
    name = await talk.runtime.registry.sessions.holder(talk.id)
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


@pytest.mark.parametrize("victim", ["session actor", "registry"])
async def test_a_turn_whose_actor_dies_goes_on(talk: Conversation, victim: str):
    await talk.send("hi")
    async with talk.reading() as reader:
        await reader.until(lambda: reader.text)
        kill(REGISTRY if victim == "registry" else await holder(talk))
        await reader.until_type("session.completed")
        assert_exact(reader.events, turns=1)
        assert reader.events == await talk.log()
        answer = (await talk.messages())[-1]
        assert reader.texts[answer.id] == answer.text
    assert (await talk.say("and now?")).split()
    assert_exact(await talk.log(), turns=2)


async def test_a_turn_between_two_steps_does_not_ask_again_for_a_stored_answer(
    ray_runtime: Runtime,
):
    await with_room(ray_runtime)
    script = [
        {"text": "Let me see.", "tool_calls": [{"name": "add", "arguments": {"a": 1, "b": 2}}]},
        {"text": "It is three, as everybody knows."},
    ]
    model = await simulated(ray_runtime, script=script, tokens_per_s=8)
    talk = await Conversation.begin(ray_runtime, model_id=model, capabilities=["test_math"])
    await talk.send("1 + 2?")
    async with talk.reading() as reader:
        await reader.until_type("tool.result")
        kill(await holder(talk))
        await reader.until_type("session.completed")
        assert reader.events == await talk.log()
    assert_exact(await talk.log(), turns=1)
    assert [text for text in await talk.texts() if text.startswith("agent")] == [
        "agent: Let me see.",
        "agent: It is three, as everybody knows.",
    ]


@pytest.mark.parametrize("victim", ["session actor", "registry"])
async def test_messages_sent_while_an_actor_dies_are_stored_once_without_an_error(
    talk: Conversation, victim: str
):
    await talk.say("hi")
    name = REGISTRY if victim == "registry" else await holder(talk)
    sending = [asyncio.create_task(talk.send(f"message {number}")) for number in range(5)]
    await asyncio.sleep(0)
    kill(name)
    sending += [asyncio.create_task(talk.send(f"message {number}")) for number in range(5, 10)]
    sent = await asyncio.gather(*sending)
    await talk.ended()
    stored = [message for message in await talk.messages() if message.role == "user"]
    assert {message.id for message in sent} == {message.id for message in stored[1:]}
    assert len(stored) == 11


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
