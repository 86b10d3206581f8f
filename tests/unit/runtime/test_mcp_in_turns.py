"""Turns use MCP servers: those of the agent, of the session and of the catalogue."""

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

from everruns.domain.agents import AgentInput
from everruns.domain.approvals import ToolApprovals
from everruns.domain.events import ToolProgress
from everruns.domain.mcp_servers import McpServerInput, McpServerPatch
from everruns.domain.questions import QuestionAnswers
from everruns.domain.sessions import SessionPatch
from everruns.runtime.local import LocalRuntime
from everruns.storage.memory.store import MemoryStore
from tests.conversations import Conversation
from tests.mcp_server import MODERN, Exchange, ScriptedServer, tool
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says

KEY = "k" * 20
SIZE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "size": {"type": "string", "enum": ["s", "l"], "enumNames": ["small", "large"]},
        "count": {"type": "integer", "minimum": 1},
        "note": {"type": "string"},
    },
    "required": ["size", "count"],
}


def runtime_with(driver: ScriptedDriver, **settings: Any) -> Any:
    return local_runtime(driver, allow_private_addresses=True, **settings)


async def begin(runtime: LocalRuntime, server: ScriptedServer, **fields: Any) -> Conversation:
    return await Conversation.begin(runtime, mcp_servers={"shop": {"url": server.url, **fields}})


def names(driver: ScriptedDriver, request: int = -1) -> list[str]:
    return [offered.name for offered in driver.requests[request].tools]


async def test_a_session_calls_a_tool_of_its_server():
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1", what="tea")), says("Done."))
    async with ScriptedServer() as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server, headers={"X-Key": KEY})
        assert await talk.say("go") == "Done."
        (result,) = await talk.data_of("tool.result")
    assert (result["name"], result["result"]) == ("mcp_shop__act", "done")
    (asked,) = server.asked("tools/call")
    assert asked.arguments == {"what": "tea"}
    assert asked.headers["x-key"] == KEY


async def test_no_secret_that_a_server_repeats_reaches_the_log_or_the_model():
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("Done."))
    tools = [tool("act", description=f"Acts with {KEY}.")]

    async def act(exchange: Exchange) -> None:
        await exchange.text(f"done with {exchange.headers['x-key']}")

    async with ScriptedServer(act, tools) as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server, headers={"X-Key": KEY})
        await talk.say("go")
        assert KEY not in str([event.body for event in await talk.log()])
        (result,) = await talk.data_of("tool.result")
    assert result["result"] == "done with ***"
    assert driver.requests[0].tools[0].description == "Acts with ***."
    assert KEY not in str(driver.requests)


async def test_a_question_whose_state_repeats_a_secret_is_neither_asked_nor_stored():
    async def act(exchange: Exchange) -> None:
        await exchange.result(
            resultType="input_required", inputRequests=FORM, requestState=f"token={KEY}"
        )

    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("Sorry."))
    async with ScriptedServer(act, revision=MODERN) as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server, headers={"X-Key": KEY})
        assert await talk.say("tea") == "Sorry."
        assert KEY not in str([event.body for event in await talk.log()])
        (result,) = await talk.data_of("tool.result")
    assert "asks a question that repeats a secret" in result["error"]


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
    driver = ScriptedDriver(says("1"), calls(call("mcp_shop__act", "c1")), says("2"), says("3"))
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
    async with ScriptedServer() as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server)
        await talk.say("one")
        await runtime.sessions.update(talk.id, SessionPatch(mcp_servers=None))
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


async def test_calls_are_held_for_approval_if_the_server_requires_it():
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")))
    async with ScriptedServer() as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server, require_approval="always")
        await talk.send("go")
        async with talk.reading() as reader:
            await reader.until_type("tool.approval")
    assert server.asked("tools/call") == []


async def change(talk: Conversation, server: ScriptedServer, **fields: Any) -> None:
    """Give the session's server other rules, at a time at which it cannot be listed."""
    server.behaviours["tools/list"] = lambda exchange: exchange.error("not now")
    # With another key, the list is not one of a moment ago.
    servers = {"shop": {"url": server.url, "headers": {"X-Key": KEY}, **fields}}
    await talk.runtime.sessions.update(
        talk.id, SessionPatch.model_validate({"mcp_servers": servers})
    )


async def test_a_tool_that_was_forbidden_is_unknown_although_its_server_cannot_be_listed():
    driver = ScriptedDriver(says("1"), calls(call("mcp_shop__act", "c1")), says("2"))
    tools = [tool("act"), tool("look")]
    async with ScriptedServer(tools=tools) as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server)
        await talk.say("one")
        await change(talk, server, allowed_tools=["look"])
        assert await talk.say("two") == "2"
        (result,) = await talk.data_of("tool.result")
    assert names(driver, 0) == ["mcp_shop__act", "mcp_shop__look"]
    assert names(driver, 1) == ["mcp_shop__look"]
    assert "mcp_shop__act" in result["error"]
    assert server.asked("tools/call") == []


async def test_calls_are_held_as_soon_as_that_is_required_although_the_server_cannot_be_listed():
    driver = ScriptedDriver(says("1"), calls(call("mcp_shop__act", "c1")))
    async with ScriptedServer() as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server)
        await talk.say("one")
        await change(talk, server, require_approval=["act"])
        await talk.send("two")
        async with talk.reading() as reader:
            await reader.until_type("tool.approval")
    assert server.asked("tools/call") == []


async def test_a_rule_that_is_tightened_in_the_middle_of_a_turn_holds_at_once():
    gate = Gate()

    async def act(exchange: Exchange) -> None:
        await gate.pass_through()
        await exchange.text("done")

    twice = calls(call("mcp_shop__act", "c1")), calls(call("mcp_shop__act", "c2"))
    driver = ScriptedDriver(*twice, says("Done."))
    async with ScriptedServer(act) as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server)
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
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("Sorry."))
    async with ScriptedServer() as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server, require_approval="always")
        await talk.send("go")
        async with talk.reading() as reader:
            await reader.until_type("tool.approval")
        await change(talk, server, require_approval="always", allowed_tools=[])
        once = {"decisions": [{"tool_call_id": "c1", "decision": "allow"}]}
        await runtime.sessions.take(talk.id, ToolApprovals.model_validate(once))
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    assert "mcp_shop__act" in result["error"]
    assert server.asked("tools/call") == []


async def test_what_was_always_allowed_does_not_hold_for_another_server_of_the_same_name():
    driver = ScriptedDriver(
        calls(call("mcp_shop__act", "c1")), says("1"), calls(call("mcp_shop__act", "c2"))
    )
    async with ScriptedServer() as one, ScriptedServer() as other, runtime_with(driver) as runtime:
        talk = await begin(runtime, one, require_approval="always")
        await talk.send("one")
        async with talk.reading() as reader:
            await reader.until_type("tool.approval")
        always = {"decisions": [{"tool_call_id": "c1", "decision": "allow_always"}]}
        await runtime.sessions.take(talk.id, ToolApprovals.model_validate(always))
        await talk.ended()
        servers = {"shop": {"url": other.url, "require_approval": "always"}}
        patch = SessionPatch.model_validate({"mcp_servers": servers})
        await runtime.sessions.update(talk.id, patch)
        await talk.send("two")
        async with talk.reading() as reader:
            await reader.until(lambda: [e.type for e in reader.events].count("tool.approval") == 3)
    assert len(one.asked("tools/call")) == 1
    assert other.asked("tools/call") == []


async def test_the_servers_progress_reaches_readers():
    gate = Gate()

    async def act(exchange: Exchange) -> None:
        await exchange.stream()
        await exchange.progress(3)
        await gate.pass_through()
        result = {"content": [{"type": "text", "text": "done"}]}
        await exchange.event({"id": exchange.message["id"], "result": result})
        exchange.close()

    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("Done."))
    async with ScriptedServer(act) as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server)
        await talk.send("go")
        async with talk.reading() as reader:
            shown = await reader.until_type("tool.progress")
            gate.open()
            await reader.until_type("session.completed")
    assert isinstance(shown, ToolProgress)
    assert (shown.call_id, shown.text) == ("c1", "3")


# What a server asks in the middle of a call


def asking(*requests: dict[str, Any]) -> Any:
    """A tool that asks so many times before it answers with what it was told."""
    left = list(requests)

    async def act(exchange: Exchange) -> None:
        params = exchange.message["params"]
        if left:
            await exchange.result(
                resultType="input_required", inputRequests=left.pop(0), requestState="st-1"
            )
        else:
            told = {"responses": params.get("inputResponses"), "state": params.get("requestState")}
            await exchange.result(content=[], structuredContent=told)

    return act


FORM = {
    "f": {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": "Which tea?", "requestedSchema": SIZE},
    }
}


async def asked(talk: Conversation, count: int = 1) -> list[dict[str, Any]]:
    """Wait until so many sets of questions were asked; return the last."""
    async with talk.reading() as reader:
        await reader.until(
            lambda: sum(bool(event.data.get("client_side")) for event in reader.events) >= count
        )
    requests = [data for data in await talk.data_of("tool.call") if data.get("client_side")]
    return requests[-1]["tool_call"]["arguments"]["questions"]


async def answer(talk: Conversation, *answers: dict[str, Any], **fields: Any) -> None:
    given = QuestionAnswers.model_validate({"answers": answers, **fields})
    await talk.runtime.sessions.take(talk.id, given)


def reply(identity: str, text: str | None = None, *selected: str) -> dict[str, Any]:
    other = {"other_text": text} if text is not None else {}
    return {"id": identity, "selected": list(selected), **other}


async def test_what_a_server_asks_becomes_questions_and_the_answers_go_back():
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("Done."))
    async with (
        ScriptedServer(asking(FORM), revision=MODERN) as server,
        runtime_with(driver) as runtime,
    ):
        talk = await begin(runtime, server)
        await talk.send("tea")
        questions = await asked(talk)
        assert [question["id"] for question in questions] == ["f.size", "f.count", "f.note"]
        assert questions[0]["question"].startswith("shop: Which tea?")
        assert [option["label"] for option in questions[0]["options"]] == ["small", "large"]
        await answer(
            talk, reply("f.size", None, "small"), reply("f.count", "2"), reply("f.note", "-")
        )
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    responses = {"f": {"action": "accept", "content": {"size": "s", "count": 2}}}
    assert result["result"] == {"responses": responses, "state": "st-1"}


async def test_answers_are_not_sent_to_another_server_that_took_the_name():
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("Sorry."))
    async with (
        ScriptedServer(asking(FORM), revision=MODERN) as server,
        ScriptedServer(revision=MODERN) as other,
        runtime_with(driver) as runtime,
    ):
        talk = await begin(runtime, server)
        await talk.send("tea")
        await asked(talk)
        servers = {"shop": {"url": other.url}}
        patch = SessionPatch.model_validate({"mcp_servers": servers})
        await runtime.sessions.update(talk.id, patch)
        replies = reply("f.size", None, "small"), reply("f.count", "2"), reply("f.note", "-")
        await answer(talk, *replies)
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    assert "mcp_shop__act" in result["error"]
    assert other.asked("tools/call") == []


async def test_an_answer_that_the_form_does_not_want_is_asked_for_again():
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("Done."))
    async with (
        ScriptedServer(asking(FORM), revision=MODERN) as server,
        runtime_with(driver) as runtime,
    ):
        talk = await begin(runtime, server)
        await talk.send("tea")
        await asked(talk)
        size, note = reply("f.size", None, "large"), reply("f.note", "hot")
        await answer(talk, size, reply("f.count", "many"), note)
        questions = await asked(talk, 2)
        assert "A whole number is needed." in questions[1]["question"]
        assert len(server.asked("tools/call")) == 1
        # Each round has ids of its own, so that no answer is taken for a later one's.
        again = reply("f.size#2", None, "large"), reply("f.note#2", "hot")
        await answer(talk, *again, reply("f.count#2", "3"))
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    content = {"size": "l", "count": 3, "note": "hot"}
    assert result["result"]["responses"]["f"]["content"] == content


async def test_the_server_is_told_when_the_user_declines():
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("Done."))
    async with (
        ScriptedServer(asking(FORM), revision=MODERN) as server,
        runtime_with(driver) as runtime,
    ):
        talk = await begin(runtime, server)
        await talk.send("tea")
        await asked(talk)
        await answer(talk, status="declined")
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    assert result["result"]["responses"] == {"f": {"action": "decline"}}


async def test_an_address_to_open_is_a_question_too():
    page = {"mode": "url", "message": "Sign in.", "url": "https://shop.example.com/in"}
    request = {"u": {"method": "elicitation/create", "params": page}}
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("Done."))
    async with (
        ScriptedServer(asking(request), revision=MODERN) as server,
        runtime_with(driver) as runtime,
    ):
        talk = await begin(runtime, server)
        await talk.send("tea")
        (question,) = await asked(talk)
        assert "https://shop.example.com/in" in question["question"]
        await answer(talk, reply("u.", None, "Done"))
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    assert result["result"]["responses"] == {"u": {"action": "accept"}}


async def test_a_call_that_asks_goes_on_in_another_process():
    store = MemoryStore()
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("Done."))
    async with ScriptedServer(asking(FORM), revision=MODERN) as server:
        async with runtime_with(driver, store=store) as runtime:
            talk = await begin(runtime, server)
            await talk.send("tea")
            await asked(talk)
        async with runtime_with(driver, store=store) as later:
            talk.runtime = later
            replies = reply("f.size", None, "small"), reply("f.count", "1"), reply("f.note", "-")
            await answer(talk, *replies)
            await talk.ended()
            (result,) = await talk.data_of("tool.result")
    assert result["result"]["state"] == "st-1"
    assert len(server.asked("tools/call")) == 2


EMPTY_CHOICE: dict[str, Any] = {
    "method": "elicitation/create",
    "params": {
        "mode": "form",
        "message": "Which?",
        "requestedSchema": {
            "type": "object",
            "properties": {"x": {"type": "string", "enum": ["", "a"]}},
        },
    },
}
LONG = {"mode": "url", "message": "x" * 10**5, "url": "https://x.example.com", "elicitationId": "1"}


@pytest.mark.parametrize(
    ("requests", "error"),
    [
        (
            {"s": {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}}},
            "asks for something that nobody here can give",
        ),
        ({"e": EMPTY_CHOICE}, "asks with a form that cannot be read"),
        ({"s": "nonsense"}, "is not what the protocol wants"),
        ({str(number): FORM["f"] for number in range(20)}, "asks for 60 values at once"),
        (
            {"f": {"method": "elicitation/create", "params": LONG}},
            "asks with more than can be kept",
        ),
    ],
    ids=["sampling", "empty choice", "nonsense", "too many", "long"],
)
async def test_a_server_that_asks_for_what_nobody_can_give_costs_its_call(
    requests: Any, error: str
):
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("Sorry."))
    async with (
        ScriptedServer(asking(requests), revision=MODERN) as server,
        runtime_with(driver) as runtime,
    ):
        talk = await begin(runtime, server)
        assert await talk.say("tea") == "Sorry."
        (result,) = await talk.data_of("tool.result")
    assert error in result["error"]


async def test_a_server_that_never_stops_asking_is_stopped():
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("Enough."))
    nothing = {"type": "object", "properties": {}}
    params = {"mode": "form", "message": "Sure?", "requestedSchema": nothing}
    yes = {"y": {"method": "elicitation/create", "params": params}}
    async with (
        ScriptedServer(asking(*[yes] * 20), revision=MODERN) as server,
        runtime_with(driver) as runtime,
    ):
        talk = await begin(runtime, server)
        await talk.send("tea")
        for count in range(1, 11):
            (question,) = await asked(talk, count)
            await answer(talk, reply(question["id"], None, "Yes"))
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    assert "has asked 10 times" in result["error"]
