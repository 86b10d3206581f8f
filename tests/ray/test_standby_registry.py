"""On a cluster of two nodes with a shared database, a second registry stands by."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from bench.postgres import PostgresServer, database_on
from tests.conversations import Conversation, simulated
from tests.ray.node_cluster import NodeCluster, on_nodes, started_stage
from tests.ray.processes import kill
from tests.waiting import POLL_S

STANDS_BY_WITHIN_S = 60.0


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


async def standby_of(registry: Any) -> str:
    """Return the node of the registry that stands by, once it does."""
    async with asyncio.timeout(STANDS_BY_WITHIN_S):
        while (node := await registry.__ray_call__.remote(_follower)) is None:
            await asyncio.sleep(POLL_S)
    return node


def _follower(registry: Any) -> str | None:
    succession = registry._targets.get("succession")
    return succession and succession.follower(within_s=5.0)


@on_nodes
async def test_it_takes_over_at_once_and_the_first_stands_by_afterwards(cluster: NodeCluster):
    from actors.names import find_registry

    model = await simulated(cluster.runtime, reply="Hello.")
    talk = await Conversation.begin(cluster.runtime, model_id=model)
    await cluster.place(talk)
    await talk.say("hi")
    first = await asyncio.to_thread(find_registry)
    node = cluster.add_node()
    assert await standby_of(first) == node.node_id

    await asyncio.to_thread(kill, first)

    await talk.say("are you there?")
    new = await Conversation.begin(cluster.runtime, model_id=model)
    await cluster.place(new)
    await new.say("hi")
    second = await asyncio.to_thread(find_registry)
    assert second != first
    assert await standby_of(second) == cluster.ray.head_node.node_id
    assert not await first.begun.remote()


@on_nodes
async def test_a_node_that_goes_takes_the_registry_with_it_to_no_effect(cluster: NodeCluster):
    """Ray takes the node for alive for a minute: until then it restarts nothing elsewhere."""
    from actors.names import find_registry

    answering = await asyncio.to_thread(find_registry)
    await standby_of(answering)
    (node,) = [node for node in cluster.ray.list_all_nodes() if node != cluster.ray.head_node]

    cluster.kill_node(node)

    model = await simulated(cluster.runtime, reply="Hello.")
    new = await Conversation.begin(cluster.runtime, model_id=model)
    await cluster.place(new)
    await new.say("hi")
    assert cluster.is_alive(node)
    assert await asyncio.to_thread(find_registry) != answering
