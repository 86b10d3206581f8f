"""A registry whose machine is silent is replaced, once."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import psutil
import pytest

from bench.postgres import PostgresServer, database_on
from tests.conversations import Conversation, simulated
from tests.faults.processes import Role, in_role, paused
from tests.ray.node_cluster import NodeCluster, on_nodes, started_stage


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


def registries() -> list[psutil.Process]:
    return in_role(Role.REGISTRY, psutil.Process().children(recursive=True))


@on_nodes
async def test_another_begins_and_sessions_go_on(cluster: NodeCluster):
    from actors.names import REGISTRY, find_actor
    from actors.registry import replace_registry

    model = await simulated(cluster.runtime, reply="Hello.")
    talk = await Conversation.begin(cluster.runtime, model_id=model)
    await cluster.place(talk)
    await talk.say("hi")
    first = find_actor(REGISTRY)

    with paused(*registries()):
        replace_registry(cluster.settings, first, cluster.ray.head_node.node_id)
        await talk.say("are you there?")
        new = await Conversation.begin(cluster.runtime, model_id=model)
        await cluster.place(new)
        await new.say("hi")
        second = find_actor(REGISTRY)
        # Another process noticed the silence too, but later.
        replace_registry(cluster.settings, first, cluster.ray.head_node.node_id)

    assert first != second == find_actor(REGISTRY)
