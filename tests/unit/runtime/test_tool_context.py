"""A tool knows for whom it runs, and which call it is."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

from everruns.domain.agents import AgentInput
from everruns.domain.sessions import SessionInput
from everruns.storage.memory.store import MemoryStore
from everruns.tools.base import CallingAgent, ToolContext
from everruns.tools.function import FunctionTool, tool
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says


def looking(seen: list[ToolContext], gate: Gate | None = None) -> FunctionTool:
    @tool(repeatable=True)
    async def look(context: ToolContext) -> str:
        """Look around."""
        seen.append(context)
        if gate:
            await gate.pass_through()
        return "seen"

    return look


async def test_a_tool_knows_user_agent_session_turn_and_call():
    seen: list[ToolContext] = []
    driver = ScriptedDriver(calls(call("look", "call_1")), says("Done."))
    async with local_runtime(driver, looking(seen)) as runtime:
        made = AgentInput.model_validate({"name": "desk", "capabilities": ["kit"]})
        agent, _ = await runtime.registry.agents.create(made)
        wanted: dict[str, Any] = {
            "agent_id": agent.id,
            "title": "A talk",
            "tags": ["vip"],
            "metadata": {"tenant": 7},
            "end_user": "ada",
        }
        session = await runtime.registry.sessions.create(SessionInput.model_validate(wanted))
        talk = Conversation(runtime, session)
        await talk.say("look")
        (context,) = seen
        assert context.session_id == talk.id
        assert context.end_user == "ada"
        assert context.agent == CallingAgent(agent.id, "desk")
        assert (context.title, context.tags, context.metadata) == (
            "A talk",
            ["vip"],
            {"tenant": 7},
        )
        assert context.turn_id == (await talk.log())[1].turn_id
        assert (context.call_id, context.is_repeated) == ("call_1", False)


async def test_a_session_without_agent_and_channel_has_neither():
    seen: list[ToolContext] = []
    driver = ScriptedDriver(calls(call("look")), says("Done."))
    async with local_runtime(driver, looking(seen)) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.say("look")
        assert (seen[0].end_user, seen[0].agent, seen[0].title) == (None, None, None)


async def test_a_call_that_is_run_again_has_the_same_key():
    store, gate, seen = MemoryStore(), Gate(), list[ToolContext]()
    driver = ScriptedDriver(calls(call("look", "call_1")), says("Done."))
    async with local_runtime(driver, looking(seen, gate), store=store) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("look")
        await asyncio.wait_for(gate.reached.wait(), 20)
    async with local_runtime(driver, looking(seen), store=store) as later:
        talk.runtime = later
        await talk.ended()
    first, second = seen
    assert (first.is_repeated, second.is_repeated) == (False, True)
    assert first.idempotency_key == second.idempotency_key


def test_the_key_of_a_call_is_unique_to_its_session_and_a_uuid():
    context = ToolContext(
        session_id="session_1", files=None, config={}, call_id="call_1", turn_id="turn_1"
    )  # type: ignore[arg-type]
    others = [replace(context, session_id="session_2"), replace(context, call_id="call_2")]
    assert UUID(context.idempotency_key)
    assert len({one.idempotency_key for one in [context, *others]}) == 3
