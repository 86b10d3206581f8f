"""``wide``: how much memory session actors take for sessions that each hold much."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop
from rich.console import Console

from bench.checkout import Checkout
from bench.limits.asking import Client, asking, make_agent
from bench.limits.processes import usages, wait_for_rest, wait_for_session_actors
from bench.limits.report import Report, Target
from bench.server import Server, running_server

SESSIONS = 1_000
MESSAGE = "One of many words of a long message. " * 27_000
SESSION_ACTORS = 2
AT_ONCE = 4
ROLES = ("session actor", "registry", "API replica")
SIMULATED = {"provider_type": "simulated", "settings": {"reply": "I have read it."}}
# No session leaves memory because it is quiet: what bounds memory is to be bytes.
HIBERNATE_AFTER_S = "3600"
LOOK_EVERY_S = 1.0
# A quarter of a gigabyte of sessions as Python keeps them, and what the process takes without any.
TARGET_MB = 512.0


def measure(out: Console, checkout: Checkout) -> list[Report]:
    """Touch a thousand sessions of a megabyte each on two session actors."""
    with running_server(
        checkout=checkout,
        EVERRUNS_DASHBOARD="false",
        EVERRUNS_WARM_SESSION_ACTORS=str(SESSION_ACTORS),
        EVERRUNS_MAX_SESSION_ACTORS=str(SESSION_ACTORS),
        EVERRUNS_HIBERNATE_AFTER_S=HIBERNATE_AFTER_S,
    ) as server:
        wait_for_session_actors(server, SESSION_ACTORS)
        wait_for_rest(server)
        began = _largest_mb(server)
        most = uvloop.run(_measure(server))
    out.print(f"  {SESSIONS:,} sessions, session actors of up to {most[ROLES[0]]:.0f} MB")
    return [
        Report(
            f"{SESSIONS:,} sessions of {len(MESSAGE) / 1e6:.1f} MB on {SESSION_ACTORS} session "
            "actors: private memory in MB",
            ("The largest of each kind", "Before", "At most"),
            [(role, f"{began[role]:.0f}", f"{most[role]:.0f}") for role in ROLES],
            [Target("wide: MB of a session actor", most[ROLES[0]], TARGET_MB)],
        )
    ]


async def _measure(server: Server) -> dict[str, float]:
    """Return the most private memory that a process of each role had, in MB."""
    most = dict.fromkeys(ROLES, 0.0)
    async with asking(server.address) as client:
        agent_id = await make_agent(client, SIMULATED)
        client.at_once = asyncio.Semaphore(AT_ONCE)
        async with _watched(server, most):
            await asyncio.gather(*(_touch(client, agent_id) for _ in range(SESSIONS)))
    return most


async def _touch(client: Client, agent_id: str) -> None:
    session_id = await client.create(agent_id)
    await client.send(session_id, MESSAGE)


@asynccontextmanager
async def _watched(server: Server, most: dict[str, float]) -> AsyncIterator[None]:
    """Note the most memory of each role while the block runs, and at its end."""

    async def watch() -> None:
        while True:
            await look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look() -> None:
        for role, size_mb in (await asyncio.to_thread(_largest_mb, server)).items():
            most[role] = max(most[role], size_mb)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    await look()


def _largest_mb(server: Server) -> dict[str, float]:
    """Return the private memory of the largest process of each role, in MB."""
    found = usages(server).values()
    return {role: max(one.memory_mb for one in found if one.role == role) for role in ROLES}
