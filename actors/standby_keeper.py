"""Keeps a second registry on another node than the first one's."""

import asyncio
from collections.abc import Callable

import structlog
from ray.exceptions import RayError

from actors.nodes import Nodes
from actors.standby import Succession
from everruns.log import error_kind

KEEP_EVERY_S = 2.0
HEARD_WITHIN_S = 10.0

log = structlog.get_logger(__name__)


class StandbyKeeper:
    """Has a registry stand by, if the cluster has a second node.

    Args:
        node: The node of the registry that answers.
        succession: Knows where the other one is, if it is there.
        nodes: Returns the cluster's nodes.
        start: Starts the other one on a node unless it exists; may return before it is up.
        stop: Ends the other one.
    """

    def __init__(
        self,
        node: str,
        succession: Succession,
        nodes: Callable[[], Nodes],
        start: Callable[[str], None],
        stop: Callable[[], None],
    ) -> None:
        self._node = node
        self._succession = succession
        self._nodes = nodes
        self._start = start
        self._stop = stop

    async def keep(self) -> None:
        """Look after it as long as this registry answers."""
        while True:
            try:
                await self.look()
            except (RayError, ValueError) as error:
                # Ray raises the latter if the name is freed while it is looked for.
                log.warning("no registry stands by", error=error_kind(error))
            await asyncio.sleep(KEEP_EVERY_S)

    async def look(self) -> None:
        """Start the other registry if it is not there, and end it where it is of no use.

        Raises:
            RayError: Ray cannot be asked.
        """
        cpus = self._nodes().cpus
        others = {node: cpus[node] for node in cpus if node != self._node}
        there = self._succession.follower(HEARD_WITHIN_S)
        if there is not None and there not in others:
            # On the same node, they would die together. The other node may be about to go.
            log.info("registry that stands by is moved", about_node=there)
            await asyncio.to_thread(self._stop)
            self._succession.forget()
        elif there is None and others:
            # A head without CPUs for actors is chosen last.
            await asyncio.to_thread(self._start, max(others, key=others.__getitem__))
