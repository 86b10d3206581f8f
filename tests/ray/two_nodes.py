"""A cluster of two nodes, in a process of its own: a session on the far node, and no GCS.

Run as a program, it prints what it has found as one line of JSON. The one session actor is on the
second node; registry and caller are on the first.
"""

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors import stubs
from actors.calls.direct import hang_up
from actors.names import NAMESPACE, REGISTRY, find_actor
from actors.runtime import RayRuntime
from actors.session import SessionActor
from everruns.errors import HostLost
from everruns.runtime.runtime import Runtime
from everruns.settings import Settings
from tests.conversations import Conversation, simulated
from tests.waiting import POLL_S

HOST = "session-actor-0"
START_S = 200.0
# Ray ends its processes a minute after it has lost its GCS.
WITHOUT_GCS_S = 50.0
MB = 1024 * 1024


@contextmanager
def two_nodes() -> Iterator[tuple[str, Cluster]]:
    """A cluster, and the name of its second node. All of their processes end with it."""
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "include_dashboard": False,
            "object_store_memory": 100 * MB,
        },
    )
    try:
        second = cluster.add_node(num_cpus=1, object_store_memory=100 * MB)
        ray.init(address=cluster.address, namespace=NAMESPACE, log_to_driver=False)
        yield second.node_id, cluster
    finally:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()


@ray.remote(num_cpus=0)
def start_host(node: str, settings: dict[str, Any]) -> None:
    """Start the session actor on a node; the caller does not meet it."""
    options = {
        "name": HOST,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "num_cpus": 0,
        "max_concurrency": 100,
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False),
    }
    started: Any = ray.remote(SessionActor).options(**options).remote(HOST, settings)
    ray.get(started.__ray_ready__.remote(), timeout=START_S)


async def answers(runtime: Runtime) -> None:
    """Return when the registry is up: on a busy machine it takes longer than a call waits for."""
    async with asyncio.timeout(START_S):
        while True:
            try:
                await runtime.registry.providers.list()
            except HostLost:
                continue
            return


async def placed(runtime: Runtime, talk: Conversation) -> Any:
    """Return where the session is, once its host is known to take calls from other nodes."""
    async with asyncio.timeout(START_S):
        while True:
            location = await runtime.registry.hosting.place(talk.id)
            if location.address is not None and location.address.endpoint is not None:
                return location
            await asyncio.sleep(POLL_S)


async def calls_of_the_registry() -> list[str]:
    """Return how the registry is called, once the far host calls it."""
    registry: Any = find_actor(REGISTRY)
    async with asyncio.timeout(START_S):
        while True:
            asked: Any = registry.__ray_call__.remote(_kinds_of_connections)
            if "tls" in (kinds := await asked):
                return kinds
            await asyncio.sleep(POLL_S)


def _kinds_of_connections(actor: Any) -> list[str]:
    """How an actor is called at the moment."""
    connections = list(actor._server._connections)
    return sorted({_kind(connection.transport) for connection in connections})


def _kind(transport: Any) -> str:
    return "tls" if transport.get_extra_info("cipher") else "file"


async def find_out(node: str, cluster: Cluster, settings: Settings) -> dict[str, Any]:
    """Talk on the far node while the GCS is away."""
    await asyncio.wrap_future(start_host.remote(node, settings.public()).future())
    runtime = RayRuntime(settings.public())
    await answers(runtime)
    model_id = await simulated(runtime, reply="Hello from afar.")
    talk = await Conversation.begin(runtime, model_id=model_id)
    location = await placed(runtime, talk)
    calls = await calls_of_the_registry()
    found = {
        "host": location.host,
        "host_is_far": location.address.node != ray.get_runtime_context().get_node_id(),
        "calls_of_the_registry": calls,
        "known_before": HOST in stubs._hosts.get(asyncio.get_running_loop(), {}),
    }
    cluster.head_node.kill_gcs_server()
    said = await asyncio.wait_for(talk.say("hi"), WITHOUT_GCS_S)
    channel: Any = stubs._channel_to_host(HOST)
    found |= {"said": said, "call": _kind(channel._connection.transport)}
    await hang_up()
    return found


def main(data_dir: Path) -> None:
    settings = Settings(
        data_dir=data_dir,
        warm_session_actors=1,
        max_session_actors=1,
        openai_api_key=None,
        anthropic_api_key=None,
    )
    with two_nodes() as (node, cluster):
        print(json.dumps(asyncio.run(find_out(node, cluster, settings))), flush=True)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Exception:  # noqa: BLE001 - the caller is told, and it must end
        traceback.print_exc()
    # Ray's own end would wait for the GCS.
    os._exit(0)
