"""A session on another node than the replica, which has never met its host, also without a GCS."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from actors import stubs
from actors.names import REGISTRY, find_actor
from everruns.registry.hosting import Location
from tests.conversations import Conversation, simulated
from tests.ray.node_cluster import NodeCluster, on_nodes, started_stage
from tests.waiting import POLL_S

HOST = "session-actor-0"
START_S = 120.0
# Ray ends its processes a minute after it has lost its GCS.
WITHOUT_GCS_S = 50.0


@pytest.fixture(scope="module")
def stage() -> Iterator[ProcessPoolExecutor]:
    """A process that plays on a cluster whose head carries no session actor."""
    with started_stage(head_cpus=0, warm_session_actors=1, max_session_actors=1) as stage:
        yield stage


async def placed(cluster: NodeCluster, talk: Conversation) -> Location:
    """Return where a session is, once its host is known to take calls from other nodes."""
    async with asyncio.timeout(START_S):
        while True:
            await cluster.place(talk)
            location = await cluster.runtime.registry.hosting.place(talk.id)
            if location.address is not None and location.address.endpoint is not None:
                return location
            await asyncio.sleep(POLL_S)


def kinds_of_connections(actor: Any) -> list[str]:
    """Return how an actor is called at the moment."""
    connections = list(actor._server._connections)
    return sorted({kind(connection.transport) for connection in connections})


def kind(transport: Any) -> str:
    return "tls" if transport.get_extra_info("cipher") else "file"


@on_nodes
async def test_a_host_on_another_node_calls_the_registry_over_tls_and_the_replica_over_the_file(
    cluster: NodeCluster,
):
    node = cluster.add_node()
    model_id = await simulated(cluster.runtime)
    talk = await Conversation.begin(cluster.runtime, model_id=model_id)

    location = await placed(cluster, talk)

    assert location.host == HOST
    assert location.address is not None
    assert location.address.node == node.node_id
    registry: Any = find_actor(REGISTRY)
    async with asyncio.timeout(START_S):
        while "tls" not in (kinds := await registry.__ray_call__.remote(kinds_of_connections)):
            await asyncio.sleep(POLL_S)
    assert kinds == ["file", "tls"]


# The last one: no cluster is left.
@on_nodes
async def test_a_host_that_was_never_met_is_reached_while_the_gcs_is_away(cluster: NodeCluster):
    model_id = await simulated(cluster.runtime, reply="Hello from afar.")
    talk = await Conversation.begin(cluster.runtime, model_id=model_id)
    await placed(cluster, talk)
    assert HOST not in stubs._hosts.get(asyncio.get_running_loop(), {})

    cluster.ray.head_node.kill_gcs_server()

    async with asyncio.timeout(WITHOUT_GCS_S):
        assert await talk.say("hi") == "Hello from afar."
    channel: Any = stubs._channel_to_host(HOST)
    assert kind(channel._connection.transport) == "tls"
