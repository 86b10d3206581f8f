"""A cluster under test: where its nodes answer, and which node a process is on."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import psutil

from bench.cluster.nodes import FailedCommandError, Node
from bench.cluster.running import Cluster
from tests.faults.processes import Role, end_of, in_role

STARTS = 3


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

    def node_of(self, role: Role) -> Node:
        """Return the node of the first process with a role.

        Raises:
            LookupError: There is none.
        """
        for node in self.cluster.nodes:
            if processes_on(node, role):
                return node
        raise LookupError(f"No node has a {role}.")


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
