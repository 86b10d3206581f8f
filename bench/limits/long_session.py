"""``long-session``: how soon a session with a very long log answers when no host holds it."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop
from rich.console import Console

from bench.checkout import Checkout
from bench.limits.asking import asking
from bench.limits.cold import HIBERNATE_AFTER_S, SURELY_HIBERNATED_S
from bench.limits.processes import wait_for_rest, wait_for_session_actors
from bench.limits.report import Report, Target
from bench.load import percentile
from bench.server import Server, running_server

# A multiple of what a turn leaves, so that none is open.
EVENTS = 100_002
REPETITIONS = 7
SIMULATED = {"name": "bench", "provider_type": "simulated", "settings": {"tokens": 20}}
TARGET_MS = 300.0


def measure(out: Console, checkout: Checkout) -> list[Report]:
    """Send to one long session again and again, each time after it has left memory."""
    with TemporaryDirectory(prefix="everruns-bench-") as folder:
        data_dir = Path(folder) / "data"
        session_id = checkout.fill(data_dir, 0, EVENTS)
        out.print(f"  stored {EVENTS:,} events")
        with running_server(
            checkout=checkout,
            EVERRUNS_DATA_DIR=str(data_dir),
            EVERRUNS_DASHBOARD="false",
            EVERRUNS_HIBERNATE_AFTER_S=str(HIBERNATE_AFTER_S),
            EVERRUNS_MAX_SESSION_BYTES=str(2**30),
        ) as server:
            wait_for_session_actors(server)
            wait_for_rest(server)
            first, *later = uvloop.run(_measure(server, session_id))
    return [
        Report(
            f"First event of a session of {EVENTS:,} events that no host holds",
            ("Milliseconds", "Measured"),
            [
                ("first time", f"{first:.0f} ms"),
                *((f"later, p{p}", f"{percentile(later, p):.0f} ms") for p in (50, 99)),
            ],
            [Target("long session: first event p50, ms", percentile(later, 50), TARGET_MS)],
        )
    ]


async def _measure(server: Server, session_id: str) -> list[float]:
    """Return the milliseconds from sending a message to its first event, for each time."""
    taken_ms: list[float] = []
    async with asking(server.address) as client:
        model = (await client.post("/v1/llm-providers", SIMULATED))["models"][0]["id"]
        # It was stored with an agent that is not there.
        changed = {"model_id": model}
        async with client.http.patch(f"/v1/sessions/{session_id}", json=changed) as answer:
            answer.raise_for_status()
        for _ in range(REPETITIONS):
            await asyncio.sleep(SURELY_HIBERNATED_S)
            taken_ms.append(await client.take_turn(session_id))
    return taken_ms
