"""How long calls of MCP servers may take: their own limits come before those of all tools."""

import asyncio
import contextlib
from typing import Any

import pytest

from everruns.mcp.connections import Connections
from tests.mcp_server import Exchange, ScriptedServer, tool
from tests.mcp_turns import acts, begin, runtime_with
from tests.scripts import ScriptedDriver, says
from tests.waiting import eventually

LIMIT_S = 4


async def hang(exchange: Exchange) -> None:
    await exchange.stream()
    await exchange.hang()


async def works_on(exchange: Exchange) -> None:
    """Take longer than the limit, with signs of progress."""
    await exchange.stream()
    loop = asyncio.get_running_loop()
    started, steps = loop.time(), 0
    while loop.time() - started < LIMIT_S + 1:
        steps += 1
        await exchange.progress(steps)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(exchange.server.stopped.wait(), 0.1)
    result = {"content": [{"type": "text", "text": "done at last"}]}
    await exchange.event({"id": exchange.message["id"], "result": result})
    exchange.close()


def connections_of(runtime: Any) -> Connections:
    return runtime.host.environment._servers._connections


async def outcome(talk: Any) -> dict[str, Any]:
    await talk.ended()
    (result,) = await talk.data_of("tool.result")
    return result


@pytest.mark.parametrize("hints", [{}, {"readOnlyHint": True}])
async def test_a_call_without_progress_ends_once_with_an_unknown_outcome(hints: dict[str, Any]):
    driver = ScriptedDriver(acts(), says("Sorry."))
    async with (
        ScriptedServer(hang, [tool("act", annotations=hints)]) as server,
        runtime_with(driver, tool_timeout_s=LIMIT_S) as runtime,
    ):
        talk = await begin(runtime, server)
        await talk.send("go")
        error = (await outcome(talk))["error"]
        assert f"did not make progress for {LIMIT_S} seconds" in error
        assert "unknown whether the call took effect" in error
        assert connections_of(runtime)._open == {}
    assert len(server.asked("tools/call")) == 1


async def test_a_call_with_progress_may_take_longer_than_other_tools():
    driver = ScriptedDriver(acts(), says("Done."))
    async with (
        ScriptedServer(works_on) as server,
        runtime_with(driver, tool_timeout_s=LIMIT_S) as runtime,
    ):
        talk = await begin(runtime, server)
        await talk.send("go")
        assert (await outcome(talk))["result"] == "done at last"


async def test_a_cancelled_call_leaves_no_connection_on_which_its_server_may_go_on():
    async with (
        ScriptedServer(hang) as server,
        runtime_with(ScriptedDriver(acts())) as runtime,
    ):
        talk = await begin(runtime, server)
        await talk.send("go")
        await eventually(lambda: server.asked("tools/call"))
        await runtime.sessions.cancel(talk.id)
        await talk.ended()
        await eventually(lambda: not connections_of(runtime)._open)
