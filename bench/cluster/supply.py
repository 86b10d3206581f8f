"""Machines that Ray's autoscaler may switch on and off, as a cloud would give them to it.

The autoscaler runs on the head and calls a provider there, which asks for machines over the network
of the nodes, since only this computer can make them.
"""

from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import ThreadingMixIn
from threading import Lock, Thread
from typing import Any
from xmlrpc.client import ServerProxy
from xmlrpc.server import SimpleXMLRPCServer

import yaml
from ray.autoscaler.node_provider import NodeProvider
from ray.autoscaler.tags import (
    NODE_KIND_HEAD,
    STATUS_UP_TO_DATE,
    TAG_RAY_NODE_KIND,
    TAG_RAY_NODE_STATUS,
    TAG_RAY_USER_NODE_TYPE,
)

from bench.cluster.machines import Machine
from bench.cluster.nodes import Node

HEAD, WORKER = "head", "worker"
UNUSED_COMMANDS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
    "cluster_synced_files",
)
HEAD_TAGS = {
    TAG_RAY_NODE_KIND: NODE_KIND_HEAD,
    TAG_RAY_USER_NODE_TYPE: HEAD,
    TAG_RAY_NODE_STATUS: STATUS_UP_TO_DATE,
}


@dataclass(frozen=True)
class Scaling:
    """How a cluster grows and shrinks.

    Attributes:
        most: How many nodes there may be, the head included.
        idle_s: After how many seconds without work a node is taken away.
    """

    most: int
    idle_s: float = 15.0


@dataclass
class Supplied:
    """A node that was asked for.

    Attributes:
        node: The node.
        tags: What the autoscaler has noted about it.
        started: Whether it has started, or why it could not.
    """

    node: Node
    tags: dict[str, str]
    started: Future[None]


@dataclass
class Supply:
    """Adds nodes to a cluster and takes them away. Its public methods are called over the network.

    Args:
        nodes: The cluster's; the first is its head.
        new_node: Returns one more node, which is not started.
    """

    nodes: list[Node]
    new_node: Callable[[], Node]
    _supplied: dict[str, Supplied] = field(default_factory=dict[str, Supplied])
    _starters: ThreadPoolExecutor = field(default_factory=ThreadPoolExecutor)
    _lock: Lock = field(default_factory=Lock)

    def create(self, tags: Mapping[str, str], count: int) -> None:
        """Switch on some nodes, without waiting for them."""
        for _ in range(count):
            with self._lock:
                node = self.new_node()
                self.nodes.append(node)
                started = self._starters.submit(node.start)
                self._supplied[node.machine.name] = Supplied(node, dict(tags), started)

    def list(self) -> dict[str, dict[str, str]]:
        """Return the names of all nodes, each with its tags."""
        with self._lock:
            workers = {name: supplied.tags for name, supplied in self._supplied.items()}
        return {self.nodes[0].machine.name: HEAD_TAGS, **workers}

    def is_running(self, name: str) -> bool:
        """Tell whether a node has started.

        Raises:
            FailedCommandError: It could not.
        """
        with self._lock:
            supplied = self._supplied.get(name)
        if supplied is None or not supplied.started.done():
            return supplied is None
        supplied.started.result()
        return True

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """Note something about a node."""
        with self._lock:
            self._supplied[name].tags |= tags

    def terminate(self, name: str) -> None:
        """Switch a node off."""
        with self._lock:
            supplied = self._supplied.pop(name, None)
        if supplied is not None:
            supplied.node.kill()
            self.nodes.remove(supplied.node)

    def close(self) -> None:
        """Wait for the nodes that are being started; nobody asks for others any more."""
        self._starters.shutdown()


class _Server(ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True


@contextmanager
def growing_nodes(
    scaling: Scaling,
    folder: Path,
    gateway: str,
    new_machine: Callable[[], Machine],
    environment: Mapping[str, str],
    cpus: int,
) -> Generator[list[Node]]:
    """Yield a list of nodes that Ray's autoscaler adds to and takes from; it begins with the head.

    Args:
        scaling: How it does.
        folder: The cluster's.
        gateway: The address by which nodes reach this computer.
        new_machine: Returns one more machine.
        environment: Variables of all processes on the nodes.
        cpus: How many CPUs Ray takes each node to have.
    """
    file = folder / "autoscaling.yaml"
    machine = new_machine()
    head = Node(
        machine,
        machine,
        {**environment, **_joined_as(machine, HEAD)},
        cpus,
        [f"--autoscaling-config={file}"],
    )

    def new_node() -> Node:
        added = new_machine()
        return Node(added, machine, {**environment, **_joined_as(added, WORKER)}, cpus)

    nodes = [head]
    with offered(Supply(nodes, new_node), gateway) as url:
        write_configuration(file, scaling, cpus, url)
        yield nodes


def _joined_as(machine: Machine, kind: str) -> dict[str, str]:
    """Return the variables by which the autoscaler knows a node that has joined."""
    return {
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": machine.name,
        "RAY_NODE_TYPE_NAME": kind,
    }


@contextmanager
def offered(supply: Supply, host: str) -> Generator[str]:
    """Let the autoscaler ask for nodes during the block; return the URL where it does."""
    with _Server((host, 0), logRequests=False, allow_none=True) as server:
        server.register_instance(supply)
        serving = Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield f"http://{host}:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()
            supply.close()


def write_configuration(file: Path, scaling: Scaling, cpus: int, url: str) -> None:
    """Write what ``ray start --autoscaling-config`` reads."""
    workers = scaling.most - 1
    resources = {"resources": {"CPU": cpus}, "node_config": {}}
    configuration = {
        "cluster_name": "everruns",
        "max_workers": workers,
        "idle_timeout_minutes": scaling.idle_s / 60,
        "provider": {
            "type": "external",
            "module": f"{MachineProvider.__module__}.{MachineProvider.__name__}",
            "url": url,
            # Nodes start Ray by themselves.
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        **{commands: [] for commands in UNUSED_COMMANDS},
        "head_node_type": HEAD,
        "available_node_types": {
            HEAD: {**resources, "min_workers": 0, "max_workers": 0},
            WORKER: {**resources, "min_workers": 0, "max_workers": workers},
        },
    }
    file.write_text(yaml.safe_dump(configuration))


class MachineProvider(NodeProvider):
    """What the autoscaler calls, on the head."""

    def __init__(self, provider_config: dict[str, Any], cluster_name: str) -> None:
        super().__init__(provider_config, cluster_name)
        self._url = provider_config["url"]

    @property
    def _supply(self) -> Any:
        # One connection a call: the autoscaler calls from several threads.
        return ServerProxy(self._url, allow_none=True)

    def non_terminated_nodes(self, tag_filters: dict[str, str]) -> list[str]:
        """Return the names of the nodes with some tags."""
        nodes: dict[str, dict[str, str]] = self._supply.list()
        return [name for name, tags in nodes.items() if tag_filters.items() <= tags.items()]

    def node_tags(self, node_id: str) -> dict[str, str]:
        """Return a node's tags; none once it has been terminated."""
        return self._supply.list().get(node_id, {})

    def is_running(self, node_id: str) -> bool:
        """Tell whether a node has started."""
        return self._supply.is_running(node_id)

    def is_terminated(self, node_id: str) -> bool:
        """Tell whether a node has been switched off."""
        return node_id not in self._supply.list()

    def create_node(self, node_config: dict[str, Any], tags: dict[str, str], count: int) -> None:
        """Ask for some nodes; they are all alike."""
        del node_config
        self._supply.create(tags, count)

    def set_node_tags(self, node_id: str, tags: dict[str, str]) -> None:
        """Note something about a node."""
        self._supply.tag(node_id, tags)

    def terminate_node(self, node_id: str) -> None:
        """Switch a node off."""
        self._supply.terminate(node_id)
