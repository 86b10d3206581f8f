"""A Ray cluster of several nodes on this machine, and scenarios that are played on it.

A process of its own plays them, because the tests' process may have joined another cluster.
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import psutil

from everruns.runtime.runtime import Runtime
from everruns.settings import Settings
from tests.conversations import Conversation, simulated, when_there_is_room
from tests.ray_nodes import starting_a_node

PLAY_TIMEOUT_S = 180.0
CPUS = 2
# A node that is killed is declared dead after a minute, instead of a quarter of one.
SLOW_TO_BURY = {"health_check_failure_threshold": 20}
NODE = {"num_cpus": CPUS, "object_store_memory": 80 * 1024 * 1024}

Scenario = Callable[["NodeCluster"], Awaitable[None]]


@dataclass
class NodeCluster:
    """A head node and others.

    Attributes:
        ray: The cluster, as Ray's own tests start it.
        runtime: The runtime on it.
        settings: The deployment's settings, without secrets.
    """

    ray: Any
    runtime: Runtime
    settings: dict[str, Any]

    def add_node(self) -> Any:
        """Start one more node."""
        with starting_a_node():
            return self.ray.add_node(**NODE)

    def kill_node(self, node: Any) -> None:
        """Kill all processes of a node."""
        self.ray.remove_node(node, allow_graceful=False)

    def drain_node(self, node: Any, left_s: float = 0) -> None:
        """Have Ray drain a node, as its autoscaler and ``ray drain-node`` do."""
        worker: Any = import_module("ray._private.worker").global_worker
        deadline_ms = int((time.time() + left_s) * 1000) if left_s else 0
        preemption = 2
        accepted, reason = worker.gcs_client.drain_node(
            node.node_id, preemption, "for a test", deadline_ms
        )
        assert accepted, reason

    def is_alive(self, node: Any) -> bool:
        """Tell whether Ray knows the node as alive."""
        import ray

        return any(known["Alive"] and known["NodeID"] == node.node_id for known in ray.nodes())

    def hosts(self, node: Any | None = None) -> set[str]:
        """Return the session actors that are up, on one node or on all."""
        table = import_module("ray._private.state").actors().values()
        return {
            actor["Name"]
            for actor in table
            if actor["State"] == "ALIVE"
            and actor["Name"].startswith("session-actor-")
            and (node is None or actor["Address"]["NodeID"] == node.node_id)
        }

    async def local_model(self, node: Any) -> tuple[str, str]:
        """Return the address and the key that a session host on a node gets."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
        asked: Any = ray.remote(_ask_local_model).options(num_cpus=0, scheduling_strategy=there)
        return await asked.remote()

    async def begin_on(self, node: Any, **settings: Any) -> Conversation:
        """Begin a conversation that is held on a node."""
        model = await simulated(self.runtime, **settings)
        while True:
            talk = await Conversation.begin(self.runtime, model_id=model)
            if await self.place(talk) in self.hosts(node):
                return talk

    async def place(self, talk: Conversation) -> str:
        """Place a session as soon as there is room; return its host."""
        hosting = self.runtime.registry.hosting
        return (await when_there_is_room(lambda: hosting.place(talk.id))).host

    async def until(self, condition: Callable[[], object], patience_s: float = 60.0) -> None:
        """Return when the condition holds."""
        async with asyncio.timeout(patience_s):
            while not condition():
                await asyncio.sleep(0.05)


def on_nodes(scenario: Scenario) -> Callable[[Any], None]:
    """Make a test of a scenario: it is played in the process that has the cluster."""

    # Not with the scenario's signature, which has no fixtures.
    def test(stage: ProcessPoolExecutor) -> None:
        played = stage.submit(_play, scenario.__module__, scenario.__name__)
        played.result(PLAY_TIMEOUT_S)

    test.__doc__ = scenario.__doc__
    test.scenario = scenario  # type: ignore[attr-defined]
    return test


@contextmanager
def started_stage(head_cpus: int = CPUS, **settings: Any) -> Iterator[ProcessPoolExecutor]:
    """Start a process with a cluster of one node.

    Args:
        head_cpus: How many CPUs Ray takes the node to have.
        settings: The deployment's.
    """
    folder = mkdtemp(prefix="er-", dir="/tmp")  # Sockets below it have long names.
    context = multiprocessing.get_context("spawn")
    stage = ProcessPoolExecutor(1, context, _set_up, (folder, head_cpus, settings))
    try:
        yield stage
    finally:
        with suppress(BrokenProcessPool):  # It ends at once.
            stage.submit(_take_down).result(PLAY_TIMEOUT_S)
        stage.shutdown()
        rmtree(folder, ignore_errors=True)


# In the process that plays

_started: dict[str, Any] = {}


def _set_up(folder: str, head_cpus: int, settings: dict[str, Any]) -> None:
    os.environ["RAY_TMPDIR"] = folder
    (Path(folder) / "ray").mkdir()
    import ray
    from ray.cluster_utils import Cluster

    head = {**NODE, "num_cpus": head_cpus, "include_dashboard": False}
    head |= {"_system_config": SLOW_TO_BURY}
    with starting_a_node():
        cluster = Cluster(initialize_head=True, head_node_args=head)
    ray.init(cluster.address, namespace="everruns", log_to_driver=False, logging_level="ERROR")
    own = Settings(
        **{
            "data_dir": Path(folder) / "data",
            "openai_api_key": None,
            "anthropic_api_key": None,
            "demonstration": False,
            **settings,
        }
    )
    _started.update(cluster=cluster, settings=own.public())


def _play(module: str, name: str) -> None:
    scenario: Scenario = getattr(import_module(module), name).scenario
    asyncio.run(_with_runtime(scenario))


async def _with_runtime(scenario: Scenario) -> None:
    from actors.calls.direct import hang_up
    from actors.runtime import RayRuntime

    try:
        settings = _started["settings"]
        await scenario(NodeCluster(_started["cluster"], RayRuntime(settings), settings))
    finally:
        await hang_up()


def _ask_local_model() -> tuple[str, str]:
    from actors.local_model import local_model

    address = asyncio.run(local_model())
    return address.base_url, address.api_key.get_secret_value()


def _take_down() -> None:
    # Ray's own end would wait for a GCS that a scenario has killed.
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    os._exit(0)
