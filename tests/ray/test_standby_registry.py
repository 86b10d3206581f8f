"""On a cluster of two nodes with a shared database, a second registry stands by."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from bench.postgres import PostgresServer, database_on
from tests.conversations import Conversation, simulated
from tests.ray.node_cluster import NodeCluster, on_nodes, started_stage
from tests.ray.processes import kill
from tests.waiting import POLL_S

STANDS_BY_WITHIN_S = 120.0


@pytest.fixture(scope="module")
def stage() -> Iterator[ProcessPoolExecutor]:
    """A process that plays on a cluster whose registry may be on any node."""
    with (
        PostgresServer() as server,
        database_on(server) as url,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("EVERRUNS_DATABASE_URL", url)
        with started_stage(warm_session_actors=1) as stage:
            yield stage


async def stands_by(registry: Any, node: Any) -> None:
    """Return once a registry stands by on a node; Ray may put it elsewhere first."""
    async with asyncio.timeout(STANDS_BY_WITHIN_S):
        while await registry.__ray_call__.remote(_follower) != node.node_id:
            await asyncio.sleep(POLL_S)


async def another_answers(registry: Any) -> None:
    """Return once another registry answers."""
    from actors.names import find_registry

    async with asyncio.timeout(STANDS_BY_WITHIN_S):
        while True:
            with suppress(ValueError):  # None answers now.
                if await asyncio.to_thread(find_registry) != registry:
                    return
            await asyncio.sleep(POLL_S)


def _follower(registry: Any) -> str | None:
    succession = registry._targets.get("succession")
    return succession and succession.follower(within_s=5.0)


@on_nodes
async def test_it_takes_over_at_once_and_the_first_stands_by_afterwards(cluster: NodeCluster):
    from actors.names import REGISTRY, find_actor, find_registry

    model = await simulated(cluster.runtime, reply="Hello.")
    talk = await Conversation.begin(cluster.runtime, model_id=model)
    await cluster.place(talk)
    await talk.say("hi")
    first = await asyncio.to_thread(find_registry)
    node = cluster.add_node()
    await stands_by(first, node)

    await asyncio.to_thread(kill, first)

    await talk.say("are you there?")
    new = await Conversation.begin(cluster.runtime, model_id=model)
    await cluster.place(new)
    await new.say("hi")
    second = await asyncio.to_thread(find_registry)
    assert second != first
    await stands_by(second, cluster.ray.head_node)
    # Not by its handle: it may have been moved, which makes it another actor of that name.
    standby = await asyncio.to_thread(find_actor, REGISTRY)
    assert not await standby.begun.remote()


@on_nodes
async def test_a_node_that_goes_takes_the_registry_with_it_to_no_effect(cluster: NodeCluster):
    """Ray takes the node for alive for a minute: until then it restarts nothing elsewhere."""
    from actors.names import find_registry

    answering = await asyncio.to_thread(find_registry)
    (node,) = [node for node in cluster.ray.list_all_nodes() if node != cluster.ray.head_node]
    await stands_by(answering, cluster.ray.head_node)

    cluster.kill_node(node)

    # The processes of the node may live on for a moment.
    await another_answers(answering)
    model = await simulated(cluster.runtime, reply="Hello.")
    new = await Conversation.begin(cluster.runtime, model_id=model)
    await cluster.place(new)
    await new.say("hi")
    assert cluster.is_alive(node)
