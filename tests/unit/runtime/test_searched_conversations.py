"""Deferred tools in a conversation that is carried on elsewhere, or with other tools."""

import asyncio
from typing import Any

from everruns.domain.compaction import SEARCH_HISTORY
from everruns.domain.deferred_tools import CALL_TOOL, SEARCH_TOOLS
from everruns.domain.forks import ForkInput
from everruns.domain.idempotency import Idempotency
from everruns.domain.prepared import PreparedTool
from everruns.domain.sessions import SessionPatch
from everruns.providers.base import ModelRequest
from everruns.storage.memory.store import MemoryStore
from everruns.turn_failures import ContextTooLong
from tests.conversations import Conversation
from tests.many_tools import (
    Warehouse,
    begin,
    by_call_tool,
    many,
    names,
    said_calls,
)
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says, step
from tests.unit.runtime.test_compacting import LONG, answer, summary


async def test_a_call_goes_on_in_another_process_whose_settings_are_other_ones():
    store, gate = MemoryStore(), Gate()
    before = Warehouse(many(repeatable=True), at=gate)
    driver = ScriptedDriver(calls(by_call_tool("close_ticket", id=7)), says("Closed."))
    async with local_runtime(driver, store=store, preparation=before) as runtime:
        talk = await begin(runtime)
        await talk.send("go")
        await asyncio.wait_for(gate.reached.wait(), 20)
    later = Warehouse(many(2))
    async with local_runtime(driver, store=store, preparation=later, max_listed_tools=0) as runtime:
        talk.runtime = runtime
        await talk.ended()
        assert len(await talk.data_of("capabilities.prepared")) == 1
    assert later.prepared == 0
    assert before.ran == later.ran == [("close_ticket", {"id": 7}, "c1")]
    assert len(names(driver.requests[1])) == 60
    assert said_calls(driver.requests[1]) == [("close_ticket", {"id": 7})]


async def test_a_turn_that_goes_on_in_another_process_defers_the_same():
    store, gate = MemoryStore(), Gate()
    driver = ScriptedDriver(calls(by_call_tool("close_ticket", id=7)), says("Closed."))
    before = Warehouse(many(repeatable=True), at=gate)
    async with local_runtime(driver, store=store, preparation=before) as runtime:
        talk = await begin(runtime)
        await talk.send("go")
        await asyncio.wait_for(gate.reached.wait(), 20)
    async with local_runtime(driver, store=store, preparation=Warehouse(many(2))) as runtime:
        talk.runtime = runtime
        await talk.ended()
    first, second = driver.requests
    assert first.tools == second.tools
    assert first.system_prompt == second.system_prompt


async def test_the_search_works_when_there_are_few_tools_by_now():
    """A model that has searched before does so again, whatever it is shown."""
    driver = ScriptedDriver(
        calls(by_call_tool("close_ticket", "c1", id=7)),
        says("Closed."),
        calls(call(SEARCH_TOOLS, "s1", query="close"), by_call_tool("create_issue", "c2", id=8)),
        says("Done."),
    )
    warehouse = Warehouse(many(), many(10))
    async with local_runtime(driver, preparation=warehouse) as runtime:
        talk = await begin(runtime)
        await talk.say("go")
        await talk.say("go on")
        _, searched, created = await talk.data_of("tool.result")
    assert "All of your tools are listed" in searched["result"]["note"]
    assert created["name"] == "create_issue"
    assert [name for name, _, _ in warehouse.ran] == ["close_ticket", "create_issue"]
    # With all tools listed, the history has the calls under the names that are listed.
    assert said_calls(driver.requests[2]) == [("close_ticket", {"id": 7})]
    assert len(names(driver.requests[2])) == 10


async def test_a_tool_that_was_listed_is_shown_as_called_by_call_tool_once_it_is_deferred():
    driver = ScriptedDriver(calls(call("close_ticket", "c1", id=7)), says("1"), says("2"))
    pairs = [tool for tool in many() if tool.reference.endswith("ticket")]
    async with local_runtime(driver, preparation=Warehouse(pairs, many())) as runtime:
        talk = await begin(runtime)
        await talk.say("one")
        await talk.say("two")
    assert said_calls(driver.requests[1]) == [("close_ticket", {"id": 7})]
    assert said_calls(driver.requests[2]) == [
        (CALL_TOOL, {"name": "close_ticket", "arguments": {"id": 7}})
    ]


async def test_zero_324_nothing_is_lost_by_a_retry_or_a_fork():
    driver = ScriptedDriver(
        calls(call(SEARCH_TOOLS, "s1", query="close ticket")),
        calls(by_call_tool("close_ticket", "c1", id=7)),
        says("Closed."),
        calls(by_call_tool("close_ticket", "c1", id=8)),
        says("Closed again."),
        calls(by_call_tool("create_issue", "c9", id=9)),
        says("Created."),
    )
    warehouse = Warehouse()
    async with local_runtime(driver, preparation=warehouse) as runtime:
        talk = await begin(runtime)
        await talk.say("go")
        fork = await runtime.registry.forks.create(talk.id, ForkInput())
        await runtime.sessions.retry(talk.id, None, Idempotency.of_call())
        await talk.ended()
        branch = Conversation(runtime, fork)
        assert await branch.say("and an issue") == "Created."
    assert [arguments for _, arguments, _ in warehouse.ran] == [{"id": 7}, {"id": 8}, {"id": 9}]
    assert said_calls(driver.requests[5]) == [
        (SEARCH_TOOLS, {"query": "close ticket"}),
        (CALL_TOOL, {"name": "close_ticket", "arguments": {"id": 7}}),
    ]


async def test_claude_code_84189_after_a_compaction_deferred_tools_can_still_be_called():
    driver = ScriptedDriver(
        answer("", call(SEARCH_TOOLS, "s1", query="close ticket")),
        *[answer(f"answer {number} {LONG}") for number in range(4)],
        step(ContextTooLong("The prompt is too long.")),
        summary(),
        answer("", by_call_tool("close_ticket", id=7)),
        answer("Closed."),
    )
    warehouse = Warehouse()
    async with local_runtime(driver, preparation=warehouse) as runtime:
        talk = await begin(runtime)
        for number in range(4):
            await talk.say(f"question {number}")
        assert await talk.say("Close it.") == "Closed."
        assert "context.compacted" in await talk.types()
    assert [name for name, _, _ in warehouse.ran] == ["close_ticket"]
    last = driver.requests[-1]
    assert names(last) == [SEARCH_HISTORY, SEARCH_TOOLS, CALL_TOOL]
    # What the search has shown is gone, and the tools are where they were.
    assert said_calls(last) == [(CALL_TOOL, {"name": "close_ticket", "arguments": {"id": 7}})]


async def test_rules_that_are_tightened_meanwhile_hold_for_deferred_tools_too():
    forbidden: set[str] = set()

    def restrict(config: dict[str, Any], tool: PreparedTool) -> PreparedTool | None:
        assert config == {}
        return None if tool.reference in forbidden else tool

    def tighten(request: ModelRequest) -> Any:
        forbidden.update(tool.reference for tool in many()[3:])
        return calls(call(SEARCH_TOOLS, "s1", query="close ticket"))(request)

    driver = ScriptedDriver(tighten, calls(by_call_tool("close_ticket", id=7)), says("No."))
    async with local_runtime(driver, preparation=Warehouse(), restrict=restrict) as runtime:
        talk = await begin(runtime)
        await talk.say("go")
        searched, refused = await talk.data_of("tool.result")
    shown = [tool["name"] for tool in searched["result"]["tools"]]
    assert shown == ["close_issue"]
    assert refused["error"].startswith("Unknown tool: close_ticket. Did you mean")
    # Three tools are left. That does not change which ones are listed in the middle of a turn.
    assert names(driver.requests[0]) == names(driver.requests[2]) == [SEARCH_TOOLS, CALL_TOOL]


async def test_a_change_of_the_session_in_the_middle_breaks_no_call():
    gate = Gate()
    driver = ScriptedDriver(calls(by_call_tool("close_ticket", id=7)), says("Closed."))
    async with local_runtime(driver, preparation=Warehouse(at=gate)) as runtime:
        talk = await begin(runtime)
        await talk.send("go")
        await asyncio.wait_for(gate.reached.wait(), 20)
        everything = {"ref": "tool_search", "config": {"max_listed_tools": 0}}
        patch = {"capabilities": ["kit", everything]}
        await runtime.sessions.update(talk.id, SessionPatch.model_validate(patch))
        gate.open()
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    assert result["result"] == {"done": "close_ticket"}
