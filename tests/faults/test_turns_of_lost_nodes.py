"""Two hundred turns run on three nodes when one of these is lost: all go on, exactly."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from bench.cluster.namespaces import missing
from bench.cluster.nodes import Node
from tests.faults.client import Client, connected
from tests.faults.cluster import ClusterService, bring_back, processes_on
from tests.faults.model import Answer, Say, Stop
from tests.faults.processes import Role
from tests.faults.report import REPORT, Outcome
from tests.faults.storm import count
from tests.faults.talk import Talk, World, cluster_of

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(missing() is not None, reason=f"no machines of namespaces: {missing()}"),
]

TURNS = 200
# So many starts keep a small machine busy.
STARTED_WITHIN_S = 60.0
LOOK_EVERY_S = 0.5
RUNNING_WITHIN_S = 100.0
ENDED_WITHIN_S = 150.0


def script(number: int, text: str) -> list[Answer]:
    return [[Say(3), Stop("middle"), Say(3)]]


async def test_turns_of_a_node_that_is_killed_go_on_elsewhere(nodes: World) -> None:
    service = cluster_of(nodes)
    await lose(nodes, workers(service), "a node is killed", is_silent=False)


async def test_turns_of_a_node_that_is_cut_off_go_on_elsewhere(nodes: World) -> None:
    service = cluster_of(nodes)
    await lose(nodes, workers(service), "a node is cut off", is_silent=True)


# With DuckDB it is on the head, with the database.
@pytest.mark.parametrize("nodes", ["PostgreSQL"], indirect=True)
@pytest.mark.parametrize("is_silent", [False, True], ids=["killed", "cut off"])
async def test_turns_of_the_registrys_node_go_on_elsewhere(nodes: World, is_silent: bool) -> None:
    service = cluster_of(nodes)
    node = await service.registry_on_a_worker()
    lost = "the registry's node is " + ("cut off" if is_silent else "killed")
    await lose(nodes, [node], lost, is_silent=is_silent)


def wait_for_session_actors(nodes: list[Node]) -> None:
    """Return when each node has a session actor, or they have had time enough."""
    deadline = time.monotonic() + STARTED_WITHIN_S
    while not all(processes_on(node, Role.SESSION_ACTOR) for node in nodes):
        if time.monotonic() > deadline:
            return
        time.sleep(LOOK_EVERY_S)


def workers(service: ClusterService) -> list[Node]:
    """Return the workers on which the registry is not."""
    return [node for node in service.cluster.nodes[1:] if node is not service.registry_node()]


async def lose(world: World, nodes: list[Node], what: str, *, is_silent: bool) -> None:
    """Lose the node with the most sessions while turns run, and check each of them afterwards."""
    service = cluster_of(world)
    if is_silent:
        # A client learns of that by its own time limit alone, or by a balancer's.
        service.away.update(nodes)
    # One that was lost before has none at first.
    await asyncio.to_thread(wait_for_session_actors, nodes)
    async with (
        connected(lambda: service.address, ENDED_WITHIN_S) as client,
        AsyncExitStack() as stack,
    ):
        talks = await run_turns(world, client, stack)
        held = {
            node: {talk.session_id for talk in talks if is_on(service, talk, node)}
            for node in nodes
        }
        node, on_it = max(held.items(), key=lambda item: len(item[1]))
        assert on_it, "No session is on the node."
        service.away.difference_update(nodes)
        began = time.monotonic()
        service.away.add(node)
        await asyncio.to_thread(node.machine.cut if is_silent else node.kill)
        lost = time.monotonic()
        for talk in talks:
            talk.scenario.gates.open_all()
        await asyncio.gather(
            *(talk.follower.turn_ended(1, ENDED_WITHIN_S) for talk in talks), return_exceptions=True
        )
        await bring_it_back(service, node, is_silent=is_silent)
        store = "PostgreSQL" if service.cluster.postgres else "DuckDB"
        hit, spared = REPORT[f"{store}, {what}: turns on it"], REPORT[f"{store}, {what}: others"]
        hit.faults += 1
        wrong: list[str | None] = []
        for talk in talks:
            outcome: Outcome = hit if talk.session_id in on_it else spared
            outcome.resumed(began, lost, talk.follower.first_after(lost))
            wrong.append(await count(talk, outcome, [began]))
        statuses = Counter(status for status, _ in client.refusals)
        print(f"{store}, {what}: {client.repeated} requests sent again, refused: {statuses}")
        found = [text for text in wrong if text is not None]
        assert not found, "\n".join(
            [f"{len(found)} sessions are not as they should be:", *found[:5]]
        )
        assert not client.strange


async def run_turns(world: World, client: Client, stack: AsyncExitStack) -> list[Talk]:
    """Begin the turns; return when the model of each is in the middle of its answer."""
    model_id = await world.model_id(client)
    talks = [
        await stack.enter_async_context(world.talk_over(client, model_id, script))
        for _ in range(TURNS)
    ]
    for talk in talks:
        talk.scenario.gates["middle"].hold()
    await asyncio.gather(*(talk.send() for talk in talks))
    await asyncio.gather(
        *(talk.scenario.gates["middle"].reached(RUNNING_WITHIN_S) for talk in talks)
    )
    return talks


def is_on(service: ClusterService, talk: Talk, node: Node) -> bool:
    """Tell whether the turn of a session runs on a node."""
    return service.node_at(talk.scenario.calls[-1].host) is node


async def bring_it_back(service: ClusterService, node: Node, *, is_silent: bool) -> None:
    """Connect a node again, or start it."""
    if is_silent:
        node.machine.mend()
        # Ray ends a node that it took for dead.
        await asyncio.to_thread(node.kill)
    await bring_back(service, node)
