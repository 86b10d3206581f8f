"""``grep``: what agents that search large files without end cost everybody else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop
from rich.console import Console

from bench.checkout import Checkout
from bench.limits.asking import Client, asking, make_agent
from bench.limits.processes import wait_for_rest, wait_for_session_actors
from bench.limits.report import Report, Target
from bench.load import percentile
from bench.server import Server, running_server
from everruns.domain.base import MIB

AGENTS = 2
FILES = 64
LINE = b"A line of a file that is searched again and again, and in which nothing is found.\n"
FILE = (LINE * (MIB // len(LINE) + 1))[:MIB]
SEARCH = {"name": "grep_files", "arguments": {"pattern": "needle-[0-9]+"}}
# After its last entry a script repeats it.
SEARCHING = {"provider_type": "simulated", "settings": {"script": [{"tool_calls": [SEARCH]}]}}
SIMULATED = {"provider_type": "simulated", "settings": {"tokens": 20}}
OUT_OF_TIME = "takes too long"
MAX_ITERATIONS = "1000"
CLIENTS = 4
SECONDS = 20.0
FIRST_SEARCH_WITHIN_S = 60.0
POLL_S = 0.2
WARM_UP_TURNS = 20
TARGET_MS = 100.0
WITHOUT, WITH = "without", "with"


def measure(out: Console, checkout: Checkout) -> list[Report]:
    """Take turns, before and while two agents search 64 MiB without end."""
    with running_server(
        checkout=checkout, EVERRUNS_DASHBOARD="false", EVERRUNS_MAX_ITERATIONS=MAX_ITERATIONS
    ) as server:
        wait_for_session_actors(server)
        first_ms, searches = uvloop.run(_measure(server))
    out.print(f"  {searches} searches meanwhile")
    p99_ms = {name: percentile(each, 99) for name, each in first_ms.items()}
    return [
        Report(
            f"First event for {CLIENTS} clients, while {AGENTS} agents search {FILES} MiB",
            ("", *first_ms),
            [
                ("turns", *(str(len(each)) for each in first_ms.values())),
                *(
                    (f"p{p}", *(f"{percentile(each, p):.1f} ms" for each in first_ms.values()))
                    for p in (50, 99)
                ),
                ("searches", "", str(searches)),
            ],
            [Target("grep: first event p99 of others, ms", p99_ms[WITH], TARGET_MS)],
        )
    ]


async def _measure(server: Server) -> tuple[dict[str, list[float]], int]:
    """Return the milliseconds to each first event, and how many searches ended meanwhile."""
    async with asking(server.address) as client:
        agent_id = await make_agent(client, SIMULATED)
        warm_up = [await client.create(agent_id) for _ in range(WARM_UP_TURNS)]
        await asyncio.gather(*map(client.take_turn, warm_up))
        searcher_id = await make_agent(client, SEARCHING, ("session_file_system",))
        searchers = [await _with_files(client, searcher_id) for _ in range(AGENTS)]
        await asyncio.to_thread(wait_for_rest, server)
        found = {WITHOUT: await _turns(client, agent_id)}
        async with _searching(client, searchers):
            before = await _searches(client, searchers)
            found[WITH] = await _turns(client, agent_id)
            searches = await _searches(client, searchers) - before
    return found, searches


async def _with_files(client: Client, agent_id: str) -> str:
    """Return a session whose workspace is as full as one may be."""
    session = await client.post(f"/v1/agents/{agent_id}/sessions", {})
    for number in range(FILES):
        path = f"/v1/workspaces/{session['workspace_id']}/raw/file-{number}.txt"
        async with client.http.put(path, data=FILE) as answer:
            answer.raise_for_status()
    return session["id"]


@asynccontextmanager
async def _searching(client: Client, session_ids: list[str]) -> AsyncIterator[None]:
    """Let agents search; the block begins when each has searched once."""
    for session_id in session_ids:
        await client.send(session_id)
    async with asyncio.timeout(FIRST_SEARCH_WITHIN_S):
        for session_id in session_ids:
            while not await _searches(client, [session_id]):
                await asyncio.sleep(POLL_S)
    try:
        yield
    finally:
        for session_id in session_ids:
            await client.post(f"/v1/sessions/{session_id}/cancel", {})


async def _searches(client: Client, session_ids: list[str]) -> int:
    """Return how many searches have ended, also by their time.

    Raises:
        RuntimeError: One has failed for another reason.
    """
    ended = 0
    for session_id in session_ids:
        path = f"/v1/sessions/{session_id}/events?types=tool.result&limit=1000"
        events = (await client.get(path, {"accept": "application/json"}))["data"]
        for event in events:
            result = event["data"]
            if not result["success"] and OUT_OF_TIME not in result["error"]:
                raise RuntimeError(f"A search failed: {result['error']}")
        ended += len(events)
    return ended


async def _turns(client: Client, agent_id: str) -> list[float]:
    """Let clients take turns one after another; return the milliseconds to each first event."""
    taken_ms: list[float] = []
    until = time.perf_counter() + SECONDS

    async def converse() -> None:
        session_id = await client.create(agent_id)
        while time.perf_counter() < until:
            taken_ms.append(await client.take_turn(session_id))

    await asyncio.gather(*(converse() for _ in range(CLIENTS)))
    return taken_ms
