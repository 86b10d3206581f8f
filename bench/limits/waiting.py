"""``waiting``: a thousand sessions whose turns wait for a slow model, and the API meanwhile."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import uvloop
from rich.console import Console

from bench.checkout import Checkout
from bench.limits.asking import Client, asking, fake_model, make_agent
from bench.limits.processes import (
    total_memory_mb,
    usages,
    wait_for_rest,
    wait_for_session_actors,
)
from bench.limits.report import Report, Target
from bench.limits.starting import running_model
from bench.load import percentile
from bench.server import Server, running_server

SESSIONS = 1000
SLOW_S = 30
SLOW = f"tokens-20-wait-{SLOW_S}"
QUICK = "tokens-20"
# As many as a server has at most on this machine, all from the beginning.
SESSION_ACTORS = 2 * (os.cpu_count() or 1)
WARM_UP_SESSIONS = 40
LOOK_AFTER_S = SLOW_S - 6
PROBES_PER_S = 5
PAGE = 100
ASK_EVERY_S = 2.0
ALL_DONE_WITHIN_S = 240.0
TARGET_KB = 500.0
TARGET_MS = 100.0


@dataclass(frozen=True)
class Waited:
    """What came of a thousand slow turns.

    Attributes:
        completed: How many turns were answered in full.
        waiting: How many waited when memory was looked at.
        memory_mb: How much more private memory the server had then than before.
        begun_s: Seconds until the last turn had begun.
        all_s: Seconds until the last turn had ended.
        refused: How often a client was told to come back later.
        probes_ms: How long the one client that went on asking waited for each of its answers.
    """

    completed: int
    waiting: int
    memory_mb: float
    begun_s: float
    all_s: float
    refused: int
    probes_ms: list[float]

    @property
    def kb_each(self) -> float:
        """Memory of each session that waited, in KB."""
        return self.memory_mb * 1000 / max(self.waiting, 1)


def measure(out: Console, checkout: Checkout) -> list[Report]:
    """Let a thousand turns wait, without readers and with one for each."""
    ways = {"alone": False, "with a stream each": True}
    found: dict[str, Waited] = {}
    with running_model() as model_url:
        for name, streams in ways.items():
            with running_server(
                checkout=checkout, EVERRUNS_WARM_SESSION_ACTORS=str(SESSION_ACTORS)
            ) as server:
                wait_for_session_actors(server, SESSION_ACTORS)
                found[name] = uvloop.run(_wait(server, model_url, streams=streams))
            out.print(f"  {name}: {found[name].completed} of {SESSIONS} turns completed")
    return [_report(found)]


async def _wait(server: Server, model_url: str, *, streams: bool) -> Waited:
    """Begin a thousand slow turns, look at memory while they wait, and see them all end."""
    async with asking(server.address) as client:
        quick = await make_agent(client, fake_model(model_url, QUICK))
        await asyncio.gather(*(_quick_turn(client, quick) for _ in range(WARM_UP_SESSIONS)))
        slow = await make_agent(client, fake_model(model_url, SLOW))
        await asyncio.to_thread(wait_for_rest, server)
        before = total_memory_mb(usages(server))
        begun: list[float] = []
        started = time.perf_counter()
        looking = asyncio.create_task(_look(server, begun))
        async with asking(server.address) as other:
            probes_ms: list[float] = []
            probing = asyncio.create_task(_probe(other, quick, probes_ms))
            turns = (_slow_turn(client, slow, begun, streams=streams) for _ in range(SESSIONS))
            await asyncio.gather(*turns)
            await _until_idle(client, slow)
            all_s = time.perf_counter() - started
            probing.cancel()
        waiting, while_waiting = await looking
        return Waited(
            completed=await _count(client, slow, lambda session: "output_preview" in session),
            waiting=waiting,
            memory_mb=while_waiting - before,
            begun_s=begun[-1] - started,
            all_s=all_s,
            refused=client.refused.total(),
            probes_ms=probes_ms,
        )


async def _quick_turn(client: Client, agent_id: str) -> None:
    session_id = await client.create(agent_id)
    await client.send(session_id)
    await client.turn_end(session_id)


async def _slow_turn(client: Client, agent_id: str, begun: list[float], *, streams: bool) -> None:
    session_id = await client.create(agent_id)
    await client.send(session_id)
    begun.append(time.perf_counter())
    if streams:
        await client.turn_end(session_id)


async def _look(server: Server, begun: Sequence[float]) -> tuple[int, float]:
    """Return how many turns wait, all or as many as do before the first ends, and memory then."""
    while not begun:
        await asyncio.sleep(0.1)
    while len(begun) < SESSIONS and time.perf_counter() < begun[0] + LOOK_AFTER_S:
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    return len(begun), total_memory_mb(await asyncio.to_thread(usages, server))


async def _probe(client: Client, agent_id: str, taken_ms: list[float]) -> None:
    """Ask for one session, a list and a new session in turn, on a schedule, until cancelled."""
    session_id = await client.create(agent_id)
    requests = cycle(
        (
            lambda: client.get(f"/v1/sessions/{session_id}"),
            lambda: client.get("/v1/sessions?limit=20"),
            lambda: client.create(agent_id),
        )
    )
    loop = asyncio.get_running_loop()
    due = loop.time()
    for request in requests:
        due += 1 / PROBES_PER_S
        await asyncio.sleep(due - loop.time())
        sent = time.perf_counter()
        await request()
        taken_ms.append((time.perf_counter() - sent) * 1000)


async def _until_idle(client: Client, agent_id: str) -> None:
    async with asyncio.timeout(ALL_DONE_WITHIN_S):
        while await _count(client, agent_id, lambda session: session["status"] == "active"):
            await asyncio.sleep(ASK_EVERY_S)


async def _count(client: Client, agent_id: str, fits: Callable[[dict[str, Any]], bool]) -> int:
    """Return how many of an agent's sessions are so."""
    pages = [
        await client.get(f"/v1/sessions?agent_id={agent_id}&limit={PAGE}&offset={offset}")
        for offset in range(0, SESSIONS, PAGE)
    ]
    return sum(fits(session) for page in pages for session in page["data"])


def _report(found: Mapping[str, Waited]) -> Report:
    rows = {
        "turns completed": lambda waited: str(waited.completed),
        "told to come back later": lambda waited: str(waited.refused),
        "seconds until the last had begun": lambda waited: f"{waited.begun_s:.1f}",
        "seconds until the last had ended": lambda waited: f"{waited.all_s:.1f}",
        "waiting at once": lambda waited: str(waited.waiting),
        "KB of memory each": lambda waited: f"{waited.kb_each:.0f}",
        "API meanwhile, p50": lambda waited: f"{percentile(waited.probes_ms, 50):.0f} ms",
        "p99": lambda waited: f"{percentile(waited.probes_ms, 99):.0f} ms",
    }
    targets: list[Target] = []
    for name, waited in found.items():
        targets += [
            Target(f"waiting, {name}: turns completed", waited.completed, SESSIONS, at_least=True),
            Target(f"waiting, {name}: KB of memory each", waited.kb_each, TARGET_KB),
            Target(f"waiting, {name}: API p50, ms", percentile(waited.probes_ms, 50), TARGET_MS),
        ]
    return Report(
        f"{SESSIONS:,} sessions whose model takes {SLOW_S} s to its first token",
        ("", *found),
        [(name, *map(shown, found.values())) for name, shown in rows.items()],
        targets,
    )
