"""``steps``: how fast durable steps are stored: by whole turns, and in the registry alone.

A step is one append to a session's log. A turn that makes ``CALLS`` tool calls, one after another,
takes one for the message, three for each call (the answer that calls, the call, its result) and
one for the last answer with the turn's end.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import uvloop
from rich.console import Console

from bench.checkout import Checkout
from bench.history import Log
from bench.limits.asking import Client, asking, make_agent
from bench.limits.processes import wait_for_rest, wait_for_session_actors
from bench.limits.report import Report, Target
from bench.server import Server, running_server
from everruns.capabilities.registry import load_capabilities
from everruns.domain.sessions import SessionInput
from everruns.domain.state import SessionState
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.storage.data_directory.opening import open_store
from everruns.storage.logs import FIRST_HOLDER, Append

CALLS = 10
APPENDS_IN_TURN = 2 + 3 * CALLS
EVENTS_IN_TURN = 4 + 3 * CALLS
CLIENTS = 64
ALONE_TURNS = 10
SECONDS = 10.0
SESSION_ACTORS = 2
HOST = "bench"
APPENDS_EACH = 100
TARGET_PER_S = 500.0
SCRIPT = {
    "provider_type": "simulated",
    "settings": {
        "script": [
            *({"tool_calls": [{"name": "add", "arguments": {"a": 1, "b": 2}}]},) * CALLS,
            {"text": "That was the sum."},
        ]
    },
}


def measure(out: Console, checkout: Checkout) -> list[Report]:
    """Measure steps through the whole server and in the registry alone."""
    with running_server(checkout=checkout) as server:
        wait_for_session_actors(server, SESSION_ACTORS)
        wait_for_rest(server)
        whole = uvloop.run(_through_server(server))
    out.print(f"  through the server: {whole[1]:.0f} steps/s")
    with TemporaryDirectory(prefix="everruns-bench-") as folder:
        registry = uvloop.run(_in_registry(Path(folder)))
    out.print(f"  in the registry: {registry[1]:.0f} steps/s")
    rows = {"turns of the whole server": whole, "the registry alone": registry}
    return [
        Report(
            f"Durable steps; a turn of {CALLS} tool calls takes {APPENDS_IN_TURN}",
            ("", "One alone, p50", f"Steps/s, {CLIENTS} at once"),
            [(name, f"{ms:.1f} ms", f"{per_s:.0f}") for name, (ms, per_s) in rows.items()],
            [
                Target(f"steps/s, {name}", per_s, TARGET_PER_S, at_least=True)
                for name, (_, per_s) in rows.items()
            ],
        )
    ]


async def _through_server(server: Server) -> tuple[float, float]:
    """Return the milliseconds of a step when one turn runs alone, and steps a second of many."""
    async with asking(server.address) as client:
        agent_id = await make_agent(client, SCRIPT, ("test_math",))
        session_id = await client.create(agent_id)
        alone_ms = [await client.time_turn(session_id) for _ in range(1 + ALONE_TURNS)][1:]
        await _check_log(client, session_id)
        started = time.perf_counter()
        until = started + SECONDS
        turns = await asyncio.gather(*(_turns(client, agent_id, until) for _ in range(CLIENTS)))
        seconds = time.perf_counter() - started
    return median(alone_ms) / APPENDS_IN_TURN, sum(turns) * APPENDS_IN_TURN / seconds


async def _turns(client: Client, agent_id: str, until: float) -> int:
    turns = 0
    while time.perf_counter() < until:
        await client.time_turn(await client.create(agent_id))
        turns += 1
    return turns


async def _check_log(client: Client, session_id: str) -> None:
    """See that a turn stores what its steps are counted by."""
    path = f"/api/v1/sessions/{session_id}/events?before_sequence={10**9}&limit=1"
    events = (await client.get(path))["data"][0]["sequence"]
    if events != (1 + ALONE_TURNS) * EVENTS_IN_TURN:
        raise RuntimeError(f"{events} events were stored, which is not what turns are made of.")


async def _in_registry(folder: Path) -> tuple[float, float]:
    """Return the milliseconds of an append that comes alone, and appends a second of many."""
    placement = Placement(sessions_per_host=1 + CLIENTS, warm_hosts=1, max_hosts=1)
    placement.host_started(HOST)
    registry = Registry(open_store(folder), load_capabilities(), placement)

    async def append(appends: Sequence[Append]) -> list[float]:
        taken_ms: list[float] = []
        for one in appends:
            started = time.perf_counter()
            appended = await registry.logs.append([one])
            taken_ms.append((time.perf_counter() - started) * 1000)
            if any(appended.verdicts):
                raise RuntimeError(f"An append was refused: {appended.verdicts}")
        return taken_ms

    try:
        logs: list[list[Append]] = []
        for _ in range(1 + CLIENTS):
            session = await registry.sessions.create(SessionInput())
            await registry.hosting.load(session.id, HOST)
            logs.append(turn_appends(session.id))
        alone_ms = await append(logs[0])
        started = time.perf_counter()
        await asyncio.gather(*map(append, logs[1:]))
        seconds = time.perf_counter() - started
    finally:
        await registry.close()
    return median(alone_ms), CLIENTS * APPENDS_EACH / seconds


def turn_appends(session_id: str) -> list[Append]:
    """Return the steps of a turn that calls a tool again and again."""
    log, state = Log(session_id), SessionState(session_id)
    parts = [log.opening()]
    while len(parts) < APPENDS_EACH:
        parts += [[event] for event in log.tool_use()]
    appends: list[Append] = []
    for part in parts[:APPENDS_EACH]:
        for event in part:
            state.apply(event)
        appends.append(Append(session_id, part[0].sequence, part, state.summary, FIRST_HOLDER))
    return appends
