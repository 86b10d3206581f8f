"""Turns as the SDK follows them, and tools that its user runs."""

import asyncio
from typing import Any

import httpx
import pytest
from everruns_sdk import Agent, Everruns, Session
from everruns_sdk.models import ContentPart, Event, ToolDefinition

from bench.server import Server
from tests.waiting import PATIENCE_S

OPEN_DOOR = ToolDefinition(
    name="open_door", description="Open the door.", parameters={"type": "object"}
)
SCRIPT = [
    {"tool_calls": [{"name": "open_door", "arguments": {"place": "home"}}]},
    {"text": "It is open."},
]


async def follow(everruns: Everruns, session_id: str, *until: str) -> list[Event]:
    """The events of a session's stream, to the first of these types."""
    events: list[Event] = []
    stream = everruns.events.stream(session_id)
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for event in stream:
                events.append(event)
                if event.type in until:
                    return events
    finally:
        stream.stop()
        await stream.aclose()
    raise AssertionError(f"the stream ended before {until}")


@pytest.fixture
async def acting(server: Server) -> str:
    """A model that calls the client's tool, then answers."""
    provider: dict[str, Any] = {
        "name": "acting",
        "provider_type": "simulated",
        "settings": {"script": SCRIPT},
    }
    async with httpx.AsyncClient(base_url=server.address) as client:
        await client.post("/v1/llm-providers", json=provider)
    return "acting/simulated-1"


async def test_a_turn_is_followed_to_its_end(everruns: Everruns, agent: Agent):
    session = await everruns.sessions.create(agent_id=agent.id)
    await everruns.messages.create(session.id, "Hello, clerk.")

    events = await follow(everruns, session.id, "session.idled")

    types = [event.type for event in events]
    assert types[0] == "input.message"
    assert types[-2:] == ["turn.completed", "session.idled"]
    written = "".join(e.data["delta"] for e in events if e.type == "output.message.delta")
    (said,) = [e.data["message"] for e in events if e.type == "output.message.completed"]
    assert written in ("", said["content"][0]["text"])


async def test_events_are_listed_by_every_filter(everruns: Everruns, talk: Session):
    everything = await everruns.events.list(talk.id)
    (done,) = await everruns.events.list(talk.id, types=["turn.completed"])
    turn_id = done.data["turn_id"]
    filters = {
        "since_id": everything[0].id,
        "exclude": ["turn.completed"],
        "limit": 1000,
        "before_sequence": 1000,
        "after_sequence": 0,
        "around": done.id,
        "window": 100,
        "from_ts": everything[0].ts,
        "to_ts": everything[-1].ts,
        "turn_id": turn_id,
        "q": "clerk",
        "order_desc": True,
    }
    for name, value in filters.items():
        alone = {name: value, **({"around": done.id} if name == "window" else {})}
        found = await everruns.events.list(talk.id, **alone)
        assert {event.id for event in found} <= {event.id for event in everything}, name
        assert found, name
    for nothing in ({"exec_id": "x"}, {"trace_id": "x"}, {"tags": ["x"]}, {"tool_name": "x"}):
        assert await everruns.events.list(talk.id, **nothing) == []


async def test_a_tool_is_answered_as_soon_as_the_answer_calls_for_it(
    everruns: Everruns, acting: str
):
    session = await everruns.sessions.create(model_id=acting, tools=[OPEN_DOOR])
    await everruns.messages.create(session.id, "Open the door.")

    said = (await follow(everruns, session.id, "output.message.completed"))[-1]
    results = [ContentPart.make_tool_result(call.id, {"open": True}) for call in said.tool_calls()]
    answered = await everruns.messages.create_tool_results(session.id, results)

    assert (len(results), answered.accepted) == (1, 1)
    await follow(everruns, session.id, "turn.completed")


async def test_a_tool_of_the_client_is_answered_by_it(everruns: Everruns, acting: str):
    session = await everruns.sessions.create(model_id=acting, tools=[OPEN_DOOR])
    await everruns.messages.create(session.id, "Open the door.")

    requested = (await follow(everruns, session.id, "tool.call_requested"))[-1]
    (call,) = requested.data["tool_calls"]
    assert (call["name"], call["arguments"]) == ("open_door", {"place": "home"})
    assert (await everruns.sessions.get(session.id)).status == "waitingfortoolresults"
    result = ContentPart(type="tool_result", tool_call_id=call["id"], result={"open": True})
    answered = await everruns.messages.create_tool_results(session.id, [result])
    assert (answered.accepted, answered.status) == (1, "active")

    events = await follow(everruns, session.id, "turn.completed")
    (completed,) = [event.data for event in events if event.type == "tool.completed"]
    assert (completed["tool_call_id"], completed["success"]) == (call["id"], True)
    messages = await everruns.messages.list(session.id)
    assert messages[-1].content[0].text == "It is open."
