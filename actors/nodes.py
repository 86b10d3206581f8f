"""The cluster's nodes: what they carry, and which of them are about to go."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import ray
import structlog

from everruns.errors import Unavailable

ASK_TIMEOUT_S = 5.0
ACTORS_PER_CPU = 2
# Not reserved, but measured.
MEMORY = ("memory", "object_store_memory")
# Ray counts CPUs in ten thousandths.
ROUNDING = 1e-4

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Nodes:
    """The nodes that are alive at one moment.

    Attributes:
        cpus: The CPUs of each node that stays.
        leaving: Seconds until each node that is being drained is ended; infinite where nobody has
            said when.
    """

    cpus: Mapping[str, float]
    leaving: Mapping[str, float]

    @property
    def total_cpus(self) -> int:
        """The CPUs of all nodes that stay, at least one."""
        return max(1, int(sum(self.cpus.values())))

    def capacity(self, reserved_cpus: float) -> int:
        """Return how many actors they carry, at least one.

        Args:
            reserved_cpus: What each reserves; 0 if none does.
        """
        if not reserved_cpus:
            return ACTORS_PER_CPU * self.total_cpus
        return max(1, sum(self.carried(reserved_cpus).values()))

    def carried(self, reserved_cpus: float) -> dict[str, int]:
        """Return how many actors each node carries; one without CPUs carries none.

        Args:
            reserved_cpus: What each reserves; not 0.
        """
        return {node: int((cpus + ROUNDING) / reserved_cpus) for node, cpus in self.cpus.items()}

    def without(self, left: Collection[str]) -> "Nodes":
        """Return the same nodes, of which some are to go that Ray does not drain."""
        staying = {node: cpus for node, cpus in self.cpus.items() if node not in left}
        return Nodes(staying, {**dict.fromkeys(left, float("inf")), **self.leaving})

    def emptiest(self, reserved_cpus: float, actors: Mapping[str, int]) -> str | None:
        """Return the node whose CPUs are reserved least, if one has room for another actor.

        Args:
            reserved_cpus: What each actor reserves.
            actors: How many there are on each node.
        """

        def reserved(node: str) -> float:
            return actors.get(node, 0) * reserved_cpus / self.cpus[node]

        roomy = (
            node
            for node, cpus in self.cpus.items()
            if (actors.get(node, 0) + 1) * reserved_cpus <= cpus + ROUNDING
        )
        return min(roomy, key=reserved, default=None)


def read_nodes() -> Nodes:
    """Ask Ray for the nodes; it takes a millisecond.

    Raises:
        Unavailable: Ray's answer lacks the node that asks: it does not know its nodes again yet.
    """
    table: list[Any] = ray.nodes()
    alive = {node["NodeID"]: node["Resources"].get("CPU", 0.0) for node in table if node["Alive"]}
    if ray.get_runtime_context().get_node_id() not in alive:
        raise Unavailable("Ray does not know its nodes.")
    draining = _draining() if len(alive) > 1 else {}
    return Nodes(
        {node: cpus for node, cpus in alive.items() if node not in draining},
        {node: left_s for node, left_s in draining.items() if node in alive},
    )


def _draining() -> Mapping[str, float]:
    """Return the nodes that are being drained, each with the seconds that it has left.

    Source: ``ray.serve._private.cluster_node_info_cache``, which empties its replicas by it.
    """
    worker: Any = import_module("ray._private.worker").global_worker
    try:
        deadlines_ms = worker.gcs_client.get_draining_nodes(timeout=ASK_TIMEOUT_S)
    except AttributeError:
        log.warning("nodes that are drained are not noticed: Ray does not tell them any more")
        return {}
    # No deadline is 0.
    return {
        node: deadline_ms / 1000 - time.time() if deadline_ms else float("inf")
        for node, deadline_ms in deadlines_ms.items()
    }


def has_room(reserved_cpus: float) -> bool:
    """Tell whether a node has so many CPUs left that an actor waits for something else."""
    state: Any = import_module("ray._private.state")
    left: Mapping[str, Mapping[str, float]] = state.available_resources_per_node()
    staying = read_nodes().cpus
    return any(left.get(node, {}).get("CPU", 0.0) >= reserved_cpus for node in staying)


def removable_nodes(reserved: Mapping[str, float]) -> frozenset[str]:
    """Return the nodes that an autoscaler can take away once their session actors have ended.

    These are nodes that it has added, where nothing else reserves anything; an API replica reserves
    a little. It takes some milliseconds.

    Args:
        reserved: The CPUs that the session actors on each node reserve.
    """
    messages: Any = import_module("ray.core.generated.autoscaler_pb2")
    worker: Any = import_module("ray._private.worker").global_worker
    answer = messages.GetClusterResourceStateReply.FromString(
        worker.gcs_client.get_cluster_resource_state(timeout_s=ASK_TIMEOUT_S)
    )
    own = ray.get_runtime_context().get_node_id()
    nodes = {node.node_id.hex(): node for node in answer.cluster_resource_state.node_states}
    return frozenset(
        name
        for name, node in nodes.items()
        # Who starts a node for an autoscaler tells Ray its type.
        if name != own
        and node.ray_node_type_name
        and is_free(node.total_resources, node.available_resources, reserved.get(name, 0.0))
    )


def is_free(
    total: Mapping[str, float], available: Mapping[str, float], reserved_cpus: float
) -> bool:
    """Tell whether nothing but so many CPUs of a node is reserved.

    Args:
        total: What it has.
        available: What is left. A resource that it has not been given and of which every node has
            one, as for a bound on replicas, is here alone.
        reserved_cpus: What may be reserved.
    """
    return all(
        left + (reserved_cpus if name == "CPU" else 0.0) >= total.get(name, 1.0) - ROUNDING
        for name, left in available.items()
        if name not in MEMORY
    )
