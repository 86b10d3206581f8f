"""Calls that are cut off: by a server that is gone, silent or too slow, or by their caller."""

import asyncio
import time

import pytest

from everruns.mcp.connections import Connections
from everruns.mcp.failures import CannotConnect, McpFailure, OutcomeUnknown
from everruns.mcp.limits import Limits
from everruns.mcp.messages import MAX_MESSAGES_PER_SECOND
from tests.mcp_server import MODERN, Exchange, ScriptedServer, tool
from tests.waiting import PATIENCE_S, eventually

READS = {"annotations": {"readOnlyHint": True}}


impatient = pytest.mark.parametrize("limits", [Limits(connect_s=60, silence_s=2, call_s=4)])


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
        connections = Connections(Limits(connect_s=3))
        silent = asyncio.create_task(connections.listing(mute.account(), True))
        assert (await connections.listing(other.account("other"), True)).tools
        with pytest.raises(CannotConnect, match=r"did not answer within 3 seconds"):
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


@pytest.mark.parametrize("limits", [Limits(connect_s=60, silence_s=2)])
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
            await exchange.progress(1)

    async with ScriptedServer(flood) as server, ScriptedServer() as other:
        await turns.prepare(server.account())
        started = time.perf_counter()
        flooded = asyncio.create_task(turns.call(server.account()))
        await eventually(lambda: turns.progress)
        assert await turns.call(other.account("other")) == "done"
        assert not flooded.done()
        with pytest.raises(OutcomeUnknown):
            await flooded
        # It may have begun and ended in the middle of a second.
        seconds = time.perf_counter() - started + 2
        assert len(turns.progress) <= seconds * MAX_MESSAGES_PER_SECOND


async def test_an_answer_shorter_than_it_says_is_a_broken_connection(turns):
    async def act(exchange: Exchange) -> None:
        await exchange.raw(b'{"jsonrpc"', length=5000, content_type="application/json")
        exchange.close()

    async with ScriptedServer(act) as server:
        with pytest.raises(OutcomeUnknown, match="the connection broke"):
            await turns.call(server.account())
        assert len(server.asked("tools/call")) == 1


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
        async with asyncio.timeout(PATIENCE_S):
            await closed.wait()
