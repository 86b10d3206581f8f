"""A cluster under test: where its nodes answer, and which node a process is on."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import psutil

from actors.calls.registry_address import ADDRESS_FILE
from bench.cluster.nodes import FailedCommandError, Node
from bench.cluster.running import Cluster
from tests.faults.processes import Role, end_of, in_role, kill
from tests.waiting import eventually

STARTS = 3
TAKEN_OVER_WITHIN_S = 60.0


class ClusterService:
    """The nodes of a cluster, as a balancer in front of them sees them.

    Args:
        cluster: The cluster.

    Attributes:
        away: The nodes that the balancer knows to be down.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.away: set[Node] = set()
        self._with_replica = list(cluster.nodes)
        self._asked = count()

    @property
    def address(self) -> str:
        """Where it answers: at each node in turn."""
        # What the autoscaler adds has no API replica, and then no proxy.
        up = [node for node in self._with_replica if node not in self.away]
        return up[next(self._asked) % len(up)].address

    def processes(self, role: Role) -> list[psutil.Process]:
        """Return the processes that have a role now, on all nodes."""
        return [found for node in self.cluster.nodes for found in processes_on(node, role)]

    def session_actor_at(self, host: str, port: int) -> psutil.Process:
        """Return the session actor that holds the local end of a connection.

        Raises:
            LookupError: None does.
        """
        return end_of(host, port, self.processes(Role.SESSION_ACTOR))

    def node_at(self, host: str) -> Node:
        """Return the node with an address.

        Raises:
            LookupError: None has it.
        """
        for node in self.cluster.nodes:
            if node.machine.ip == host:
                return node
        raise LookupError(f"No node has the address {host}.")

    def registry_node(self) -> Node:
        """Return the node of the registry that answers, which is the one that began last.

        Raises:
            LookupError: None has begun.
        """
        noted = {node: node.machine.folder / "data" / ADDRESS_FILE for node in self.cluster.nodes}
        began = {node: file.stat().st_mtime for node, file in noted.items() if file.exists()}
        if not began:
            raise LookupError("No registry has begun.")
        return max(began, key=began.__getitem__)

    async def registry_on_a_worker(self) -> Node:
        """Return the registry's node; one that is on the head is ended before."""
        node = self.registry_node()
        if node.is_head:
            kill(*processes_on(node, Role.REGISTRY))
            await eventually(lambda: not self.registry_node().is_head, TAKEN_OVER_WITHIN_S)
        await self.standby()
        return self.registry_node()

    async def standby(self) -> None:
        """Return when a registry stands by on another node than the one that answers."""

        def stands_by() -> bool:
            answering = self.registry_node()
            return any(
                processes_on(node, Role.REGISTRY)
                for node in self.cluster.nodes
                if node is not answering
            )

        await eventually(stands_by, TAKEN_OVER_WITHIN_S)


def processes_on(node: Node, role: Role) -> list[psutil.Process]:
    """Return the processes on a node that have a role now."""
    return in_role(role, node.machine.processes())


def _start(node: Node) -> None:
    """Start a node until it is up, as a supervisor does: on a busy machine Ray gives up early."""
    for _ in range(STARTS - 1):
        try:
            return node.start()
        except FailedCommandError as error:
            print(f"start again: {error}")
            node.kill()
    return node.start()


async def bring_back(service: ClusterService, node: Node) -> float:
    """Start a node again; return when it answered, on the monotonic clock."""
    await asyncio.to_thread(_start, node)
    await asyncio.to_thread(service.cluster.wait_until_ready, node)
    service.away.discard(node)
    return time.monotonic()


@asynccontextmanager
async def without(service: ClusterService, node: Node) -> AsyncIterator[None]:
    """Kill a node for the length of a block."""
    service.away.add(node)
    await asyncio.to_thread(node.kill)
    try:
        yield
    finally:
        await bring_back(service, node)
