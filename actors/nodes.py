"""The cluster's nodes: what they carry, and which of them are about to go."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import ray
import structlog

from everruns.errors import Unavailable

ASK_TIMEOUT_S = 5.0
ACTORS_PER_CPU = 2
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
        # A node without CPUs carries none.
        fitting = (int((cpus + ROUNDING) / reserved_cpus) for cpus in self.cpus.values())
        return max(1, sum(fitting))

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
