"""The trace of a turn whose process is killed in the middle of it."""

import asyncio

from tests.collector import Collector, Received
from tests.faults.client import connected
from tests.faults.processes import Role, kill
from tests.faults.talk import World
from tests.waiting import eventually

ENDED_WITHIN_S = 120.0
SCRIPT = [
    {"tool_calls": [{"name": "add", "arguments": {"a": 19, "b": 23}}]},
    {"text": "19 and 23 make 42."},
]
NAMES = ["chat simulated-1", "chat simulated-1", "execute_tool add", "invoke_agent"]


async def test_a_turn_whose_process_is_killed_is_one_trace_with_no_span_twice(
    world: World, collector: Collector
):
    async with connected(lambda: world.service.address) as client:
        settings = {"script": SCRIPT, "first_token_ms": 2_000}
        provider = {"name": "slow", "provider_type": "simulated", "settings": settings}
        await client.post("/v1/llm-providers", provider)
        fields = {"model_id": "slow/simulated-1", "capabilities": ["test_math"]}
        session = (await client.post("/v1/sessions", fields))["id"]
        async with client.following(session) as follower:
            await client.send(session, "hi")
            await follower.until(lambda: follower.of_type("tool.result"))
            kill(*world.service.processes(Role.SESSION_ACTOR))
            async with asyncio.timeout(ENDED_WITHIN_S):
                await follower.until(lambda: follower.of_type("session.completed"))

    def spans() -> list[Received]:
        return [
            span
            for span in collector.spans
            if span.attributes.get("gen_ai.conversation.id") == session
        ]

    await eventually(lambda: len(spans()) >= len(NAMES), ENDED_WITHIN_S)
    assert sorted(span.name for span in spans()) == NAMES
    assert len({span.span_id for span in spans()}) == len(NAMES)
    assert len({span.trace_id for span in spans()}) == 1
