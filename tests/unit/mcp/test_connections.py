"""Connections: shared, bounded, closed when unused, and reopened when lost."""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any, NoReturn

import httpx2
import pytest
from pydantic import SecretStr

from everruns.domain.mcp_authorizations import Access, Subject
from everruns.domain.mcp_servers import McpAccount
from everruns.domain.prepared import PreparedTool
from everruns.domain.tools import ToolDefinition
from everruns.mcp.authorized import AuthorizedTransport
from everruns.mcp.call import Call
from everruns.mcp.capability import ServerTools
from everruns.mcp.connections import Connections
from everruns.mcp.failures import InputRequired, McpFailure
from everruns.mcp.limits import Limits
from tests.mcp_server import MODERN, SESSIONS, Exchange, ScriptedServer, tool
from tests.unit.mcp.conftest import context
from tests.waiting import eventually


async def test_a_tool_is_called_in_a_process_that_did_not_prepare_it(turns):
    definition = ToolDefinition(name="mcp_shop__act", description="", parameters={})
    prepared = PreparedTool(definition=definition, reference={"tool": "act"})
    async with ScriptedServer() as server:
        run = ServerTools(server.account(), turns.connections).run
        assert await run(prepared, {}, context()) == "done"
        assert server.asked("tools/list") == []


@pytest.mark.parametrize("revision", [MODERN, SESSIONS])
async def test_a_server_is_told_of_the_trace_of_a_call(turns, revision: str):
    definition = ToolDefinition(name="mcp_shop__act", description="", parameters={})
    prepared = PreparedTool(definition=definition, reference={"tool": "act"})
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with ScriptedServer(revision=revision) as server:
        run = ServerTools(server.account(), turns.connections).run
        await run(prepared, {}, replace(context(), traceparent=traceparent))
        await run(prepared, {}, context())
        traced, untraced = (call.message["params"] for call in server.asked("tools/call"))
    assert traced["_meta"]["traceparent"] == traceparent
    assert "traceparent" not in untraced.get("_meta", {})


async def test_arguments_are_repeated_in_headers_where_the_servers_list_wants_it(turns):
    parameter = {"type": "string", "x-mcp-header": "Region"}
    schema = {"type": "object", "properties": {"region": parameter}}
    listed = {"name": "act", "inputSchema": schema}
    definition = ToolDefinition(name="mcp_shop__act", description="", parameters=schema)
    prepared = PreparedTool(definition=definition, reference={"tool": "act"})
    async with ScriptedServer(tools=[listed], revision=MODERN) as server:
        run = ServerTools(server.account(), turns.connections).run
        await run(prepared, {"region": "eu"}, context())
        (called,) = server.asked("tools/call")
        assert called.headers["mcp-param-region"] == "eu"
        assert called.headers["mcp-protocol-version"] == MODERN


async def test_calls_that_come_together_list_the_tools_once():
    connections = Connections()

    async def list_late(exchange: Exchange) -> None:
        await eventually(lambda: next(iter(connections._open.values()))._borrowed == 3)
        await server._list(exchange)

    async with ScriptedServer(revision=MODERN) as server:
        server.behaviours["tools/list"] = list_late
        wanted = [
            connections.call(
                server.account(), Call("act", {}), repeatable=False, allow_private=True
            )
            for _ in range(3)
        ]
        await asyncio.gather(*wanted)
        assert len(server.asked("tools/list")) == 1
    await connections.close()


async def test_the_list_of_tools_is_kept_for_a_while(turns):
    async with ScriptedServer() as server:
        for _ in range(3):
            await turns.prepare(server.account())
        assert len(server.asked("tools/list")) == 1


async def test_the_list_is_read_again_when_the_server_says_that_it_changed(turns):
    async def act(exchange: Exchange) -> None:
        server.tools.append(tool("new"))
        await exchange.stream()
        await exchange.event({"method": "notifications/tools/list_changed"})
        await exchange.event({"id": exchange.message["id"], "result": {"content": []}})
        exchange.close()

    async with ScriptedServer(act) as server:
        await turns.call(server.account())
        prepared = await turns.prepare(server.account())
        assert [found.reference["tool"] for found in prepared.tools] == ["act", "new"]


async def test_a_server_without_tools_offers_none(turns):
    async with ScriptedServer(tools=[]) as server:
        assert (await turns.prepare(server.account())).tools == []


async def test_what_a_server_asks_a_person_is_raised_with_its_state(turns):
    form = {
        "method": "elicitation/create",
        "params": {
            "message": "Sure?",
            "requestedSchema": {"type": "object", "properties": {"yes": {"type": "boolean"}}},
        },
    }

    async def act(exchange: Exchange) -> None:
        if answers := exchange.message["params"].get("inputResponses"):
            assert exchange.message["params"]["requestState"] == "opaque"
            await exchange.text(str(answers["q"]["content"]["yes"]))
        else:
            await exchange.result(
                resultType="input_required", inputRequests={"q": form}, requestState="opaque"
            )

    async with ScriptedServer(act, revision=MODERN) as server:
        with pytest.raises(InputRequired) as asked:
            await turns.connections.call(
                server.account(), Call("act", {}), repeatable=False, allow_private=True
            )
        assert asked.value.state == "opaque"
        assert asked.value.requests["q"]["params"]["message"] == "Sure?"
        answers = {"q": {"action": "accept", "content": {"yes": True}}}
        result = await turns.connections.call(
            server.account(),
            Call("act", {}, answers=answers, state="opaque"),
            repeatable=False,
            allow_private=True,
        )
        assert result.content[0].text == "True"


async def test_what_a_server_with_sessions_asks_where_nobody_can_be_asked_is_cancelled(turns):
    answered: list[str] = []

    async def act(exchange: Exchange) -> None:
        params = {"message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}}
        await exchange.stream()
        await exchange.event({"id": 77, "method": "elicitation/create", "params": params})
        replies = lambda: [seen for seen in server.seen if "result" in seen.message]  # noqa: E731
        await eventually(replies)
        answered.append(replies()[0].message["result"]["action"])
        await exchange.event({"id": exchange.message["id"], "result": {"content": []}})
        exchange.close()

    async with ScriptedServer(act) as server:
        await turns.call(server.account())
        assert answered == ["cancel"]


async def test_an_unused_connection_is_closed():
    connections = Connections(Limits(unused_s=0.2))
    async with ScriptedServer() as server:
        await connections.listing(server.account(), True)
        await eventually(lambda: not connections._open and not connections._closing)
        await connections.listing(server.account(), True)
        assert len(server.asked("initialize")) == 2
    await connections.close()


async def test_which_era_a_server_speaks_is_asked_once():
    connections = Connections(Limits(unused_s=0.1))
    async with ScriptedServer() as server:
        for _ in range(2):
            await connections.listing(server.account(), True)
            await eventually(lambda: not connections._open)
        assert len(server.asked("server/discover")) == 1
        assert len(server.asked("initialize")) == 2
    await connections.close()


@pytest.mark.parametrize(("before", "after"), [(MODERN, SESSIONS), (SESSIONS, MODERN)])
async def test_a_server_replaced_by_one_of_another_era_is_asked_again(turns, before, after):
    async with ScriptedServer(revision=before) as server:
        assert await turns.call(server.account()) == "done"
        server.revision = after
        server.restart()
        assert await turns.call(server.account()) == "done"
        assert len(server.asked("server/discover")) == 2


async def test_the_connection_unused_for_longest_makes_room_for_another():
    connections = Connections(Limits(connections=2))
    async with ScriptedServer() as server:
        for number in (1, 2, 3):
            account = server.account(headers={"X-Key": f"number-{number}"})
            await connections.listing(account, True)
        assert len(connections._open) == 2
    await connections.close()


async def test_when_all_connections_are_used_another_server_is_refused():
    connections = Connections(Limits(connections=1))
    async with ScriptedServer(Exchange.hang) as busy, ScriptedServer() as other:
        call = asyncio.create_task(
            connections.call(busy.account(), Call("act", {}), repeatable=False, allow_private=True)
        )
        await eventually(lambda: busy.asked("tools/call"))
        with pytest.raises(McpFailure, match="All 1 connections to MCP servers are in use"):
            await connections.listing(other.account(), True)
        call.cancel()
        await asyncio.wait({call})
    await connections.close()


async def test_calls_beyond_what_may_wait_are_refused_at_once():
    connections = Connections(Limits(calls=1, waiting=1))
    async with ScriptedServer(Exchange.hang) as server:

        def call() -> asyncio.Task:
            wanted = Call("act", {})
            return asyncio.create_task(
                connections.call(server.account(), wanted, repeatable=False, allow_private=True)
            )

        running = [call(), call()]
        await eventually(lambda: server.asked("tools/call"))
        with pytest.raises(McpFailure, match="is busy: 2 calls are running or waiting"):
            await call()
        assert len(server.asked("tools/call")) == 1
        for task in running:
            task.cancel()
        await asyncio.wait(running)
    await connections.close()


async def test_who_shares_a_connection_reads_of_the_server_by_their_own_name(turns):
    async with ScriptedServer(lambda exchange: exchange.error("no")) as server:
        for name in ("shop", "store"):
            with pytest.raises(McpFailure, match=f"^The MCP server {name} refused: no"):
                await turns.call(server.account(name))
        assert len(server.asked("initialize")) == 1


async def test_whose_connection_fails_reads_of_the_server_by_their_own_name(turns):
    async with ScriptedServer() as server:
        server._server.close()
        asked = [turns.prepare(server.account(name)) for name in ("shop", "store")]
        failed = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(one).split(" cannot be used")[0] for one in failed] == [
        "The MCP server shop",
        "The MCP server store",
    ]


async def test_closing_ends_calls_that_run():
    connections = Connections()
    async with ScriptedServer(Exchange.hang) as server:
        call = asyncio.create_task(
            connections.call(
                server.account(), Call("act", {}), repeatable=False, allow_private=True
            )
        )
        await eventually(lambda: server.asked("tools/call"))
        await connections.close()
        with pytest.raises(Exception, match="closed"):
            await call


class Tokens:
    """Gives each subject a token of its own."""

    async def access(
        self,
        server_id: str,
        subject: Subject,
        rejected: SecretStr | None = None,
        needed: str | None = None,
    ) -> Access | None:
        return Access(SecretStr(f"token-of-{subject.end_user}"), subject.id_at(server_id))

    async def begin(self, *_: Any) -> NoReturn:
        raise AssertionError("nobody is asked")


async def test_users_who_are_authorized_each_for_themselves_share_no_connection():
    connections = Connections(authorizations=Tokens())
    async with ScriptedServer() as server:
        account = server.account(id="mcpserver_1", acts_as="user")
        for user in ("ada", "bob", "ada"):
            await connections.call(
                account,
                Call("act", {}),
                repeatable=False,
                allow_private=True,
                subject=Subject("agent_1", user),
            )
        assert len(server.asked("initialize")) == 2
        sent = [seen.headers["authorization"] for seen in server.asked("tools/call")]
    assert sent == [f"bearer token-of-{user}" for user in ("ada", "bob", "ada")]
    await connections.close()


async def test_a_server_that_wants_oauth_gets_no_request_where_nobody_authorizes():
    connections = Connections()
    async with ScriptedServer() as server:
        account = server.account(id="mcpserver_1", acts_as="user")
        with pytest.raises(McpFailure, match="cannot be authorized here"):
            await connections.listing(account, True)
        assert server.seen == []


async def test_a_token_goes_to_no_other_origin():
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200)

    async def obtain(_rejected: SecretStr | None, _needed: str | None) -> Access:
        return Access(SecretStr("token-1"), "grant-1")

    account = McpAccount(name="shop", url="https://shop.example.com/mcp", acts_as="user")
    inner = httpx2.MockTransport(answer)
    transport = AuthorizedTransport(inner, account, obtain, lambda _token: None)
    async with httpx2.AsyncClient(transport=transport) as client:
        for url in (
            "https://shop.example.com/a",
            "https://evil.example.com/",
            "http://shop.example.com/",
        ):
            await client.get(url)
    assert [request.headers.get("authorization") for request in sent] == [
        "Bearer token-1",
        None,
        None,
    ]


@pytest.mark.parametrize("revision", [SESSIONS, MODERN])
async def test_a_server_whose_secret_is_the_same_for_two_sessions_gets_one_connection(
    turns, revision
):
    async with ScriptedServer(revision=revision) as server:
        one, same = (server.account(headers={"X-Key": "aaaaaaaa"}) for _ in range(2))
        other = server.account(headers={"X-Key": "bbbbbbbb"})
        for account in (one, same, other):
            await turns.call(account)
        assert len(server.asked("server/discover")) == 2
        keys = [seen.headers["x-key"] for seen in server.asked("tools/call")]
        assert keys == ["aaaaaaaa", "aaaaaaaa", "bbbbbbbb"]


def test_the_library_is_not_loaded_until_a_server_is_used():
    script = "import sys, json, everruns.mcp.capability; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    assert not {"mcp", "mcp_types"} & set(json.loads(output))
