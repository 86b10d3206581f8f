"""Servers that misbehave: each costs its own call and nothing else."""

import asyncio
import base64
import gzip
import json
import time

import pytest

from everruns.mcp.call import Call
from everruns.mcp.connections import Connections
from everruns.mcp.failures import CannotConnect, McpFailure, NotDelivered, OutcomeUnknown
from everruns.mcp.limits import Limits
from everruns.tools.base import ToolError
from tests.mcp_server import MODERN, SESSIONS, Exchange, ScriptedServer, tool
from tests.waiting import eventually

READS = {"annotations": {"readOnlyHint": True}}
NOISE = {"level": "info", "data": "noise"}


impatient = pytest.mark.parametrize("limits", [Limits(connect_s=60, silence_s=2, call_s=4)])


@pytest.fixture
def limits() -> Limits:
    return Limits(connect_s=60)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "Bad Request: No valid session ID provided"),
        (400, "Bad Request: Server not initialized"),
        (404, "Session not found"),
        (404, "Not Found: Invalid or expired session ID"),
    ],
)
async def test_a_server_that_restarts_between_two_calls_is_connected_to_again(turns, status, words):
    async with ScriptedServer() as server:
        assert await turns.call(server.account()) == "done"
        server.restart()
        forgotten = server._answer

        async def forget(verb: str, exchange: Exchange) -> None:
            if exchange.headers.get("mcp-session-id") == "session-1":
                await exchange.error(words, status=status)
            else:
                await forgotten(verb, exchange)

        server._answer = forget
        assert await turns.call(server.account()) == "done"
        assert len(server.asked("initialize")) == 2


async def test_a_call_that_fails_over_some_session_of_its_own_is_not_repeated(turns):
    async def act(exchange: Exchange) -> None:
        words = "Card charged, but the checkout session could not be closed"
        await exchange.error(words, -32000, status=400)

    async with ScriptedServer(act) as server:
        with pytest.raises(McpFailure, match="refused: Card charged"):
            await turns.call(server.account())
        assert len(server.asked("tools/call")) == 1


@pytest.mark.parametrize("status", [500, 503])
async def test_a_server_that_breaks_down_over_a_call_may_have_acted(turns, status):
    async with ScriptedServer(lambda exchange: exchange.raw(b"oh", status)) as server:
        with pytest.raises(OutcomeUnknown, match="unknown whether the call took effect"):
            await turns.call(server.account())
        assert len(server.asked("tools/call")) == 1


async def test_a_server_that_wants_to_be_asked_later_is_asked_once_more(turns):
    async def act(exchange: Exchange) -> None:
        if len(exchange.server.asked("tools/call")) == 1:
            await exchange.raw(b"", 503, retry_after="1")
        else:
            await exchange.text("second")

    async with ScriptedServer(act) as server:
        assert await turns.call(server.account()) == "second"


async def test_a_server_that_is_down_is_named_and_used_once_it_is_back(turns):
    async with ScriptedServer() as server:
        account = server.account()
        server._server.close()
        with pytest.raises(CannotConnect, match="shop cannot be used: it cannot be connected to"):
            await turns.prepare(account)
        port = int(account.url.split(":")[2].split("/")[0])
        server._server = await asyncio.start_server(server._serve, "127.0.0.1", port)
        assert await turns.call(account) == "done"


async def test_a_server_that_never_answers_its_first_request_ends_after_the_time_to_connect():
    async with ScriptedServer() as mute, ScriptedServer() as other:
        mute.behaviours["server/discover"] = Exchange.hang
        connections = Connections(Limits(connect_s=0.5))
        silent = asyncio.create_task(connections.listing(mute.account(), True))
        assert (await connections.listing(other.account("other"), True)).tools
        with pytest.raises(CannotConnect, match=r"did not answer within 0\.5 seconds"):
            await silent
        await connections.close()


@impatient
async def test_a_call_without_a_sign_of_life_ends_while_others_on_the_connection_go_on(turns):
    async def act(exchange: Exchange) -> None:
        if exchange.arguments.get("hang"):
            await exchange.hang()
        await exchange.text("done")

    async with ScriptedServer(act) as server:
        await turns.call(server.account())
        hanging = asyncio.create_task(turns.call(server.account(), hang=True))
        assert await turns.call(server.account()) == "done"
        with pytest.raises(OutcomeUnknown, match=r"make progress for 2 seconds.*unknown whether"):
            await hanging
        await eventually(lambda: server.asked("notifications/cancelled"))
        (cancelled,) = server.asked("notifications/cancelled")
        call = next(seen for seen in server.asked("tools/call") if seen.arguments.get("hang"))
        assert cancelled.message["params"]["requestId"] == call.message["id"]
        assert await turns.call(server.account()) == "done"


@impatient
async def test_progress_keeps_a_call_alive_and_reaches_who_listens(turns):
    async def act(exchange: Exchange) -> None:
        await exchange.stream()
        for done in range(6):
            await exchange.progress(done)
            await asyncio.sleep(0.5)
        await exchange.event(
            {"id": exchange.message["id"], "result": {"content": [{"type": "text", "text": "ok"}]}}
        )
        exchange.close()

    async with ScriptedServer(act) as server:
        assert await turns.call(server.account()) == "ok"
        assert turns.progress == ["0", "1", "2", "3", "4", "5"]


@impatient
async def test_progress_without_end_ends_with_the_time_of_a_call(turns):
    async def act(exchange: Exchange) -> None:
        await exchange.stream()
        while not exchange.writer.is_closing():
            await exchange.progress(1)
            await asyncio.sleep(0.2)

    async with ScriptedServer(act) as server:
        with pytest.raises(OutcomeUnknown, match="finish within 4 seconds"):
            await turns.call(server.account())


@impatient
async def test_a_flood_of_notifications_is_slowed_down_and_leaves_others_their_time(turns):
    async def flood(exchange: Exchange) -> None:
        await exchange.stream()
        while not exchange.writer.is_closing():
            await exchange.event({"method": "notifications/message", "params": NOISE})

    async with ScriptedServer(flood) as server, ScriptedServer() as other:
        await turns.prepare(server.account())
        flooded = asyncio.create_task(turns.call(server.account()))
        await asyncio.sleep(1)
        started = time.perf_counter()
        assert await turns.call(other.account("other")) == "done"
        assert time.perf_counter() - started < 2
        with pytest.raises(OutcomeUnknown):
            await flooded


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


async def test_an_answer_shorter_than_it_says_is_a_broken_connection(turns):
    async def act(exchange: Exchange) -> None:
        await exchange.raw(b'{"jsonrpc"', length=5000, content_type="application/json")
        exchange.close()

    async with ScriptedServer(act) as server:
        with pytest.raises(OutcomeUnknown, match="the connection broke"):
            await turns.call(server.account())
        assert len(server.asked("tools/call")) == 1


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


async def test_a_server_that_closes_in_the_middle_of_a_call_ran_it_once(turns):
    async def act(exchange: Exchange) -> None:
        exchange.close()

    async with ScriptedServer(act) as server:
        with pytest.raises(OutcomeUnknown, match="unknown whether the call took effect"):
            await turns.call(server.account())
        assert len(server.asked("tools/call")) == 1


async def test_a_call_that_only_reads_is_repeated_once_when_its_result_is_lost(turns):
    async def act(exchange: Exchange) -> None:
        if len(exchange.server.asked("tools/call")) == 1:
            exchange.close()
        else:
            await exchange.text("second")

    async with ScriptedServer(act, [tool("act", **READS)]) as server:
        assert await turns.call(server.account()) == "second"


async def test_an_answer_after_the_call_was_cancelled_is_dropped(turns):
    released = asyncio.Event()
    held: list[Exchange] = []

    async def act(exchange: Exchange) -> None:
        held.append(exchange)
        await released.wait()
        await exchange.text("late" if len(held) == 1 else "in time")

    async with ScriptedServer(act) as server:
        await turns.prepare(server.account())
        cancelled = asyncio.create_task(turns.call(server.account()))
        await eventually(lambda: held)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        released.set()
        assert await turns.call(server.account()) == "in time"
        await eventually(lambda: server.asked("notifications/cancelled"))


async def test_a_call_of_the_stateless_revision_is_cancelled_by_closing_its_stream(turns):
    closed = asyncio.Event()
    begun = asyncio.Event()

    async def act(exchange: Exchange) -> None:
        begun.set()
        try:
            while True:
                await exchange.head(102)
                await asyncio.sleep(0.05)
        except ConnectionError:
            closed.set()
            raise

    async with ScriptedServer(act, revision=MODERN) as server:
        call = asyncio.create_task(turns.call(server.account()))
        await begun.wait()
        call.cancel()
        async with asyncio.timeout(10):
            await closed.wait()


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
    import subprocess
    import sys

    script = "import sys, json, everruns.mcp.capability; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    assert not {"mcp", "mcp_types"} & set(json.loads(output))
