"""Rules of MCP servers, which tools and with whose approval, hold from when they are made."""

import asyncio

from tests.mcp_server import Exchange, ScriptedServer, tool
from tests.mcp_turns import acts, begin, change, has, held, names, runtime_with, shop
from tests.scripts import Gate, ScriptedDriver, says


async def test_calls_are_held_for_approval_if_the_server_requires_it():
    async with shop(ScriptedDriver(acts()), require_approval="always") as (server, talk):
        await talk.send("go")
        await held(talk)
    assert server.asked("tools/call") == []


async def test_a_tool_that_was_forbidden_is_unknown_although_its_server_cannot_be_listed():
    driver = ScriptedDriver(says("1"), acts(), says("2"))
    async with shop(driver, tools=[tool("act"), tool("look")]) as (server, talk):
        await talk.say("one")
        await change(talk, server, allowed_tools=["look"])
        assert await talk.say("two") == "2"
        (result,) = await talk.data_of("tool.result")
    assert names(driver, 0) == ["mcp_shop__act", "mcp_shop__look"]
    assert names(driver, 1) == ["mcp_shop__look"]
    assert "mcp_shop__act" in result["error"]
    assert server.asked("tools/call") == []


async def test_calls_are_held_as_soon_as_that_is_required_although_the_server_cannot_be_listed():
    async with shop(ScriptedDriver(says("1"), acts())) as (server, talk):
        await talk.say("one")
        await change(talk, server, require_approval=["act"])
        await talk.send("two")
        await held(talk)
    assert server.asked("tools/call") == []


async def test_a_rule_that_is_tightened_in_the_middle_of_a_turn_holds_at_once():
    gate = Gate()

    async def act(exchange: Exchange) -> None:
        await gate.pass_through()
        await exchange.text("done")

    async with shop(ScriptedDriver(acts("c1"), acts("c2"), says("Done.")), act) as (server, talk):
        await talk.send("go")
        await asyncio.wait_for(gate.reached.wait(), 20)
        await change(talk, server, allowed_tools=[])
        gate.open()
        await talk.ended()
        first, second = await talk.data_of("tool.result")
    assert first["result"] == "done"
    assert "mcp_shop__act" in second["error"]
    assert len(server.asked("tools/call")) == 1


async def test_a_held_call_whose_tool_was_forbidden_meanwhile_does_not_run_when_it_is_allowed():
    driver = ScriptedDriver(acts("c1"), says("Sorry."))
    async with shop(driver, require_approval="always") as (server, talk):
        await talk.send("go")
        await held(talk)
        await change(talk, server, require_approval="always", allowed_tools=[])
        await talk.decide("c1", "allow")
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    assert "mcp_shop__act" in result["error"]
    assert server.asked("tools/call") == []


async def test_what_was_always_allowed_does_not_hold_for_another_server_of_the_same_name():
    driver = ScriptedDriver(acts("c1"), says("1"), acts("c2"))
    async with ScriptedServer() as one, ScriptedServer() as other, runtime_with(driver) as runtime:
        talk = await begin(runtime, one, require_approval="always")
        await talk.send("one")
        await held(talk)
        await talk.decide("c1", "allow_always")
        await talk.ended()
        await has(talk, shop={"url": other.url, "require_approval": "always"})
        await talk.send("two")
        await held(talk, 3)
    assert len(one.asked("tools/call")) == 1
    assert other.asked("tools/call") == []
