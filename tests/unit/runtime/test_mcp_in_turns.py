"""Turns use MCP servers: those of the agent, of the session and of the catalogue."""

import pytest
from pydantic import SecretStr

from everruns.domain.agents import AgentInput
from everruns.domain.events import ToolProgress
from everruns.domain.mcp_servers import McpServerInput, McpServerPatch
from everruns.domain.sessions import SessionPatch
from tests.conversations import Conversation
from tests.mcp_server import Exchange, ScriptedServer, tool
from tests.mcp_turns import KEY, acts, begin, names, runtime_with, shop
from tests.scripts import Gate, ScriptedDriver, local_runtime, says


async def test_a_session_calls_a_tool_of_its_server():
    driver = ScriptedDriver(acts(what="tea"), says("Done."))
    async with shop(driver, headers={"X-Key": KEY}) as (server, talk):
        assert await talk.say("go") == "Done."
        (result,) = await talk.data_of("tool.result")
    assert (result["name"], result["result"]) == ("mcp_shop__act", "done")
    (asked,) = server.asked("tools/call")
    assert asked.arguments == {"what": "tea"}
    assert asked.headers["x-key"] == KEY


async def test_no_secret_that_a_server_repeats_reaches_the_log_or_the_model():
    driver = ScriptedDriver(acts(), says("Done."))
    tools = [tool("act", description=f"Acts with {KEY}.")]

    async def act(exchange: Exchange) -> None:
        await exchange.text(f"done with {exchange.headers['x-key']}")

    async with shop(driver, act, tools, headers={"X-Key": KEY}) as (_, talk):
        await talk.say("go")
        assert KEY not in str([event.body for event in await talk.log()])
        (result,) = await talk.data_of("tool.result")
    assert result["result"] == "done with ***"
    assert driver.requests[0].tools[0].description == "Acts with ***."
    assert KEY not in str(driver.requests)


async def test_an_agent_takes_a_server_of_the_catalogue_and_narrows_it():
    driver = ScriptedDriver(says("Hi."))
    tools = [tool("look"), tool("act")]
    async with ScriptedServer(tools=tools) as server, runtime_with(driver) as runtime:
        await runtime.registry.mcp_servers.create(
            McpServerInput(name="shop", url=server.url, headers={"X-Key": SecretStr(KEY)})
        )
        config = {"allowed_tools": ["look"]}
        talk = await Conversation.begin(
            runtime, capabilities=[{"ref": "mcp:shop", "config": config}]
        )
        await talk.say("go")
        assert server.asked("tools/list")[0].headers["x-key"] == KEY
    assert names(driver) == ["mcp_shop__look"]


async def test_an_agents_servers_are_used_by_its_sessions():
    driver = ScriptedDriver(says("Hi."))
    async with ScriptedServer() as server, runtime_with(driver) as runtime:
        made = {"name": "a", "mcp_servers": {"desk": {"url": server.url}}}
        agent, _ = await runtime.registry.agents.create(AgentInput.model_validate(made))
        talk = await Conversation.begin(runtime, agent_id=agent.id)
        await talk.say("go")
    assert names(driver) == ["mcp_desk__act"]


@pytest.mark.parametrize("removed", [True, False], ids=["removed", "disabled"])
async def test_a_server_that_is_not_in_the_catalogue_any_more_is_a_note_and_offers_nothing(removed):
    driver = ScriptedDriver(says("1"), acts(), says("2"), says("3"))
    async with ScriptedServer() as server, runtime_with(driver) as runtime:
        servers = runtime.registry.mcp_servers
        added = await servers.create(McpServerInput(name="shop", url=server.url))
        talk = await Conversation.begin(runtime, capabilities=["mcp:shop"])
        await talk.say("one")
        if removed:
            await servers.delete(added.id)
        else:
            await servers.update(added.id, McpServerPatch(status="disabled"))
        await talk.say("two")
        await talk.say("three")
        (result,) = await talk.data_of("tool.result")
    assert [names(driver, request) for request in range(4)] == [["mcp_shop__act"], [], [], []]
    assert "not in the catalogue any more" in driver.requests[1].system_prompt
    assert "Unknown tool" in result["error"]


async def test_what_a_client_changes_of_a_sessions_servers_counts_from_the_next_turn():
    driver = ScriptedDriver(says("1"), says("2"))
    async with shop(driver) as (_, talk):
        await talk.say("one")
        await talk.runtime.sessions.update(talk.id, SessionPatch(mcp_servers=None))
        await talk.say("two")
    assert (names(driver, 0), names(driver, 1)) == (["mcp_shop__act"], [])


async def test_a_server_that_cannot_be_reached_is_a_note_and_the_turn_goes_on():
    driver = ScriptedDriver(says("Without it."))
    async with runtime_with(driver) as runtime:
        servers = {"shop": {"url": "http://127.0.0.1:9/mcp"}}
        talk = await Conversation.begin(runtime, mcp_servers=servers)
        assert await talk.say("go") == "Without it."
    assert "The MCP server shop cannot be used" in driver.requests[0].system_prompt


async def test_private_addresses_are_refused_unless_they_are_allowed():
    driver = ScriptedDriver(says("Without it."))
    async with ScriptedServer() as server, local_runtime(driver) as runtime:
        talk = await begin(runtime, server)
        await talk.say("go")
    assert names(driver) == []
    assert server.seen == []


async def test_the_servers_progress_reaches_readers():
    gate = Gate()

    async def act(exchange: Exchange) -> None:
        await exchange.stream()
        await exchange.progress(3)
        await gate.pass_through()
        result = {"content": [{"type": "text", "text": "done"}]}
        await exchange.event({"id": exchange.message["id"], "result": result})
        exchange.close()

    async with shop(ScriptedDriver(acts(), says("Done.")), act) as (_, talk):
        await talk.send("go")
        async with talk.reading() as reader:
            shown = await reader.until_type("tool.progress")
            gate.open()
            await reader.until_type("session.completed")
    assert isinstance(shown, ToolProgress)
    assert (shown.call_id, shown.text) == ("c1", "3")
