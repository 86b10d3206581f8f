"""Many conversations while processes die all the time: each message is answered exactly once."""

import asyncio
import random
import time

import pytest

from tests.faults.processes import Role, Service, kill
from tests.faults.report import REPORT
from tests.faults.storm import ride_out
from tests.faults.talk import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

SESSIONS = 200
STORM_S = 120.0
KILL_EVERY_S = 3.0
ALL_SESSION_ACTORS = "all session actors"
VICTIMS = [
    *[Role.SESSION_ACTOR] * 4,
    *[Role.REGISTRY] * 2,
    *[Role.REPLICA] * 2,
    ALL_SESSION_ACTORS,
]


async def storm(service: Service, until: float, chance: random.Random) -> list[float]:
    """Kill a process every few seconds; return when."""
    faults: list[float] = []
    while time.monotonic() < until:
        await asyncio.sleep(KILL_EVERY_S)
        wanted = chance.choice(VICTIMS)
        role = Role.SESSION_ACTOR if wanted == ALL_SESSION_ACTORS else Role(wanted)
        victims = await asyncio.to_thread(service.processes, role)
        if wanted != ALL_SESSION_ACTORS:
            victims = chance.sample(victims, min(1, len(victims)))
        faults += [time.monotonic()] * len(victims)
        kill(*victims)
    return faults


async def test_every_acknowledged_message_is_answered_once(world: World) -> None:
    chance = random.Random(1)
    await ride_out(
        world, REPORT["storm"], SESSIONS, STORM_S, lambda until: storm(world.service, until, chance)
    )
