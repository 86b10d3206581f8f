"""A whole node dies, is cut off, or is the head: every turn ends by itself, exactly."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import psutil
import pytest

from bench.cluster.namespaces import missing
from bench.cluster.nodes import Node
from tests.faults.cluster import ClusterService, bring_back, processes_on, without
from tests.faults.model import Answer, Call, Say, Stop
from tests.faults.processes import Role
from tests.faults.report import REPORT
from tests.faults.talk import Talk, World, cluster_of

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(missing() is not None, reason=f"no machines of namespaces: {missing()}"),
]

# Ray takes half a minute to find that a node is silent, and a head to start on a busy machine.
TURN_WITHIN_S = 150.0
# Long enough for a node that comes back to do what it was about to do.
HARM_WITHIN_S = 3.0
# A session has to be found on the node that a test needs.
TRIES = 12
WATCH_EVERY_S = 0.5


def script(number: int, text: str) -> list[Answer]:
    if number:
        return [[Say(3)]]
    text_then_tools = [Stop("begin"), Say(5), Stop("middle"), Say(5), Call("look"), Call("pay")]
    return [text_then_tools, [Say(5)]]


@asynccontextmanager
async def in_the_middle(world: World, *, on_head: bool) -> AsyncIterator[tuple[Talk, Node]]:
    """Begin a turn whose session is on the head, or on a worker, up to the middle of its text."""
    service = cluster_of(world)
    async with AsyncExitStack() as stack:
        for _ in range(TRIES):
            talk = await stack.enter_async_context(world.talk(script))
            gates = talk.scenario.gates
            gates["begin"].hold()
            gates["middle"].hold()
            await talk.send()
            await gates["begin"].reached()
            node = service.node_at(talk.scenario.calls[-1].host)
            gates["begin"].open()
            if node.is_head is on_head:
                await gates["middle"].reached()
                yield talk, node
                return
            gates.open_all()
    raise AssertionError("No session was where it was wanted.")


async def check_that_it_went_on(talk: Talk, faults: list[float]) -> None:
    """The turn completed, the next one does, and nothing was done twice."""
    await talk.send("And now?")
    await talk.follower.turn_ended(2, TURN_WITHIN_S)
    await talk.check(faults)
    assert not talk.client.strange


async def test_turns_of_a_killed_worker_go_on_elsewhere(nodes: World) -> None:
    service = cluster_of(nodes)
    outcome = REPORT["kill a worker node"]
    async with in_the_middle(nodes, on_head=False) as (talk, node):
        with outcome.fault() as faults:
            async with without(service, node):
                back = time.monotonic()
                talk.scenario.gates.open_all()
                await talk.follower.turn_ended(1, TURN_WITHIN_S)
        outcome.resumed(faults[0], back, talk.follower.first_after(back))
        await check_that_it_went_on(talk, faults)


async def test_turns_of_a_node_that_is_cut_off_go_on_and_it_does_no_harm_later(
    nodes: World,
) -> None:
    service = cluster_of(nodes)
    outcome = REPORT["cut a worker node off"]
    async with in_the_middle(nodes, on_head=False) as (talk, node):
        with outcome.fault() as faults:
            service.away.add(node)
            node.machine.cut()
            try:
                back = time.monotonic()
                talk.scenario.gates.open_all()
                await talk.follower.turn_ended(1, TURN_WITHIN_S)
            finally:
                node.machine.mend()
            await asyncio.sleep(HARM_WITHIN_S)
            service.away.discard(node)
        outcome.resumed(faults[0], back, talk.follower.first_after(back))
        await check_that_it_went_on(talk, faults)
    # Ray ends a node that it took for dead.
    await asyncio.to_thread(node.kill)
    await bring_back(service, node)


@asynccontextmanager
async def never_two_registries(service: ClusterService) -> AsyncIterator[None]:
    """Watch the registry's processes for the length of a block."""
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(await asyncio.to_thread(service.processes, Role.REGISTRY)))
            await asyncio.sleep(WATCH_EVERY_S)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
    assert most == 1


# In this order: a head that has come back has no session actors, until others are needed.
@pytest.mark.parametrize("on_head", [True, False], ids=["session on it", "session on a worker"])
async def test_turns_survive_a_head_that_is_killed_and_started_again(
    nodes: World, on_head: bool
) -> None:
    service = cluster_of(nodes)
    head = service.cluster.head
    outcome = REPORT["kill the head node"]
    before = on_workers(service)
    async with in_the_middle(nodes, on_head=on_head) as (talk, _), never_two_registries(service):
        with outcome.fault() as faults:
            async with without(service, head):
                talk.scenario.gates.open_all()
            back = time.monotonic()
            await talk.follower.turn_ended(1, TURN_WITHIN_S)
        outcome.resumed(faults[0], back, talk.follower.first_after(back))
        await check_that_it_went_on(talk, faults)
    # What runs on the others is not touched.
    assert before <= on_workers(service)


def on_workers(service: ClusterService) -> set[psutil.Process]:
    """Return the session actors and API replicas that are not on the head."""
    workers = service.cluster.nodes[1:]
    roles = (Role.SESSION_ACTOR, Role.REPLICA)
    return {process for node in workers for role in roles for process in processes_on(node, role)}
