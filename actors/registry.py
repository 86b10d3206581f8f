"""The registry actor: the registry in a process of its own, and the session actors it keeps."""

import asyncio
from typing import Any

import ray

from actors.cluster import MAX_CONCURRENCY, NAMESPACE, REGISTRY, remote_host
from actors.local_model import LocalModel, local_model_installed
from actors.pool import SessionActorPool
from actors.remote import answer
from everruns.capabilities.registry import load_capabilities
from everruns.log import configure_log
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.runtime.host import RELIEF_QUIET_S
from everruns.runtime.reconciler import reconcile
from everruns.settings import Settings, load_settings
from everruns.storage.sql import open_store

SESSION_ACTORS_PER_CPU = 2


class RegistryActor:
    """Owns the database, and decides where sessions live.

    Detached and restarted for ever: a new life finds the session actors of the one before and
    asks them what they hold.

    Args:
        settings: The deployment's settings without secrets; these are read from the environment
            here and nowhere else.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        configure_log()
        own = load_settings(**settings)
        cpus = int(ray.cluster_resources().get("CPU", 1))
        placement = Placement(
            own.sessions_per_actor,
            own.warm_session_actors,
            own.max_session_actors or SESSION_ACTORS_PER_CPU * cpus,
        )
        self._registry = Registry(
            open_store(own.data_dir, own.encryption_key), load_capabilities(), placement
        )
        self._pool = SessionActorPool(placement, settings)
        self._rooms = {
            "registry": self._registry,
            "agents": self._registry.agents,
            "providers": self._registry.providers,
            "sessions": self._registry.sessions,
            "pool": self._pool,
            "local_model": LocalModel(),
        }
        self._tasks: list[asyncio.Future[None]] = []
        self._started = asyncio.ensure_future(self._start(own))

    async def _start(self, settings: Settings) -> None:
        await self._registry.seed(settings, has_local_model=local_model_installed())
        await self._pool.adopt()

        async def relieve(host: str) -> int:
            return await remote_host(host).hibernate(RELIEF_QUIET_S)

        async def activate(host: str, session_id: str) -> None:
            await remote_host(host).activate(session_id)

        self._registry.sessions.relieve = relieve
        self._tasks = [
            asyncio.ensure_future(self._pool.keep()),
            asyncio.ensure_future(reconcile(self._registry.sessions, activate)),
        ]

    @ray.method
    async def call(
        self, room: str, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Carry out one call of the registry or of what it keeps."""
        await asyncio.shield(self._started)
        return await answer(self._rooms, room, method, args, kwargs)


def start_registry(settings: dict[str, Any]) -> None:
    """See that the cluster has a registry; it is on the head node, where the data directory is."""
    ray.remote(RegistryActor).options(
        name=REGISTRY,
        namespace=NAMESPACE,
        lifetime="detached",
        max_restarts=-1,
        num_cpus=0,
        resources={"node:__internal_head__": 0.001},
        max_concurrency=MAX_CONCURRENCY,
        get_if_exists=True,
    ).remote(settings)
