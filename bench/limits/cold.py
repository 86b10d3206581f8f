"""``cold``: how soon a session answers that no host holds, compared with one that is in memory."""

import asyncio
import time
from collections.abc import Mapping
from statistics import median

import uvloop
from rich.console import Console

from bench.checkout import Checkout
from bench.limits.asking import asking, make_agent
from bench.limits.processes import wait_for_rest, wait_for_session_actors
from bench.limits.report import Report, Target
from bench.load import percentile
from bench.server import Server, running_server

REPETITIONS = 50
WARM_UP = 5
HIBERNATE_AFTER_S = 1.0
# A host looks for quiet sessions every half of that.
SURELY_HIBERNATED_S = 3 * HIBERNATE_AFTER_S
SIMULATED = {"provider_type": "simulated", "settings": {"tokens": 20}}
WARM = "warm"
NEW = "new"
NEW_IN_ALL = "new, with its creation"
HIBERNATED = "hibernated"
TARGET_RATIO = 2.0


def measure(out: Console, checkout: Checkout) -> list[Report]:
    """Send to new, hibernated and warm sessions in turns."""
    with running_server(
        checkout=checkout, EVERRUNS_HIBERNATE_AFTER_S=str(HIBERNATE_AFTER_S)
    ) as server:
        wait_for_session_actors(server)
        wait_for_rest(server)
        taken = uvloop.run(_measure(server))
    out.print(f"  sent {REPETITIONS} messages to each kind of session")
    warm = median(taken[WARM])
    rows = [
        (name, *(f"{percentile(each, p):.1f} ms" for p in (50, 99)), f"{median(each) / warm:.2f}")
        for name, each in taken.items()
    ]
    return [
        Report(
            "From sending a message to the first event of its stream",
            ("Session", "p50", "p99", "By warm"),
            rows,
            [
                Target(f"cold: {name}, by warm", median(taken[name]) / warm, TARGET_RATIO)
                for name in taken
                if name != WARM
            ],
        )
    ]


async def _measure(server: Server) -> Mapping[str, list[float]]:
    """Return what each kind took each time, in milliseconds."""
    taken: dict[str, list[float]] = {name: [] for name in (WARM, NEW, NEW_IN_ALL, HIBERNATED)}
    async with asking(server.address) as client:
        agent_id = await make_agent(client, SIMULATED)
        slept = [await client.create(agent_id) for _ in range(WARM_UP + REPETITIONS)]
        for session_id in slept:
            await client.take_turn(session_id)
        await asyncio.sleep(SURELY_HIBERNATED_S)
        for session_id in slept:
            started = time.perf_counter()
            created = await client.create(agent_id)
            creation_ms = (time.perf_counter() - started) * 1000
            taken[NEW].append(await client.take_turn(created))
            taken[NEW_IN_ALL].append(creation_ms + taken[NEW][-1])
            taken[HIBERNATED].append(await client.take_turn(session_id))
            taken[WARM].append(await client.take_turn(session_id))
    return {name: each[WARM_UP:] for name, each in taken.items()}
