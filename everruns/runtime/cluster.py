"""Reading the state of the cluster.

Every part is asked at once. One that does not answer in time is missing from the state, which says
so: it is looked at most when something is wrong.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from everruns.domain.cluster import ClusterState
from everruns.errors import EverrunsError
from everruns.ids import now_ms
from everruns.own_process import own_machine, own_process
from everruns.registry.registry import Registry
from everruns.registry.reports import HostFigures
from everruns.runtime.cluster_state import Told, compose, hosts_of
from everruns.runtime.feed.streams import FindHost
from everruns.runtime.surroundings import Look, Surroundings

ANSWER_WITHIN_S = 2.0
READ_AGAIN_AFTER_S = 1.0
ASKED_AT_ONCE = 64

Answer = TypeVar("Answer")


class Cluster:
    """The cluster that this process is part of.

    Args:
        registry: The registry or its stub.
        find_host: Returns a session host by its name.
        look: Returns where this process runs. It is called in a thread, one call at a time.
    """

    def __init__(self, registry: Registry, find_host: FindHost, look: Look = Surroundings) -> None:
        self._registry = registry
        self._find_host = find_host
        self._look = look
        self._looking: asyncio.Future[Surroundings] | None = None
        self._reading = asyncio.Lock()
        self._last: ClusterState | None = None
        self._read_again_at = 0.0

    async def state(self) -> ClusterState:
        """Return the state of the cluster, of now or of up to a second ago."""
        async with self._reading:
            now = asyncio.get_running_loop().time
            if self._last is None or now() >= self._read_again_at:
                self._last = await self._read()
                self._read_again_at = now() + READ_AGAIN_AFTER_S
            return self._last

    async def _read(self) -> ClusterState:
        problems: list[str] = []
        around, overview = await asyncio.gather(
            _in_time(self._look_around(), "Ray does not answer", problems),
            _in_time(self._registry.overviews.get(), "The registry does not answer", problems),
        )
        around = around or Surroundings()
        if overview is not None and overview.problem is not None:
            problems.append(overview.problem)
        names = [host.name for host in hosts_of(around, overview) if host.is_up]
        asking = asyncio.Semaphore(ASKED_AT_ONCE)

        async def ask(name: str) -> HostFigures | None:
            async with asking:
                return await _in_time(self._figures(name), f"{name} does not answer", problems)

        told = zip(names, await asyncio.gather(*map(ask, names)), strict=True)
        figures = {name: one for name, one in told if one is not None}
        return compose(
            Told(
                now_ms(), around, overview, figures, own_process(), own_machine(), sorted(problems)
            )
        )

    async def _look_around(self) -> Surroundings:
        # A thread that waits for Ray cannot be stopped, so the same one is waited for again.
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(asyncio.to_thread(self._look))
        return await asyncio.shield(self._looking)

    async def _figures(self, name: str) -> HostFigures:
        return await (await self._find_host(name)).figures()


async def _in_time(answer: Awaitable[Answer], silence: str, problems: list[str]) -> Answer | None:
    """Return an answer, or add to the problems why there is none in time."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await answer
    except TimeoutError:
        problems.append(f"{silence}.")
    except EverrunsError as error:
        problems.append(f"{silence}: {error.message}")
    return None
