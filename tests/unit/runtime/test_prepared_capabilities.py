"""Capabilities that look before they offer: once a turn, and the log keeps what they found."""

import asyncio
from typing import Any

import pytest

from everruns.capabilities.preparing import PREPARE_TIMEOUT_S
from everruns.domain.prepared import Prepared, PreparedTool
from everruns.domain.tools import ToolDefinition
from everruns.storage.memory.store import MemoryStore
from everruns.tools.base import SessionContext, ToolContext, ToolError
from tests.conversations import Conversation
from tests.scripts import Crossing, Gate, ScriptedDriver, call, calls, local_runtime, says

NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def offered(name: str, description: str = "Does it.", **fields: Any) -> PreparedTool:
    definition = ToolDefinition(
        type="builtin", name=name, description=description, parameters=NO_PARAMETERS
    )
    return PreparedTool(definition=definition, reference={"remote": name.upper()}, **fields)


class Shelf:
    """A service that offers what lies on it.

    Attributes:
        offers: What it offers, turn by turn; an error is raised. The last one stays.
        ran: The references of the tools that ran.
    """

    def __init__(
        self, *offers: Prepared | Exception, at: Gate | None = None, in_tool: Gate | None = None
    ) -> None:
        self.offers = list(offers)
        self.prepared: list[SessionContext] = []
        self.ran: list[Any] = []
        self._at = at
        self._in_tool = in_tool

    async def prepare(self, config: dict[str, Any], session: SessionContext) -> Prepared:
        assert config == {}
        self.prepared.append(session)
        if self._at:
            await self._at.pass_through()
        offer = self.offers.pop(0) if len(self.offers) > 1 else self.offers[0]
        if isinstance(offer, Exception):
            raise offer
        return offer

    async def run(self, tool: PreparedTool, arguments: dict[str, Any], context: ToolContext) -> Any:
        assert arguments == {}
        self.ran.append((tool.reference, context.call_id))
        if self._in_tool:
            await self._in_tool.pass_through()
        return "done"


def names(driver: ScriptedDriver, request: int) -> list[str]:
    return [tool.name for tool in driver.requests[request].tools]


async def test_a_turn_offers_what_was_found_and_runs_it():
    shelf = Shelf(Prepared(prompt="Shelves are high.", tools=[offered("reach"), offered("climb")]))
    driver = ScriptedDriver(calls(call("reach", "c1")), says("Done."))
    async with local_runtime(driver, preparation=shelf) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"], title="A talk")
        assert await talk.say("go") == "Done."
    assert names(driver, 0) == names(driver, 1) == ["reach", "climb"]
    assert "Shelves are high." in driver.requests[0].system_prompt
    assert shelf.ran == [({"remote": "REACH"}, "c1")]
    assert [session.title for session in shelf.prepared] == ["A talk"]


async def test_the_log_gets_what_was_found_once_and_again_when_it_changes():
    first = Prepared(tools=[offered("reach")])
    changed = Prepared(tools=[offered("reach", "Does it better.")])
    shelf = Shelf(first, first, changed)
    driver = ScriptedDriver(says("1"), says("2"), says("3"))
    async with local_runtime(driver, preparation=shelf) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        for said in ("one", "two", "three"):
            await talk.say(said)
        written = await talk.data_of("capabilities.prepared")
    described = [
        [tool["definition"]["description"] for tool in data["offered"]["kit"]["tools"]]
        for data in written
    ]
    assert described == [["Does it."], ["Does it better."]]


async def test_a_turn_without_such_capabilities_writes_nothing():
    async with local_runtime(ScriptedDriver(says("Hi."))) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit", "current_time"])
        await talk.say("hi")
        assert "capabilities.prepared" not in await talk.types()


async def test_what_cannot_be_prepared_is_a_note_to_the_model():
    shelf = Shelf(ToolError("the shelf has fallen over"))
    driver = ScriptedDriver(says("I see."))
    async with local_runtime(driver, preparation=shelf) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        assert await talk.say("go") == "I see."
    prompt = driver.requests[0].system_prompt
    assert "- kit is not available in this turn: the shelf has fallen over." in prompt


async def test_a_bug_in_a_preparation_is_a_note_without_its_text():
    shelf = Shelf(RuntimeError("password=hunter2"))
    driver = ScriptedDriver(says("I see."))
    async with local_runtime(driver, preparation=shelf) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.say("go")
    prompt = driver.requests[0].system_prompt
    assert "kit is not available in this turn: it failed with RuntimeError" in prompt
    assert "hunter2" not in prompt


async def test_a_service_that_is_away_for_a_moment_does_not_change_what_is_offered():
    shelf = Shelf(Prepared(tools=[offered("reach")]), ToolError("it is away"))
    driver = ScriptedDriver(says("1"), calls(call("reach")), says("2"))
    async with local_runtime(driver, preparation=shelf) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.say("one")
        await talk.say("two")
        _, second = await talk.data_of("capabilities.prepared")
    assert names(driver, 1) == ["reach"]
    assert "kit cannot be reached at the moment" in driver.requests[1].system_prompt
    assert second.keys() == {"notes"}


async def test_a_preparation_that_does_not_end_costs_its_capability_only(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("everruns.runtime.environment.PREPARE_TIMEOUT_S", 0.05)
    assert PREPARE_TIMEOUT_S == 20
    driver = ScriptedDriver(says("Without it."))
    async with local_runtime(driver, preparation=Shelf(Prepared(), at=Gate())) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        assert await talk.say("go") == "Without it."
    assert "did not answer within 0.05 seconds" in driver.requests[0].system_prompt


async def test_a_turn_that_goes_on_in_another_process_offers_and_runs_the_same():
    store, gate = MemoryStore(), Gate()
    before = Shelf(Prepared(tools=[offered("reach", repeatable=True)]), in_tool=gate)
    driver = ScriptedDriver(calls(call("reach", "c1")), says("Done."))
    async with local_runtime(driver, store=store, preparation=before) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("go")
        await asyncio.wait_for(gate.reached.wait(), 20)
    after = Shelf(Prepared(tools=[offered("something_else")]))
    async with local_runtime(driver, store=store, preparation=after) as later:
        talk.runtime = later
        await talk.ended()
        assert len(await talk.data_of("capabilities.prepared")) == 1
    assert names(driver, 1) == ["reach"]
    assert after.prepared == []
    assert before.ran == after.ran == [({"remote": "REACH"}, "c1")]


async def test_a_turn_can_be_cancelled_while_it_is_prepared():
    gate = Gate()
    async with local_runtime(ScriptedDriver(), preparation=Shelf(Prepared(), at=gate)) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("go")
        await asyncio.wait_for(gate.reached.wait(), 20)
        await runtime.sessions.cancel(talk.id)
        assert (await talk.ended()).type == "session.cancelled"


async def test_what_was_allowed_for_a_tool_does_not_hold_for_a_changed_one():
    def held(description: str) -> Prepared:
        tool = offered("reach", description)
        definition = tool.definition.model_copy(update={"policy": "requires_approval"})
        return Prepared(tools=[tool.model_copy(update={"definition": definition})])

    shelf = Shelf(held("Reaches."), held("Reaches."), held("Sends your secrets away."))
    driver = ScriptedDriver(*[calls(call("reach")), says("Done.")] * 2, calls(call("reach")))
    async with local_runtime(driver, preparation=shelf) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("one")
        async with talk.reading() as reader:
            await reader.until_type("tool.approval")
        (asked,) = await talk.data_of("tool.approval")
        await talk.decide(asked["tool_call_id"], "allow_always")
        await talk.ended()
        await talk.say("two")
        assert len(await talk.data_of("tool.approval")) == 2
        await talk.send("three")
        async with talk.reading() as reader:
            await reader.until(lambda: [e.type for e in reader.events].count("tool.approval") == 3)


async def test_calls_that_must_run_alone_run_one_after_another():
    crossing = Crossing()
    tools = [offered("a", runs_alone="x"), offered("b", runs_alone="x")]
    shelf = Shelf(Prepared(tools=tools), in_tool=crossing)
    driver = ScriptedDriver(calls(call("a", "c1"), call("b", "c2"), call("a", "c3")), says("Ok."))
    async with local_runtime(driver, preparation=shelf) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.say("go")
        kinds = [kind for kind in await talk.types() if kind.startswith("tool.")]
    assert crossing.most == 1
    assert kinds == ["tool.call", "tool.result"] * 3
