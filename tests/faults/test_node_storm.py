"""Many conversations while processes and whole nodes of a cluster die all the time."""

import asyncio
import random
import time

import pytest

from bench.cluster.namespaces import missing
from bench.cluster.nodes import Node
from tests.faults.cluster import ClusterService, bring_back
from tests.faults.processes import Role, kill
from tests.faults.report import REPORT
from tests.faults.storm import ride_out
from tests.faults.talk import World, cluster_of

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(missing() is not None, reason=f"no machines of namespaces: {missing()}"),
]

SESSIONS = 200
STORM_S = 120.0
KILL_EVERY_S = 3.0
A_NODE = "a node"
VICTIMS = [*[Role.SESSION_ACTOR] * 4, *[Role.REPLICA] * 2, Role.REGISTRY, *[A_NODE] * 3]


async def storm(service: ClusterService, until: float, chance: random.Random) -> list[float]:
    """Kill a process or a worker every few seconds, one worker at a time; return when."""
    faults: list[float] = []
    returning: asyncio.Task[float] | None = None
    while time.monotonic() < until:
        await asyncio.sleep(KILL_EVERY_S)
        victim = chance.choice(VICTIMS)
        if victim == A_NODE:
            if returning is not None and not returning.done():
                continue
            node = chance.choice(service.cluster.nodes[1:])
            faults.append(time.monotonic())
            returning = asyncio.create_task(_kill_and_start(service, node))
        else:
            found = await asyncio.to_thread(service.processes, Role(victim))
            victims = chance.sample(found, min(1, len(found)))
            faults += [time.monotonic()] * len(victims)
            kill(*victims)
    if returning is not None:
        await returning
    return faults


async def _kill_and_start(service: ClusterService, node: Node) -> float:
    service.away.add(node)
    await asyncio.to_thread(node.kill)
    return await bring_back(service, node)


async def test_every_acknowledged_message_is_answered_once(nodes: World) -> None:
    service, chance = cluster_of(nodes), random.Random(1)
    await ride_out(
        nodes,
        REPORT["storm over nodes"],
        SESSIONS,
        STORM_S,
        lambda until: storm(service, until, chance),
    )
