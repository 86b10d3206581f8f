"""A whole node dies, is cut off, or is the head: every turn ends by itself, exactly."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import psutil
import pytest

from bench.cluster.namespaces import missing
from bench.cluster.nodes import Node
from tests.faults.cluster import ClusterService, bring_back, processes_on, without
from tests.faults.model import Answer, Call, Say, Stop
from tests.faults.processes import Role
from tests.faults.report import REPORT, Outcome
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
ASK_EVERY_S = 0.1


def script(number: int, text: str) -> list[Answer]:
    if number:
        return [[Say(3)]]
    text_then_tools = [Stop("begin"), Say(5), Stop("middle"), Say(5), Call("look"), Call("pay")]
    return [text_then_tools, [Say(5)]]


@asynccontextmanager
async def in_the_middle(
    world: World, where: Callable[[Node], bool]
) -> AsyncIterator[tuple[Talk, Node]]:
    """Begin a turn whose session is on a node that is wanted, up to the middle of its text."""
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
            if where(node):
                await gates["middle"].reached()
                yield talk, node
                return
            gates.open_all()
    raise AssertionError("No session was where it was wanted.")


def is_head(node: Node) -> bool:
    return node.is_head


def is_worker(node: Node) -> bool:
    return not node.is_head


async def check_that_it_went_on(talk: Talk, faults: list[float]) -> None:
    """The turn completed, the next one does, and nothing was done twice."""
    await talk.send("And now?")
    await talk.follower.turn_ended(2, TURN_WITHIN_S)
    await talk.check(faults)
    assert not talk.client.strange


async def test_turns_of_a_killed_worker_go_on_elsewhere(nodes: World) -> None:
    service = cluster_of(nodes)
    outcome = REPORT["kill a worker node"]
    async with in_the_middle(nodes, is_worker) as (talk, node):
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
    async with in_the_middle(nodes, is_worker) as (talk, node):
        with outcome.fault() as faults:
            service.away.add(node)
            node.machine.cut()
            try:
                back = time.monotonic()
                talk.scenario.gates.open_all()
                await ask_until_ended(talk, REPORT["requests while a node is cut off"])
                ended = time.monotonic()
            finally:
                node.machine.mend()
            await asyncio.sleep(HARM_WITHIN_S)
            service.away.discard(node)
        # What was on its way still came after the cut.
        outcome.resumed(faults[0], back, ended)
        await check_that_it_went_on(talk, faults)
    # Ray ends a node that it took for dead.
    await asyncio.to_thread(node.kill)
    await bring_back(service, node)


# With DuckDB it is where its database is: on the head.
@pytest.mark.parametrize("nodes", ["PostgreSQL"], indirect=True)
async def test_known_sessions_do_not_notice_that_the_node_of_the_registry_is_killed(
    nodes: World,
) -> None:
    service = cluster_of(nodes)
    registry = await service.registry_on_a_worker()
    async with in_the_middle(nodes, lambda node: node is not registry) as (talk, _):
        outcome = REPORT["kill the registry's node"]
        with outcome.fault() as faults:
            async with without(service, registry):
                back = time.monotonic()
                talk.scenario.gates.open_all()
                await talk.follower.turn_ended(1, TURN_WITHIN_S)
                outcome.resumed(faults[0], back, talk.follower.first_after(back))
                began = REPORT["new session without the registry's node"]
                async with nodes.talk(script) as new:
                    await new.send()
                    await new.follower.turn_ended(1, TURN_WITHIN_S)
                    began.resumed(faults[0], back, new.follower.first_after(back))
                    await new.check(faults)
                await check_that_it_went_on(talk, faults)


async def ask_until_ended(talk: Talk, outcome: Outcome) -> None:
    """Read the log through the other nodes until the first turn has ended.

    Each of their proxies still has the silent node's replica on its list.
    """
    ended = asyncio.create_task(talk.follower.turn_ended(1, TURN_WITHIN_S))
    while not ended.done():
        began = time.monotonic()
        await talk.client.log(talk.session_id)
        outcome.resumed(began, began, time.monotonic())
        await asyncio.sleep(ASK_EVERY_S)
    await ended


@asynccontextmanager
async def never_too_many_registries(service: ClusterService) -> AsyncIterator[None]:
    """Watch the registry's processes for the length of a block; one may stand by."""
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
    assert most == (2 if service.cluster.postgres else 1)


# In this order: a head that has come back has no session actors, until others are needed.
@pytest.mark.parametrize("on_head", [True, False], ids=["session on it", "session on a worker"])
async def test_turns_survive_a_head_that_is_killed_and_started_again(
    nodes: World, on_head: bool
) -> None:
    service = cluster_of(nodes)
    head = service.cluster.head
    outcome = REPORT["kill the head node"]
    before = on_workers(service)
    where = is_head if on_head else is_worker
    async with in_the_middle(nodes, where) as (talk, _), never_too_many_registries(service):
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
