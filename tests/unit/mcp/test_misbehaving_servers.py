"""Servers that misbehave: each costs its own call and nothing else."""

import base64
import gzip

import pytest

from everruns.mcp.call import Call
from everruns.mcp.connections import Connections
from everruns.mcp.failures import CannotConnect, McpFailure, NotDelivered, OutcomeUnknown
from everruns.tools.base import ToolError
from tests.mcp_server import MODERN, Exchange, ScriptedServer, tool


@pytest.mark.parametrize("answer", [b"<html>", b'{"jsonrpc":"2.0","id":ID,"result":{"tools":1}}'])
async def test_a_call_before_which_the_tools_cannot_be_listed_was_not_made(answer):
    async def list_badly(exchange: Exchange) -> None:
        number = str(exchange.message["id"]).encode()
        await exchange.raw(answer.replace(b"ID", number), content_type="application/json")

    connections = Connections()
    async with ScriptedServer(revision=MODERN) as server:
        server.behaviours["tools/list"] = list_badly
        with pytest.raises(NotDelivered, match="could not be asked for its tools") as failed:
            await connections.call(
                server.account(), Call("act", {}), repeatable=False, allow_private=True
            )
        assert "took effect" not in str(failed.value)
        with pytest.raises(NotDelivered, match="could not be asked for its tools"):
            await connections.listing(server.account(), True)
        assert server.asked("tools/call") == []
    await connections.close()


@pytest.mark.parametrize(
    "body", [b"<html>Welcome</html>", b"[" * 100_000, b"\xff\xfe", b"null", b""]
)
async def test_garbage_in_place_of_json_costs_one_call(turns, body):
    async def act(exchange: Exchange) -> None:
        await exchange.raw(body, content_type="application/json")

    async with ScriptedServer(act) as server:
        with pytest.raises(OutcomeUnknown, match="unknown whether the call took effect"):
            await turns.call(server.account())
        server.behaviours["tools/call"] = lambda exchange: exchange.text("done")
        assert await turns.call(server.account()) == "done"


@pytest.mark.parametrize("result", [{}, {"content": "text"}, {"content": [{"type": "text"}]}])
async def test_a_result_that_is_none_costs_one_call(turns, result):
    async with ScriptedServer(lambda exchange: exchange.result(**result)) as server:
        with pytest.raises(OutcomeUnknown, match="not what the protocol wants"):
            await turns.call(server.account())


async def test_a_result_of_8_mb_is_not_read_and_the_connection_lives(turns):
    async def act(exchange: Exchange) -> None:
        await exchange.text("x" * 8_000_000)

    async with ScriptedServer(act) as server:
        with pytest.raises(OutcomeUnknown, match="larger than 4 MiB"):
            await turns.call(server.account())
        server.behaviours["tools/call"] = lambda exchange: exchange.text("done")
        assert await turns.call(server.account()) == "done"


async def test_an_event_of_8_mb_is_not_read(turns):
    async def act(exchange: Exchange) -> None:
        await exchange.stream()
        content = [{"type": "text", "text": "x" * 8_000_000}]
        await exchange.event({"id": exchange.message["id"], "result": {"content": content}})
        exchange.close()

    async with ScriptedServer(act) as server:
        with pytest.raises(OutcomeUnknown):
            await turns.call(server.account())


async def test_a_small_answer_that_unpacks_to_much_is_not_unpacked(turns):
    body = gzip.compress(b"0" * 8_000_000)

    async def act(exchange: Exchange) -> None:
        await exchange.raw(body, content_type="application/json", content_encoding="gzip")

    async with ScriptedServer(act) as server:
        with pytest.raises(OutcomeUnknown, match="larger than 4 MiB"):
            await turns.call(server.account())


async def test_an_svg_is_told_and_not_shown(turns):
    svg = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()

    async def act(exchange: Exchange) -> None:
        image = {"type": "image", "data": svg, "mimeType": "image/png"}
        await exchange.result(content=[image])

    async with ScriptedServer(act) as server:
        assert "was left out: it is not PNG" in await turns.call(server.account())


async def test_a_redirect_to_another_host_is_named_and_not_followed(turns):
    async def act(exchange: Exchange) -> None:
        await exchange.raw(b"", 307, location="http://169.254.169.254/latest/")

    async with ScriptedServer(act) as server:
        with pytest.raises(McpFailure, match=r"Redirect to http://169\.254\.169\.254/latest/ not"):
            await turns.call(server.account())


async def test_a_server_on_a_private_address_is_refused_unless_allowed():
    async with ScriptedServer() as server:
        connections = Connections()
        with pytest.raises(CannotConnect, match=r"127\.0\.0\.1 is not on the public internet"):
            await connections.listing(server.account(), False)
        assert server.seen == []
        await connections.close()


async def test_an_error_of_the_server_is_told_without_the_secrets_that_it_repeats(turns):
    async def act(exchange: Exchange) -> None:
        await exchange.error(f"bad token {exchange.headers['authorization']}")

    async with ScriptedServer(act) as server:
        account = server.account(headers={"Authorization": "Bearer hunter2hunter2"})
        with pytest.raises(McpFailure) as caught:
            await turns.call(account)
        assert "bad token" in str(caught.value)
        assert "hunter2" not in str(caught.value).lower()


@pytest.mark.parametrize(("status", "words"), [(401, "asks for authorization"), (403, "denies")])
async def test_missing_rights_say_what_to_check(turns, status, words):
    async with ScriptedServer() as server:
        server.behaviours["initialize"] = lambda exchange: exchange.raw(b"no", status)
        with pytest.raises(CannotConnect, match=f"{words}.*check the headers"):
            await turns.prepare(server.account())


async def test_an_address_without_a_server_says_to_check_the_url(turns):
    async with ScriptedServer() as server:
        for method in ("initialize", "server/discover"):
            server.behaviours[method] = lambda exchange: exchange.raw(b"lost", 404)
        with pytest.raises(CannotConnect, match="check the URL"):
            await turns.prepare(server.account())


async def test_a_tool_that_fails_says_why(turns):
    async def act(exchange: Exchange) -> None:
        await exchange.result(content=[{"type": "text", "text": "Out of stock"}], isError=True)

    async with ScriptedServer(act) as server:
        with pytest.raises(ToolError, match=r"^Out of stock$"):
            await turns.call(server.account())


async def test_pages_of_tools_without_end_are_read_up_to_a_limit(turns):
    async def endless(exchange: Exchange) -> None:
        number = len(exchange.server.asked("tools/list"))
        await exchange.result(tools=[tool(f"act{number}")], nextCursor=str(number))

    async with ScriptedServer() as server:
        server.behaviours["tools/list"] = endless
        prepared = await turns.prepare(server.account())
        assert len(prepared.tools) == 50
        assert "lists more tools than are read; 50 are offered" in prepared.notes[0]


async def test_tools_that_cannot_be_read_are_left_out_with_a_note(turns):
    good, bad = tool("good"), {"name": "bad", "inputSchema": "none"}
    async with ScriptedServer(tools=[bad, good, "nonsense", {"inputSchema": {}}]) as server:
        prepared = await turns.prepare(server.account())
        assert [found.definition.name for found in prepared.tools] == ["mcp_shop__good"]
        assert any("'bad'" in note and "inputSchema" in note for note in prepared.notes)
