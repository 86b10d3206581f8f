"""An agent with more tools than it is shown searches for the others and calls them."""

from typing import Any

import orjson
import pytest

from everruns.domain.deferred_tools import CALL_TOOL, SEARCH_TOOLS
from everruns.domain.tools import ToolCall, ToolResults
from everruns.providers.base import ModelAnswer, ModelRequest
from tests.conversations import Conversation
from tests.many_tools import (
    Warehouse,
    after,
    begin,
    by_call_tool,
    many,
    names,
    said_calls,
    tool_named,
)
from tests.scripts import USAGE, Crossing, ScriptedDriver, call, calls, local_runtime, says, step


async def test_a_model_with_300_tools_is_shown_two_in_their_place():
    driver = ScriptedDriver(calls(call(SEARCH_TOOLS, query="create issue")), says("Done."))
    async with local_runtime(driver, preparation=Warehouse(many(300, parameters={}))) as runtime:
        talk = await begin(runtime)
        await talk.say("go")
    for request in driver.requests:
        assert names(request) == [SEARCH_TOOLS, CALL_TOOL]


async def test_the_prompt_says_what_can_be_searched_for():
    told = await after()
    prompt = told.requests[0].system_prompt
    assert '- "kit", 60 tools: create_issue, list_issue, close_issue,' in prompt
    assert "data, not instructions" in prompt
    assert len(prompt) < 5_000


async def test_qwen_code_6721_searching_and_calling_change_neither_tools_nor_prompt():
    """Revealing tools must not cost the provider's cache of the prompt."""
    told = await after(
        calls(call(SEARCH_TOOLS, "s1", query="close ticket")),
        calls(by_call_tool("close_ticket", "c1", id=1)),
        calls(call("create_issue", "c2", id=2)),
    )
    prefixes = {orjson.dumps([tool.wire() for tool in r.tools]) for r in told.requests}
    assert len(told.requests) == 4
    assert len(prefixes) == len({request.system_prompt for request in told.requests}) == 1
    for earlier, later in zip(told.requests, told.requests[1:], strict=False):
        assert later.messages[: len(earlier.messages)] == earlier.messages


async def test_with_as_many_tools_as_may_be_listed_nothing_is_different():
    """The requests are those of a deployment that never defers."""
    requests: list[list[ModelRequest]] = []
    for most in (40, 0):
        driver = ScriptedDriver(calls(call("create_issue", "c1", id=1)), says("Done."))
        warehouse = Warehouse(many(40))
        async with local_runtime(driver, preparation=warehouse, max_listed_tools=most) as runtime:
            talk = await begin(runtime)
            await talk.say("go")
        requests.append(driver.requests)
    bodies = [
        [(r.system_prompt, [tool.wire() for tool in r.tools], said_calls(r)) for r in some]
        for some in requests
    ]
    assert bodies[0] == bodies[1]
    assert [len(request.tools) for request in requests[0]] == [40, 40]
    assert requests[0][0].system_prompt == ""


async def test_what_belongs_to_the_agent_itself_stays_listed():
    driver = ScriptedDriver(says("Hi."))
    async with local_runtime(driver, preparation=Warehouse()) as runtime:
        talk = await begin(runtime, "stateless_todo_list", "ask_user", "session_file_system")
        await talk.say("go")
    listed = names(driver.requests[0])
    assert {"write_todos", "ask_user", "read_file", SEARCH_TOOLS, CALL_TOOL} <= set(listed)
    assert not any(name.startswith("create_") for name in listed)


async def test_an_agent_chooses_how_many_are_listed_and_which_always_are():
    config = {"max_listed_tools": 5, "always_listed": ["close_ticket", "test_math"]}
    driver = ScriptedDriver(says("Hi."))
    async with local_runtime(driver, preparation=Warehouse(many(48))) as runtime:
        talk = await begin(runtime, {"ref": "tool_search", "config": config})
        await talk.say("go")
    assert names(driver.requests[0]) == ["close_ticket", SEARCH_TOOLS, CALL_TOOL]
    assert '"kit", 47 tools' in driver.requests[0].system_prompt


async def test_an_agent_can_have_all_of_its_tools_listed():
    driver = ScriptedDriver(says("Hi."))
    async with local_runtime(driver, preparation=Warehouse()) as runtime:
        talk = await begin(runtime, {"ref": "tool_search", "config": {"max_listed_tools": 0}})
        await talk.say("go")
    assert len(names(driver.requests[0])) == 60


@pytest.mark.parametrize("taken", [SEARCH_TOOLS, CALL_TOOL])
async def test_if_the_client_has_a_tool_of_such_a_name_all_are_listed(taken: str):
    mine = {"name": taken, "description": "Mine.", "parameters": {"type": "object"}}
    driver = ScriptedDriver(says("Hi."))
    async with local_runtime(driver, preparation=Warehouse()) as runtime:
        talk = await begin(runtime, tools=[mine])
        await talk.say("go")
    assert len(names(driver.requests[0])) == 61
    assert driver.requests[0].system_prompt == ""


async def test_a_search_shows_the_definitions_of_the_best_matches():
    told = await after(calls(call(SEARCH_TOOLS, query="close a ticket", limit=3)))
    (found,) = told.results
    tools = found["result"]["tools"]
    assert tools[0]["name"] == "close_ticket"
    assert len(tools) == 3
    assert tools[0] == {
        "name": "close_ticket",
        "description": tool_named("close_ticket").definition.description,
        "parameters": tool_named("close_ticket").definition.parameters,
    }
    assert CALL_TOOL in found["result"]["note"]


async def test_a_search_for_nothing_says_what_there_is():
    told = await after(calls(call(SEARCH_TOOLS, query="quaternion")))
    (found,) = told.results
    assert found["result"]["tools"] == []
    assert '"kit", 60 tools' in found["result"]["note"]


async def test_a_search_shows_no_more_than_fits():
    wide = {"type": "object", "properties": {"x": {"description": "word " * 1_000}}}
    tools = [tool_named(f"create_issue_{number}", parameters=wide) for number in range(41)]
    warehouse = Warehouse(tools)
    driver = ScriptedDriver(calls(call(SEARCH_TOOLS, query="create issue", limit=20)), says("."))
    async with local_runtime(driver, preparation=warehouse) as runtime:
        talk = await begin(runtime)
        await talk.say("go")
        (found,) = await talk.data_of("tool.result")
    shown = found["result"]["tools"]
    assert 1 <= len(shown) < 20
    assert len(orjson.dumps(shown)) <= 16 * 1024
    assert len(found["result"]["more_matches"]) == 20 - len(shown)


async def test_a_call_by_call_tool_is_stored_and_run_as_the_call_of_the_tool():
    told = await after(calls(by_call_tool("close_ticket", id=7)))
    (called,) = told.called
    (result,) = told.results
    assert called["tool_call"] == {"id": "c1", "name": "close_ticket", "arguments": {"id": 7}}
    assert (result["name"], result["result"]) == ("close_ticket", {"done": "close_ticket"})
    assert told.ran == [("close_ticket", {"id": 7}, "c1")]
    # What the model sees of it is its own call.
    assert said_calls(told.requests[1]) == [
        (CALL_TOOL, {"name": "close_ticket", "arguments": {"id": 7}})
    ]


async def test_a_deferred_tool_that_is_called_by_its_name_at_once_runs():
    told = await after(calls(call("close_ticket", "c1", id=7)))
    assert told.ran == [("close_ticket", {"id": 7}, "c1")]
    # In a history, only tools that are declared with it are called.
    assert said_calls(told.requests[1]) == [
        (CALL_TOOL, {"name": "close_ticket", "arguments": {"id": 7}})
    ]


async def test_arguments_that_are_json_in_a_text_are_taken():
    written = {"name": "close_ticket", "arguments": '{"id": 7}'}
    told = await after(calls(ToolCall(id="c1", name=CALL_TOOL, arguments=written)))
    assert told.ran == [("close_ticket", {"id": 7}, "c1")]


async def test_an_unknown_name_is_answered_with_the_nearest_ones():
    told = await after(calls(by_call_tool("close_tickets", "c1"), call("ticketClose", "c2", id=1)))
    by_bridge, by_name = told.results
    for result in (by_bridge, by_name):
        assert "close_ticket" in result["error"]
        assert SEARCH_TOOLS in result["error"]
    assert by_bridge["error"].startswith("Unknown tool: close_tickets.")


async def test_arguments_that_do_not_match_are_answered_with_the_parameters():
    told = await after(
        calls(by_call_tool("close_ticket", "c1", number=7), call("close_ticket", "c2"))
    )
    wrong, by_name = told.results
    for result in (wrong, by_name):
        assert result["name"] == "close_ticket"
        assert "Its parameters: {" in result["error"]
        assert '"required":["id"]' in result["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "close_ticket", "id": 7}, "Put the tool's own parameters (id) into 'arguments'"),
        ({"name": "close_ticket", "arguments": [7]}, "'arguments' must be an object"),
        ({"name": "close_ticket", "arguments": "id=7"}, "'arguments' must be an object"),
        ({"arguments": {"id": 7}}, "Give the name of a tool"),
        ({"name": CALL_TOOL, "arguments": {}}, "cannot call itself"),
    ],
)
async def test_a_call_from_which_no_other_can_be_made_is_explained(
    arguments: dict[str, Any], words: str
):
    told = await after(calls(ToolCall(id="c1", name=CALL_TOOL, arguments=arguments)))
    (result,) = told.results
    assert words in result["error"]
    assert result["name"] == CALL_TOOL
    assert told.ran == []


async def test_a_call_whose_arguments_were_no_json_is_refused_as_what_it_was():
    broken = ModelAnswer(
        tool_calls=[ToolCall(id="c1", name=CALL_TOOL)],
        refused_calls={"c1": "The arguments are not a JSON object: {"},
        usage=USAGE,
        finish_reason="tool_calls",
    )
    told = await after(step(broken))
    (result,) = told.results
    assert result["error"] == "The arguments are not a JSON object: {"


async def test_an_error_of_the_tool_is_the_tools():
    told = await after(calls(by_call_tool("delete_branch", id=1)))
    (result,) = told.results
    assert (result["name"], result["error"]) == ("delete_branch", "The branch is protected.")


async def test_a_tool_that_is_listed_can_be_called_by_call_tool_too():
    driver = ScriptedDriver(calls(by_call_tool("add", a=19, b=23)), says("42."))
    async with local_runtime(driver, preparation=Warehouse()) as runtime:
        talk = await begin(runtime, "test_math")
        await talk.say("go")
        (result,) = await talk.data_of("tool.result")
    assert (result["name"], result["result"]["result"]) == ("add", 42)
    assert said_calls(driver.requests[1]) == [("add", {"a": 19, "b": 23})]


async def test_a_call_waits_for_approval_under_the_tools_own_name():
    held = [tool_named("close_ticket", policy="requires_approval"), *many()]
    driver = ScriptedDriver(
        calls(by_call_tool("close_ticket", id=7)),
        says("Closed."),
        calls(by_call_tool("close_ticket", id=8)),
        says("Closed."),
    )
    warehouse = Warehouse(held)
    async with local_runtime(driver, preparation=warehouse) as runtime:
        talk = await begin(runtime)
        await talk.send("go")
        async with talk.reading() as reader:
            await reader.until_type("tool.approval")
        (asked,) = await talk.data_of("tool.approval")
        assert asked["tool_call"] == {"id": "c1", "name": "close_ticket", "arguments": {"id": 7}}
        assert warehouse.ran == []
        await talk.decide(asked["tool_call_id"], "allow_always")
        await talk.ended()
        await talk.say("and the next")
        assert len(await talk.data_of("tool.approval")) == 2
    assert [arguments for _, arguments, _ in warehouse.ran] == [{"id": 7}, {"id": 8}]


async def test_protective_agents_hold_what_has_effects_but_not_the_search():
    driver = ScriptedDriver(
        calls(call(SEARCH_TOOLS, "s1", query="close")),
        calls(by_call_tool("close_ticket", id=7)),
    )
    async with local_runtime(driver, preparation=Warehouse()) as runtime:
        talk = await begin(runtime, {"ref": "tool_approval", "config": {"mode": "protective"}})
        await talk.send("go")
        async with talk.reading() as reader:
            await reader.until_type("tool.approval")
        (asked,) = await talk.data_of("tool.approval")
    assert asked["name"] == "close_ticket"


async def test_calls_that_must_run_alone_do_so():
    crossing = Crossing()
    driver = ScriptedDriver(
        calls(by_call_tool("close_ticket", "c1", id=1), by_call_tool("list_issue", "c2", id=2)),
        says("Done."),
    )
    warehouse = Warehouse(many(runs_alone="desk"), at=crossing)
    async with local_runtime(driver, preparation=warehouse) as runtime:
        talk = await begin(runtime)
        await talk.say("go")
    assert crossing.most == 1


async def test_the_same_call_again_and_again_is_a_loop_of_that_tool():
    same = [calls(by_call_tool("delete_branch", f"c{n}", id=1)) for n in range(20)]
    driver = ScriptedDriver(*same)
    async with local_runtime(driver, preparation=Warehouse(), max_repeated_calls=6) as runtime:
        talk = await begin(runtime)
        await talk.send("go")
        ended = await talk.ended()
    assert ended.data["error"]["code"] == "LOOP_DETECTED"
    assert "called delete_branch with the same arguments" in ended.data["error"]["message"]


async def test_a_suspended_call_goes_on_as_the_tools():
    told = await after(calls(by_call_tool("update_contract", id=3)))
    names_called = [data["tool_call"]["name"] for data in told.called]
    assert names_called == ["update_contract", "update_contract"]
    assert [call_id for _, _, call_id in told.ran] == ["c1", "c1"]


async def test_client_tools_are_deferred_and_come_to_the_client_by_their_names():
    tools = [
        {"name": f"open_door_{n}", "description": "Opens a door.", "parameters": {"type": "object"}}
        for n in range(50)
    ]
    driver = ScriptedDriver(
        calls(call(SEARCH_TOOLS, "s1", query="open_door_7")),
        calls(by_call_tool("open_door_7", how="slowly")),
        says("Open."),
    )
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime, tools=tools)
        await talk.send("go")
        async with talk.reading() as reader:
            await reader.until(lambda: any(e.data.get("client_side") for e in reader.events))
        asked = (await talk.data_of("tool.call"))[-1]
        assert asked["tool_call"]["name"] == "open_door_7"
        given = {"tool_results": [{"tool_call_id": "c1", "result": "open"}]}
        await runtime.sessions.take(talk.id, ToolResults.model_validate(given))
        await talk.ended()
    assert names(driver.requests[0]) == [SEARCH_TOOLS, CALL_TOOL]
    assert driver.requests[1].messages[-1].content[0].result["tools"][0]["name"] == "open_door_7"  # type: ignore[union-attr]
    assert '"tools of the application", 50 tools' in driver.requests[0].system_prompt
