"""Nodes that session actors leave: such as are drained, and such as are not needed any more."""

import asyncio
from collections.abc import Callable, Mapping
from math import inf

import structlog

from actors.nodes import Nodes, removable_nodes
from everruns.registry.placement import Placement

# How long the turns on a node that is drained may go on there.
MOVE_AFTER_S = 30.0
# Of the time that such a node has left, what stopping turns and their resuming take.
MOVING_S = 5.0
# How long there must have been a node too many.
LEAVE_AFTER_S = 60.0

log = structlog.get_logger(__name__)


class Departures:
    """Which nodes are left, and by when.

    A drained node will end. One that is not needed is left so that nothing runs on it, for which an
    autoscaler takes it away; until then it can be taken back.

    Args:
        placement: Which actor holds which session.
        reserved_cpus: The CPUs that each actor reserves; if they reserve none, no node is left
            unless it is drained.
        removable: Returns the nodes that an autoscaler can take away, given what the actors reserve
            on each.
    """

    def __init__(
        self,
        placement: Placement,
        reserved_cpus: float,
        removable: Callable[[Mapping[str, float]], frozenset[str]] = removable_nodes,
    ) -> None:
        self._placement = placement
        self._reserved_cpus = reserved_cpus
        self._removable = removable
        self._unneeded: set[str] = set()
        self._leave_by: dict[str, float] = {}
        self._surplus_since: float | None = None

    def note(self, nodes: Nodes) -> Nodes:
        """Take note of the nodes as they are; return them, the unneeded ones among the leaving."""
        now = _now()
        self._unneeded &= nodes.cpus.keys()
        leaving = nodes.without(self._unneeded).leaving
        by = {
            # The turns on one that is not drained have all the time that they take.
            node: inf if node in self._unneeded else now + min(MOVE_AFTER_S, left_s - MOVING_S)
            for node, left_s in leaving.items()
        }
        self._leave_by = {node: min(by[node], self._leave_by.get(node, inf)) for node in by}
        return nodes.without(self._unneeded)

    def leave_by(self, host: str) -> float | None:
        """Return by when a host must be left, on the loop's clock; ``None`` if it stays."""
        return self._leave_by.get(self._placement.nodes.get(host, ""))

    async def leave_surplus(self, nodes: Nodes) -> None:
        """Leave a node that was not needed for a while, if it can be taken away then."""
        surplus = self._surplus(nodes)
        if not surplus:
            self._surplus_since = None
        elif self._surplus_since is None:
            self._surplus_since = _now()
        elif _now() - self._surplus_since > LEAVE_AFTER_S:
            self._surplus_since = None
            hosts = self._placement.hosts_on
            reserved = {node: len(hosts([node])) * self._reserved_cpus for node in nodes.cpus}
            removable = await asyncio.to_thread(self._removable, reserved)
            # It may have been filled meanwhile.
            for node in self._surplus(nodes):
                if node in removable:
                    log.info("node is not needed", about_node=node)
                    self._unneeded.add(node)
                    return

    def _surplus(self, nodes: Nodes) -> list[str]:
        if not self._reserved_cpus:
            return []
        return self._placement.surplus_nodes(nodes.carried(self._reserved_cpus))

    def take_back(self) -> bool:
        """Stay on a node that was not needed; return whether there is one."""
        if not self._unneeded:
            return False
        node = self._unneeded.pop()
        self._leave_by.pop(node, None)
        log.info("node is needed again", about_node=node)
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()
