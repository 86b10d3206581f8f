"""What every runtime does, in one process or on a cluster."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from everruns.capabilities.registry import load_capabilities
from everruns.domain.agents import AgentInput, AgentPatch
from everruns.domain.controls import Controls
from everruns.domain.events import EventType
from everruns.domain.imports import read_message
from everruns.domain.sessions import SessionInput, SessionPatch
from everruns.errors import (
    AgentNotFound,
    CapacityExhausted,
    IdempotencyKeyReused,
    InvalidRequest,
    SessionNotFound,
    UnknownCapability,
    UnknownModel,
)
from everruns.ids import new_id, read_event_id
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.local import LocalRuntime
from everruns.runtime.runtime import Runtime
from everruns.settings import Settings
from everruns.storage.memory.store import MemoryStore
from tests.conftest import CAPACITY, HIBERNATE_AFTER_S
from tests.conversations import PATIENCE_S, Conversation, simulated
from tests.waiting import POLL_S

Answer = TypeVar("Answer")

SLOW = {"tokens": 2000, "tokens_per_s": 100}
WORDS = {"reply": "one two three four five six seven eight", "tokens_per_s": 40}


@pytest.fixture
async def local_runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    settings = Settings(
        data_dir=tmp_path,
        sessions_per_actor=CAPACITY,
        hibernate_after_s=HIBERNATE_AFTER_S,
        openai_api_key=None,
        anthropic_api_key=None,
    )
    runtime = LocalRuntime(MemoryStore(), settings, load_capabilities())
    await runtime.start()
    yield runtime
    await runtime.close()


@pytest.fixture(params=["local", "ray"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    return request.getfixturevalue(f"{request.param}_runtime")


async def eventually(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask until the answer is true; what has no room yet is asked again too."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if answer := await ask():
                    return answer
            except CapacityExhausted:
                pass
            await asyncio.sleep(POLL_S)


async def begin(runtime: Runtime, *, model: dict | None = None, **fields: object) -> Conversation:
    named = await simulated(runtime, **(model or {"reply": "Hello there."}))
    return await Conversation.begin(runtime, model_id=named, **fields)


async def test_a_message_is_answered_and_every_step_is_in_the_log(runtime: Runtime):
    talk = await begin(runtime)
    assert await talk.say("hi") == "Hello there."
    log = await talk.log()
    assert [event.sequence for event in log] == [1, 2, 3, 4]
    assert await talk.types() == [
        "message.created",
        "session.started",
        "message.created",
        "session.completed",
    ]
    session = await runtime.registry.sessions.get(talk.id)
    assert (session.status, session.output_preview) == ("idle", "Hello there.")


async def test_tools_run_and_their_results_are_stored(runtime: Runtime):
    asked = [
        {"name": "multiply", "arguments": {"a": 6, "b": 7}},
        {"name": "divide", "arguments": {"a": 1, "b": 0}},
        {"name": "write_file", "arguments": {"path": "/a.txt", "content": "kept"}},
        {"name": "read_file", "arguments": {"path": "/missing.txt"}},
    ]
    script = [{"tool_calls": asked}, {"text": "Done."}]
    talk = await begin(
        runtime, model={"script": script}, capabilities=["test_math", "session_file_system"]
    )
    assert await talk.say("go") == "Done."
    results = {item["name"]: item for item in await talk.data_of("tool.result")}
    assert results["multiply"]["result"]["result"] == 42
    assert not results["divide"]["success"]
    assert results["write_file"]["success"]
    assert "/missing.txt" in results["read_file"]["error"]
    workspace = talk.session.workspace_id
    file = await runtime.registry.files.read(workspace, "/a.txt")
    assert file.content == b"kept"


async def test_a_message_during_a_turn_steers_it(runtime: Runtime):
    talk = await begin(runtime, model={"tokens_per_s": 40})
    await talk.send("first")
    async with talk.reading() as reader:
        await reader.until(lambda: reader.text)
        await talk.send("second")
    await talk.ended()
    assert (await talk.types()).count("session.started") == 1
    assert (await talk.messages())[-1].text.endswith("second")


async def test_cancelling_keeps_what_was_streamed(runtime: Runtime):
    talk = await begin(runtime, model=SLOW)
    assert not await runtime.sessions.cancel(talk.id)
    await talk.send("hi")
    async with talk.reading() as reader:
        await reader.until(lambda: reader.text)
        assert await runtime.sessions.cancel(talk.id)
        assert not await runtime.sessions.cancel(talk.id)
        await reader.until_type("session.cancelled")
        (shown,) = reader.texts.items()
    answer = (await talk.messages())[-1]
    assert (answer.id, answer.text) == shown
    assert answer.metadata == {"incomplete": True}


async def test_deltas_rebuild_the_text_for_a_reader_from_the_start(runtime: Runtime):
    talk = await begin(runtime, model={**WORDS, "reasoning": "first think"})
    async with talk.reading(Cursor()) as reader:
        await talk.send("hi")
        await reader.until_type("session.completed")
        assert reader.text == WORDS["reply"]
        assert reader.events == await talk.log()
        assert {delta.type for delta in reader.deltas} == {"message.delta", "reasoning.delta"}


async def test_a_stream_goes_on_where_it_was_cut(runtime: Runtime):
    talk = await begin(runtime, model=WORDS)
    await talk.send("hi")
    async with talk.reading() as first:
        await first.until(lambda: first.text)
        identity = first.deltas[-1].id(talk.id)
    place = read_event_id(talk.id, identity)
    async with talk.reading(Cursor(place.sequence, live=place.position > 0)) as second:
        await second.until_type("session.completed")
        assert second.text == WORDS["reply"]
        assert first.events + second.events == await talk.log()


async def test_a_deleted_session_ends_its_streams_and_is_gone(runtime: Runtime):
    talk = await begin(runtime, model=SLOW)
    await talk.send("hi")
    async with talk.reading() as reader:
        await reader.until(lambda: reader.text)
        await runtime.sessions.delete(talk.id)
        while not reader.ended:
            await reader.next()
    for gone in (talk.send("hi"), talk.log(), runtime.sessions.delete(talk.id)):
        with pytest.raises(SessionNotFound):
            await gone


async def test_a_repeated_key_sends_one_message(runtime: Runtime):
    talk = await begin(runtime)
    sent = await asyncio.gather(*(talk.send("hi", key="k") for _ in range(5)))
    await talk.ended()
    assert {message.id for message in sent} == {(await talk.messages())[0].id}
    with pytest.raises(IdempotencyKeyReused):
        await talk.send("something else", key="k")
    assert len(await talk.messages()) == 2


async def test_when_every_place_is_taken_by_a_turn_a_send_is_refused_for_now(runtime: Runtime):
    talks = [await begin(runtime, model=SLOW) for _ in range(CAPACITY + 1)]
    for talk in talks[:CAPACITY]:
        await eventually(lambda talk=talk: talk.send("hi", key="k"))
    with pytest.raises(CapacityExhausted) as full:
        await talks[-1].send("hi")
    assert full.value.retry_after_s
    assert await runtime.sessions.cancel(talks[0].id)
    await talks[-1].send("hi")
    for talk in talks[1:]:
        assert await runtime.sessions.cancel(talk.id)


async def test_a_quiet_session_leaves_memory_and_comes_back_as_it_was(runtime: Runtime):
    talk = await begin(runtime)
    await talk.say("one")

    async def asleep() -> bool:
        return await runtime.registry.hosting.holder(talk.id) is None

    await eventually(asleep)
    await talk.say("two")
    assert [text.split(":")[0] for text in await talk.texts()] == ["user", "agent"] * 2


async def test_a_model_that_fails_fails_the_turn_with_its_code(runtime: Runtime):
    talk = await begin(runtime, model={"fail": {"code": "PROVIDER_UNAUTHORIZED"}})
    await talk.send("hi")
    end = await talk.ended()
    assert end.type == EventType.SESSION_FAILED
    assert end.data["error"]["code"] == "PROVIDER_UNAUTHORIZED"


async def test_agents_are_found_changed_and_archived(runtime: Runtime):
    agents = runtime.registry.agents
    model = await simulated(runtime, reply="I am the agent.")
    agent, is_new = await agents.create(AgentInput(name=new_id("agent"), default_model_id=model))
    assert is_new
    talk = await Conversation.begin(runtime, agent_id=agent.id)
    assert await talk.say("hi") == "I am the agent."
    changed = await agents.update(agent.id, AgentPatch(description="changed"))
    assert (await agents.get(agent.id)) == changed
    with pytest.raises(UnknownCapability):
        await agents.update(agent.id, AgentPatch.model_validate({"capabilities": ["nothing"]}))
    await agents.archive(agent.id)
    with pytest.raises(AgentNotFound):
        await agents.get(agent.id)
    assert await talk.say("still there?") == "I am the agent."


async def test_options_for_answers_count_and_what_a_model_refuses_is_told(runtime: Runtime):
    talk = await begin(runtime, controls={"max_output_tokens": 1})
    assert await talk.say("hi") == "Hello "
    with pytest.raises(InvalidRequest, match="writes at most 200000 tokens"):
        await talk.send("hi", controls={"max_output_tokens": 200_001})
    with pytest.raises(UnknownModel, match="nobody/nothing"):
        await talk.send("hi", controls={"model_id": "nobody/nothing"})
    assert len(await talk.messages()) == 2


async def test_what_does_not_exist_is_told(runtime: Runtime):
    talk = await begin(runtime)
    talk.id = new_id("session")
    with pytest.raises(SessionNotFound):
        await talk.send("hi")
    with pytest.raises(SessionNotFound):
        await runtime.sessions.stream(talk.id, Cursor())
    with pytest.raises(SessionNotFound):
        await runtime.sessions.cancel(talk.id)


async def test_a_changed_session_answers_as_it_was_changed(runtime: Runtime):
    other = await simulated(runtime, reply="From the other model.")
    talk = await begin(runtime)
    assert await talk.say("hi") == "Hello there."
    changed = await runtime.sessions.update(
        talk.id, SessionPatch(model_id=other, metadata={"order": 17})
    )
    assert changed.metadata == {"order": 17}
    assert await talk.say("hi") == "From the other model."


async def test_a_last_turn_is_started_again_with_another_model(runtime: Runtime):
    other = await simulated(runtime, reply="From the other model.")
    talk = await begin(runtime)
    assert await talk.say("hi") == "Hello there."
    started = await runtime.sessions.retry(talk.id, Controls(model_id=other))
    assert (await talk.ended()).turn_id == started.turn_id
    assert await talk.texts() == ["user: hi", "agent: From the other model."]


async def test_a_session_begins_with_a_conversation_from_elsewhere(runtime: Runtime):
    said = [{"role": "user", "content": []}, {"role": "agent", "content": []}]
    for message, text in zip(said, ("2 + 2?", "4."), strict=True):
        message["content"] = [{"type": "text", "text": text}]
    conversation = [read_message(message, line) for line, message in enumerate(said, 1)]
    model = await simulated(runtime, reply="Still 4.")
    session = await runtime.registry.sessions.create(
        SessionInput(model_id=model), conversation=conversation
    )
    talk = Conversation(runtime, session)
    assert session.status == "idle"
    assert await talk.say("Sure?") == "Still 4."
    assert await talk.texts() == ["user: 2 + 2?", "agent: 4.", "user: Sure?", "agent: Still 4."]
