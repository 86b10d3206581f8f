"""The runtime in one process, for embedding and for tests: the product needs no cluster."""

import asyncio
from collections.abc import Sequence

from everruns.archive.analyst import Analyst
from everruns.capabilities.base import Capabilities
from everruns.mcp.oauth.client import OAuthClient
from everruns.mcp.probe import Probe
from everruns.providers.local import LocalModel
from everruns.registry.inquiries import Inquiries
from everruns.registry.mcp_inquiries import McpInquiries, McpProbe
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.runtime.host import RELIEF_QUIET_S, SessionHost
from everruns.runtime.reconciler import Reconciler
from everruns.runtime.runtime import Runtime
from everruns.settings import Settings
from everruns.storage.store import Store
from everruns.telemetry.observing import Observer

HOST = "local"


class LocalRuntime(Runtime):
    """The registry and one session host in this process.

    Args:
        store: The store; closed with the runtime.
        settings: The deployment's settings.
        capabilities: All known capabilities.
        local_model: Starts a model on this machine and returns its base URL, if there
            is one.
        mcp_probe: Connects to MCP servers to test them, instead of the client.
        observers: Learn of events once they are stored.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        capabilities: Capabilities,
        local_model: LocalModel | None = None,
        mcp_probe: McpProbe | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        placement = Placement(
            settings.sessions_per_actor,
            warm_hosts=1,
            max_hosts=1,
            bytes_per_host=settings.session_actor_bytes,
        )
        placement.host_started(HOST)
        registry = Registry(
            store,
            capabilities,
            placement,
            Inquiries.of(settings, local_model),
            McpInquiries(mcp_probe or Probe(allow_private=settings.allow_private_addresses)),
            settings.mcp_programs,
            OAuthClient.at(settings.browser_url, allow_private=settings.allow_private_addresses),
        )
        self.host = SessionHost(
            HOST,
            registry,
            capabilities,
            settings,
            local_model,
            observers=observers,
            meters=registry.meters,
        )
        registry.hosting.relieve = lambda _host: self.host.hibernate(RELIEF_QUIET_S)
        self._settings = settings
        self._has_local_model = local_model is not None
        self._tasks: list[asyncio.Task[None]] = []
        super().__init__(registry, self._find_host, Analyst(settings.data_dir, registry.history))

    async def _find_host(self, _name: str) -> SessionHost:
        return self.host

    async def start(self) -> None:
        """Add the providers of a fresh installation and resume open turns."""
        await self.registry.life.begin()
        await self.registry.seed(self._settings, has_local_model=self._has_local_model)
        self._reconciler = Reconciler(self.registry.hosting, self._find_host)
        self._tasks = [
            asyncio.create_task(self._reconciler.run()),
            asyncio.create_task(self.host.tidy()),
            asyncio.create_task(self.registry.receipts.run()),
        ]

    async def close(self) -> None:
        """Stop everything; open turns resume at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._reconciler.close()
        await self.analyst.close()
        await self.host.close()
        await self.registry.close()
