"""Many sessions whose agent uses one MCP server: connections, memory, and the time of a call."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from statistics import median

from mcp.client import Client as McpClient

from bench.limits.asking import Client, asking, make_agent
from bench.limits.processes import memory_by_role, usages
from bench.limits.report import Report
from bench.load import percentile
from bench.mcp.adder import NAME, TOOL, Adder
from bench.server import Server

ARGUMENTS = {"a": 1, "b": 2}
AT_ONCE = 16
POLL_S = 0.02
# So many that each session actor gets some.
FIRST_SESSIONS = 16


async def measure(server: Server, adder: Adder, sessions: int, rounds: int) -> list[Report]:
    """Compare sessions with the server's tool and sessions with a built-in one.

    Args:
        server: The server under measurement.
        adder: The MCP server; it is added to the catalogue.
        sessions: How many sessions of each kind.
        rounds: How many turns of each kind the time of a call is taken from.
    """
    async with asking(server.address) as client:
        await client.post("/v1/mcp-servers", {"name": NAME, "url": adder.url})
        built_in = await make_agent(client, calling("add"), ("test_math",))
        remote = await make_agent(client, calling(f"mcp_{NAME}__{TOOL}"), (f"mcp:{NAME}",))
        await _sessions(client, built_in, FIRST_SESSIONS)
        sizes = [_session_actors_mb(server)]
        built_in_sessions = await _sessions(client, built_in, sessions)
        sizes.append(_session_actors_mb(server))
        await _sessions(client, remote, FIRST_SESSIONS)
        sizes.append(_session_actors_mb(server))
        counting = asyncio.create_task(_most_connections(adder))
        remote_sessions = await _sessions(client, remote, sessions)
        counting.cancel()
        most = await counting
        sizes.append(_session_actors_mb(server))
        left = adder.connections()
        kinds = (built_in_sessions, remote_sessions)
        took_ms = await _in_turns(client, *kinds, adder.url, rounds)
    return [
        _memory_report(sizes, sessions),
        Report(
            f"Connections to the MCP server, {sessions} sessions, {AT_ONCE} turns at once",
            ("Most at once", "Left open"),
            [(str(most), str(left))],
        ),
        _time_report(took_ms),
    ]


def calling(tool: str) -> dict[str, object]:
    """Return a provider whose model calls a tool, then answers."""
    call = {"name": tool, "arguments": ARGUMENTS}
    script = [{"tool_calls": [call]}, {"text": "That was the sum."}]
    return {"provider_type": "simulated", "settings": {"script": script}}


async def _sessions(client: Client, agent_id: str, count: int) -> list[str]:
    """Create sessions, and take a turn in each."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one() -> str:
        async with at_once:
            session_id = await client.create(agent_id)
            await _turn(client, session_id)
            return session_id

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def _turn(client: Client, session_id: str) -> float:
    """Take a turn; return its milliseconds from the message to its end."""
    sent = time.perf_counter()
    await client.send(session_id)
    await client.turn_end(session_id)
    return (time.perf_counter() - sent) * 1000


async def _in_turns(
    client: Client, built_in: Sequence[str], remote: Sequence[str], url: str, rounds: int
) -> Sequence[list[float]]:
    """Return the milliseconds of turns of both kinds and of calls alone, in turns."""
    async with McpClient(url) as library:

        async def call_alone(_: str) -> float:
            sent = time.perf_counter()
            await library.call_tool(TOOL, ARGUMENTS)
            return (time.perf_counter() - sent) * 1000

        await call_alone("")
        kinds = (
            (built_in, partial(_turn, client)),
            (remote, partial(_turn, client)),
            (("",), call_alone),
        )
        took_ms: Sequence[list[float]] = ([], [], [])
        for number in range(rounds):
            for (sessions, take), taken_ms in zip(kinds, took_ms, strict=True):
                taken_ms.append(await take(sessions[number % len(sessions)]))
    return took_ms


async def _most_connections(adder: Adder) -> int:
    """Count until cancelled; return the most that there were."""
    most = 0
    try:
        while True:
            most = max(most, await asyncio.to_thread(adder.connections))
            await asyncio.sleep(POLL_S)
    except asyncio.CancelledError:
        return most


def _session_actors_mb(server: Server) -> float:
    return memory_by_role(usages(server))["session actor"][1]


def _memory_report(sizes: Sequence[float], sessions: int) -> Report:
    whats = (
        f"{sessions} sessions with a built-in tool",
        f"{FIRST_SESSIONS} sessions with the MCP server, which load the protocol's library",
        f"{sessions} more of these",
    )
    counts = (sessions, None, sessions)
    rows = [(f"{FIRST_SESSIONS} sessions", f"{sizes[0]:.0f} MB", "", "")]
    for what, count, (before, after) in zip(whats, counts, pairwise(sizes), strict=True):
        added = after - before
        each = "" if count is None else f"{added / count * 1000:.0f} KB"
        rows.append((what, f"{after:.0f} MB", f"{added:+.1f} MB", each))
    title = "Private memory of all session actors"
    return Report(title, ("After", "In all", "Added", "A session"), rows)


def _time_report(took_ms: Sequence[list[float]]) -> Report:
    built_in, remote, alone = took_ms
    names = {
        "a turn that calls a built-in tool": built_in,
        "the same turn with the server's tool": remote,
        "the call alone, by the protocol's library": alone,
    }
    rows = [
        (what, *(f"{percentile(values, percent):.1f} ms" for percent in (50, 99)))
        for what, values in names.items()
    ]
    own_ms = median(remote) - median(built_in) - median(alone)
    rows.append(("what is ours of the difference", f"{own_ms:.1f} ms", ""))
    return Report(f"Time of a call, {len(remote)} turns of each", ("", "p50", "p99"), rows)
