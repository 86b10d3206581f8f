"""A conversation in which Anthropic loads the tools that were found."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import orjson

from everruns.domain.deferred_tools import CALL_TOOL, SEARCH_TOOLS
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.base import Driver, ModelChunk, ModelRequest
from tests.anthropic_events import answer
from tests.many_tools import Warehouse, begin, said_calls
from tests.scripts import ScriptedDriver, local_runtime, says
from tests.vendors.table import all_problems

MODEL = "claude-sonnet-4-5"


class Switch:
    """Asks a driver that can be exchanged, for a Claude."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        asked = replace(request, model=request.model.model_copy(update={"model_id": MODEL}))
        async for chunk in self.driver.stream(asked):
            yield chunk

    async def list_models(self) -> list[Any]:
        return []


def calls(name: str, call_id: str, **arguments: Any) -> list[dict[str, Any]]:
    return answer("tool_use", type="tool_use", id=call_id, name=name, input=arguments)


def answers(text: str) -> list[dict[str, Any]]:
    return answer(type="text", text=text)


def without_marks(value: Any) -> Any:
    """Leave out where the cache ends, which moves on with the conversation."""
    if isinstance(value, list):
        return [without_marks(item) for item in value]
    if isinstance(value, dict):
        return {name: without_marks(v) for name, v in value.items() if name != "cache_control"}
    return value


async def test_a_tool_is_found_loaded_and_called_by_its_own_name_and_others_may_go_on(provider):
    for events in (
        calls(SEARCH_TOOLS, "toolu_1", query="close ticket", limit=2),
        calls("close_ticket", "toolu_2", id=7),
        answers("Closed."),
        answers("Yes."),
    ):
        provider.streams(*events)
    claude = AnthropicDriver(provider.wire(), is_vendors=True)
    other = ScriptedDriver(says("I am another model."))
    switch, warehouse = Switch(claude), Warehouse()
    async with local_runtime(switch, preparation=warehouse) as runtime:
        talk = await begin(runtime)
        assert await talk.say("Close ticket 7.") == "Closed."
        switch.driver = other
        assert await talk.say("Who are you?") == "I am another model."
        switch.driver = claude
        assert await talk.say("Is it closed?") == "Yes."
        called = [data["tool_call"]["name"] for data in await talk.data_of("tool.call")]

    assert warehouse.ran == [("close_ticket", {"id": 7}, "toolu_2")]
    assert called == [SEARCH_TOOLS, "close_ticket"]
    # The other one knows only the two tools.
    assert said_calls(other.requests[0])[1] == (
        CALL_TOOL,
        {"name": "close_ticket", "arguments": {"id": 7}},
    )
    bodies = provider.bodies
    assert [all_problems("anthropic", body) for body in bodies] == [[]] * 4
    assert len({orjson.dumps([body["tools"], body["system"]]) for body in bodies}) == 1
    assert len(bodies[0]["tools"]) == 62
    said = [without_marks(body["messages"]) for body in bodies]
    for earlier, later in pairwise(said):
        assert later[: len(earlier)] == earlier
    (loaded,) = said[1][2]["content"]
    assert loaded["content"] == [
        {"type": "tool_reference", "tool_name": "close_ticket"},
        {"type": "tool_reference", "tool_name": loaded["content"][1]["tool_name"]},
    ]
    (used,) = said[3][3]["content"]
    assert (used["name"], used["input"]) == ("close_ticket", {"id": 7})
