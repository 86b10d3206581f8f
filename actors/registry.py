"""The registry actor: the registry in its own process, and the session actors it manages."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import ray
import structlog
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.analyst import keep_archive, remote_analyst
from actors.calls.registry_address import publish
from actors.calls.registry_stub import registry_targets
from actors.calls.rpc_actor import RpcActor
from actors.local_model import local_model, local_model_installed
from actors.metrics import export_metrics
from actors.monitoring import keep_monitoring
from actors.names import (
    HEAD_NODE,
    MAX_CONCURRENCY,
    REGISTRIES,
    REGISTRY,
    describe_actor,
    detached,
    find_actor,
)
from actors.pool import LOOK_EVERY_S, LOOK_SELDOM_S, SessionActorPool
from actors.processes import collect_rarely
from actors.serving.leftovers import is_own_cluster
from actors.standby import SUCCESSION, ActorRival, Rival, Standby, Succession
from actors.standby_keeper import StandbyKeeper
from actors.stubs import find_host
from actors.surroundings import look
from everruns.archive.manifest import delete_archive
from everruns.capabilities.registry import load_capabilities
from everruns.errors import EverrunsError, RegistryReplaced
from everruns.log import configure_log, error_kind
from everruns.mcp.oauth.client import OAuthClient
from everruns.mcp.probe import Probe
from everruns.registry.database import Database
from everruns.registry.inquiries import Inquiries
from everruns.registry.mcp_inquiries import McpInquiries
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.runtime.host import RELIEF_QUIET_S
from everruns.runtime.reconciler import Reconciler
from everruns.runtime.watch import HostWatch
from everruns.settings import Settings
from everruns.settings_loading import load_settings
from everruns.storage.store import Store

START_RETRY_S = 1.0
JOINED_CLUSTER_CPUS = 0.5
# How long a caller that looks for the registry waits for one that stands by.
BEGIN_WITHIN_S = 2.0
SWITCH_THREADS_S = 0.0005

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class RegistryActor(RpcActor):
    """Owns the database and places sessions.

    Detached and always restarted: a new life finds the session actors of the previous one and asks
    them which sessions they hold. Opening the database is retried until it succeeds; until then
    every call fails with the cause. With a shared database there are two on a cluster of several
    nodes, of which one stands by (see ``actors.standby``). A life that another registry has
    replaced answers nobody, so that its callers look for the new one.

    Args:
        settings: The deployment's settings without secrets; these are read from the environment
            only here.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._own = load_settings(**settings)
        super().__init__(self._own.node_port_range)
        self._name: str = ray.get_runtime_context().get_actor_name() or REGISTRY
        configure_log(self._own.log_level, actor=self._name, node=self.node)
        self._settings = settings
        # The longest that the event loop waits while a thread uses the database.
        sys.setswitchinterval(SWITCH_THREADS_S)
        self._problem: EverrunsError | None = None
        self._targets: dict[str, object] = {}
        self._tasks: list[asyncio.Future[None]] = []
        self._answerable = asyncio.Event()
        # Set once it answers instead of standing by.
        self._begun = asyncio.Event()
        self._started = asyncio.ensure_future(self._begin(self._own))

    async def _begin(self, settings: Settings) -> None:
        try:
            await self._start(settings)
        except Exception:
            # A life that failed to start makes room for the next one.
            log.exception("registry not started")
            await asyncio.sleep(START_RETRY_S)
            os._exit(1)
        self._answerable.set()

    async def _start(self, settings: Settings) -> None:
        is_shared = settings.database_url is not None
        if is_shared:
            await self._stand_by(settings)
        self._begun.set()
        store = await self._persist(lambda: asyncio.to_thread(_open_store, settings))
        placement = Placement(
            settings.sessions_per_actor,
            settings.warm_session_actors,
            max_hosts=0,  # The pool says how many the cluster can carry.
            bytes_per_host=settings.session_actor_bytes,
        )
        inquiries = Inquiries.of(settings, local_model)
        registry = Registry(
            store,
            load_capabilities(),
            placement,
            inquiries,
            McpInquiries(Probe(allow_private=settings.allow_private_addresses)),
            settings.mcp_programs,
            OAuthClient.at(settings.browser_url, allow_private=settings.allow_private_addresses),
        )
        await self._persist(registry.life.begin)
        has_local_model = local_model_installed()
        await self._persist(lambda: registry.seed(settings, has_local_model=has_local_model))
        if settings.demonstration:
            await self._persist(registry.seed_demonstration)

        async def relieve(host: str) -> int:
            return await (await find_host(host)).hibernate(RELIEF_QUIET_S)

        registry.hosting.relieve = relieve
        registry.hosting.hands_over_new_only = is_shared
        reconciler = Reconciler(registry.hosting, find_host)
        watch = HostWatch(
            registry,
            find_host,
            reconciler.wake,
            # Whoever calls the registry from another node will call hosts from there too.
            on_network=lambda: self._server.is_on_network,
            hosts_up=_session_actors_up,
        )
        look_every_s = LOOK_SELDOM_S if is_own_cluster() else LOOK_EVERY_S
        pool = SessionActorPool(
            placement, watch, settings, _reserved_cpus(settings), look_every_s=look_every_s
        )
        await pool.adopt()
        succession = Succession(registry.life)
        self._targets = {**registry_targets(registry), SUCCESSION: succession}
        # Before the tasks begin: one of them notes that another registry has taken over.
        self._problem = None
        self._tasks = [
            asyncio.ensure_future(pool.keep()),
            asyncio.ensure_future(reconciler.run()),
            asyncio.ensure_future(registry.receipts.run()),
            asyncio.ensure_future(registry.gauges.keep()),
            export_metrics(registry.meters, "registry", registry.gauges.refresh),
            asyncio.ensure_future(keep_monitoring(is_on_head=not is_shared)),
            asyncio.ensure_future(self._step_aside(registry, watch)),
        ]
        if settings.archive:
            archiving = keep_archive(registry, remote_analyst(self._settings))
            self._tasks.append(asyncio.ensure_future(archiving))
        else:
            await asyncio.to_thread(delete_archive, settings.data_dir)
        if is_shared:
            keeper = StandbyKeeper(
                self.node, succession, lambda: pool.nodes, self._start_other, self._stop_other
            )
            self._tasks.append(asyncio.ensure_future(keeper.keep()))
            self._tasks.append(asyncio.ensure_future(registry.keys.follow()))
        await self._publish(settings.data_dir)
        collect_rarely()

    async def _stand_by(self, settings: Settings) -> None:
        """Return when this registry is to begin; everything that it needs is imported by then.

        The database is opened for that and closed again: what is read when it is opened would be
        out of date by the time this registry begins.
        """
        store = await self._persist(lambda: asyncio.to_thread(_open_store, settings))
        database = Database(store)
        standby = Standby(
            self.node,
            is_first=self._name == REGISTRY,
            find_other=self._find_other,
            newest_life=lambda: database.control.read(store.registry.newest_life),
        )
        # The database may have been away at first. Callers wait until it is clear who answers.
        self._problem = None
        self._answerable.clear()
        await standby.wait()
        await database.close()

    def _find_other(self) -> Rival:
        return ActorRival(find_actor(self._other_name), self.node)

    @property
    def _other_name(self) -> str:
        (other,) = set(REGISTRIES) - {self._name}
        return other

    def _start_other(self, node: str) -> None:
        ensure_registry(self._settings, self._other_name, node)

    def _stop_other(self) -> None:
        with suppress(ValueError):  # It has already ended.
            ray.kill(find_actor(self._other_name), no_restart=True)

    async def _step_aside(self, registry: Registry, watch: HostWatch) -> None:
        """Stop when another registry has begun.

        Ray restarts this one, to stand by, only if it is the other one of this cluster: two
        clusters over one database would replace each other for ever.
        """
        await registry.life.ended()
        log.error("registry replaced")
        self._problem = RegistryReplaced("Another registry has taken over.", None, 1.0)
        self._begun.clear()
        watch.close()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await self._server.close()
        while True:
            if await self._other_has_begun():
                os._exit(1)
            await asyncio.sleep(START_RETRY_S)

    async def _other_has_begun(self) -> bool:
        try:
            return await (await asyncio.to_thread(self._find_other)).begun()
        except (ValueError, ConnectionError):
            return False

    async def _publish(self, data_dir: Path) -> None:
        """Record where commands on this machine find this life of the registry."""
        try:
            publish(data_dir, await self._server.address())
        except OSError as error:
            log.warning("registry's address not noted", error=error_kind(error))

    async def _persist(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Retry until it succeeds; until then every caller gets the cause."""
        while True:
            try:
                return await attempt()
            except EverrunsError as problem:
                self._problem = problem
                self._answerable.set()
            await asyncio.sleep(START_RETRY_S)

    def __repr__(self) -> str:
        return describe_actor("registry: database, log and placement")

    @ray.method
    async def data_dir(self) -> str:
        """Return whose registry this is: its data directory, whether or not it could be opened."""
        return str(self._own.data_dir)

    @ray.method
    async def begun(self) -> bool:
        """Return whether this registry answers; one that stands by waits a moment to take over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_WITHIN_S):
                await self._begun.wait()
        return self._begun.is_set()

    async def targets(self) -> Mapping[str, object]:
        """Return the registry and its parts, once it is open."""
        await self._answerable.wait()
        if self._problem is not None:
            raise self._problem
        return self._targets


def _reserved_cpus(settings: Settings) -> float:
    """Return how many CPUs a session actor reserves: none in a cluster of the server's own."""
    if settings.session_actor_cpus is not None:
        return settings.session_actor_cpus
    return 0.0 if is_own_cluster() else JOINED_CLUSTER_CPUS


def _open_store(settings: Settings) -> Store:
    # The database takes a second to import, and Ray imports this module in every process that
    # finds the registry.
    from everruns.storage.opening import open_configured_store  # noqa: PLC0415

    if not settings.archive:
        delete_archive(settings.data_dir)
    return open_configured_store(settings.data_dir, settings.encryption_key, settings.database_url)


def ensure_registry(settings: dict[str, Any], name: str = REGISTRY, node: str | None = None) -> Any:
    """Return a registry of the cluster, started if it is not there.

    Args:
        settings: The deployment's settings without secrets.
        name: Which of the two.
        node: Where to start it, if it can be; Ray chooses unless this is given.
    """
    actor = detached(
        RegistryActor,
        name,
        max_restarts=-1,
        # With the data directory, unless the database is a server.
        resources=HEAD_NODE if load_settings(**settings).database_url is None else None,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True) if node else None,
        max_concurrency=MAX_CONCURRENCY,
        get_if_exists=True,
    )
    return actor.remote(settings)


async def _session_actors_up() -> Collection[str]:
    surroundings = await asyncio.to_thread(look)
    return surroundings.session_actors.keys()
