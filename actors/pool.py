"""The pool of session actors: started in advance, stopped when long unused."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
import structlog
from ray.exceptions import RayError

from actors.names import MAX_CONCURRENCY, NAMESPACE, SESSION_ACTOR
from actors.session import SessionActor
from everruns.registry.placement import Placement
from everruns.runtime.watch import HostWatch

INTERVAL_S = 0.25
RETRY_S = 5.0
STOP_AFTER_S = 60.0
START_TIMEOUT_S = 60.0
COUNT_NODES_EVERY_S = 2.0
ACTORS_PER_CPU = 2

log = structlog.get_logger(__name__)


class SessionActorPool:
    """Keeps as many session actors as placement wants.

    Starting an actor costs a second of CPU, so actors start one at a time and no request waits for
    one: placement shares the existing actors in the meantime. Ray restarts actors that die.

    Args:
        placement: Which actor holds which session.
        watch: Finds out when an actor is up and when it is lost.
        settings: The deployment's settings, without secrets.
        count_cpus: Returns how many CPUs the cluster's nodes have now.
        max_actors: How many actors there may be; 0 means 2 for each CPU.
    """

    def __init__(
        self,
        placement: Placement,
        watch: HostWatch,
        settings: dict[str, Any],
        count_cpus: Callable[[], int],
        max_actors: int = 0,
    ) -> None:
        self._placement = placement
        self._count_cpus = count_cpus
        self._max_actors = max_actors
        self._watch = watch
        self._settings = settings
        self._surplus_since: float | None = None
        self._count_at = 0.0

    async def adopt(self) -> None:
        """Find the session actors that an earlier life of the registry started."""
        named: list[Any] = ray.util.list_named_actors(all_namespaces=True)
        await self._watch.adopt(
            actor["name"]
            for actor in named
            if actor["namespace"] == NAMESPACE and actor["name"].startswith(SESSION_ACTOR)
        )

    async def keep(self) -> None:
        """Start and stop session actors as placement requires, while the registry runs."""
        while True:
            try:
                await self._follow_nodes()
                await asyncio.sleep(await self._keep())
            except Exception:  # There must be session actors as long as there is a registry.
                log.exception("session actors not kept")
                await asyncio.sleep(RETRY_S)

    async def _follow_nodes(self) -> None:
        """Have as many session actors as the current nodes can use and carry."""
        now = asyncio.get_running_loop().time()
        if now >= self._count_at:
            self._count_at = now + COUNT_NODES_EVERY_S
            cpus = await asyncio.to_thread(self._count_cpus)
            self._placement.hosts_for_cpus = cpus
            self._placement.max_hosts = self._max_actors or ACTORS_PER_CPU * cpus

    async def _keep(self) -> float:
        """Start or stop one actor; return how many seconds to pause."""
        now = asyncio.get_running_loop().time
        if self._placement.hosts_to_start():
            began = now()
            await self._start_one()
            # A start takes seconds of CPU: as long again is left to everything else.
            return now() - began
        surplus = self._placement.hosts_to_stop()
        if not surplus:
            self._surplus_since = None
        elif self._surplus_since is None:
            self._surplus_since = now()
        elif now() - self._surplus_since > STOP_AFTER_S:
            self._stop(surplus[-1])
        return INTERVAL_S

    async def _start_one(self) -> None:
        taken = self._placement.hosts.keys() | self._placement.starting
        number = next(n for n in range(len(taken) + 1) if f"{SESSION_ACTOR}{n}" not in taken)
        name = f"{SESSION_ACTOR}{number}"
        self._placement.host_starting(name)
        try:
            ray.remote(SessionActor).options(
                name=name,
                namespace=NAMESPACE,
                lifetime="detached",
                max_restarts=-1,
                num_cpus=0,
                max_concurrency=MAX_CONCURRENCY,
                get_if_exists=True,
            ).remote(name, self._settings)
            self._watch.watch(name)
            async with asyncio.timeout(START_TIMEOUT_S):
                while name not in self._placement.hosts:
                    self._watch.changed.clear()
                    await self._watch.changed.wait()
        except (RayError, TimeoutError):
            log.warning("session actor did not start", actor=name)
            self._stop(name)

    def _stop(self, name: str) -> None:
        self._watch.forget(name)
        with suppress(ValueError, RayError):  # It has already ended.
            ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=True)
