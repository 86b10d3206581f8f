"""The pool of session actors: started ahead of need, stopped when long unused."""

import asyncio
from contextlib import suppress
from typing import Any

import ray
import structlog
from ray.exceptions import RayError

from actors.cluster import MAX_CONCURRENCY, NAMESPACE, SESSION_ACTOR, remote_host
from actors.session import SessionActor
from everruns.errors import HostLost
from everruns.registry.placement import Placement

INTERVAL_S = 0.25
STOP_AFTER_S = 60.0
START_TIMEOUT_S = 60.0
ADOPT_TIMEOUT_S = 10.0

log = structlog.get_logger(__name__)


class SessionActorPool:
    """Keeps as many session actors as placement wants.

    Starting one costs a second of CPU, so they are started one at a time and never while somebody
    waits for one: placement shares what is there meanwhile.

    Args:
        placement: Which actor holds which session.
        settings: The deployment's settings, without secrets.
    """

    def __init__(self, placement: Placement, settings: dict[str, Any]) -> None:
        self._placement = placement
        self._settings = settings
        self._changed = asyncio.Event()

    async def host_started(self, name: str) -> None:
        """A session actor is up and empty, for the first time or again."""
        if lost := self._placement.host_started(name):
            log.warning("session actor restarted", actor=name, sessions=len(lost))
        self._changed.set()

    async def adopt(self) -> None:
        """Find the session actors that an earlier life of the registry started."""
        named: list[Any] = ray.util.list_named_actors(all_namespaces=True)
        names = [
            actor["name"]
            for actor in named
            if actor["namespace"] == NAMESPACE and actor["name"].startswith(SESSION_ACTOR)
        ]
        await asyncio.gather(*map(self._adopt, names))

    async def _adopt(self, name: str) -> None:
        try:
            held = await asyncio.wait_for(remote_host(name).held(), ADOPT_TIMEOUT_S)
        except (HostLost, TimeoutError, ValueError):
            # It is being restarted, and reports when it is up.
            log.warning("session actor does not answer", actor=name)
            return
        self._placement.adopt(name, held)

    async def keep(self) -> None:
        """Start and stop session actors as placement wants, for as long as the registry lives."""
        surplus_since: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            if self._placement.hosts_to_start():
                await self._start_one()
                continue
            surplus = self._placement.hosts_to_stop()
            if not surplus:
                surplus_since = None
            elif surplus_since is None:
                surplus_since = loop.time()
            elif loop.time() - surplus_since > STOP_AFTER_S:
                self._stop(surplus[-1])
            await asyncio.sleep(INTERVAL_S)

    async def _start_one(self) -> None:
        taken = self._placement.hosts.keys() | self._placement.starting
        number = next(n for n in range(len(taken) + 1) if f"{SESSION_ACTOR}{n}" not in taken)
        name = f"{SESSION_ACTOR}{number}"
        self._placement.host_starting(name)
        self._changed.clear()
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
            await asyncio.wait_for(self._changed.wait(), START_TIMEOUT_S)
        except (RayError, TimeoutError):
            log.warning("session actor did not start", actor=name)
            self._placement.host_lost(name)
            # Or it was there already and has nothing to report.
            await self._adopt(name)

    def _stop(self, name: str) -> None:
        self._placement.host_lost(name)
        with suppress(ValueError):  # It has gone by itself.
            ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=True)
