"""The session actor: a session host in its own process."""

import asyncio
from collections.abc import Mapping
from typing import Any

import ray
import structlog

from actors.calls.rpc_actor import RpcActor
from actors.local_model import local_model
from actors.processes import collect_rarely
from actors.stubs import own_logs, remote_registry
from everruns.capabilities.registry import load_capabilities
from everruns.errors import EverrunsError, HostLost
from everruns.log import configure_log
from everruns.registry.registry import Registry
from everruns.runtime.host import SessionHost
from everruns.runtime.loading import OwnLoading
from everruns.settings_loading import load_settings

log = structlog.get_logger(__name__)


class SessionActor(RpcActor):
    """Holds live sessions and runs their turns.

    Named ``session-actor-<n>``, and restarted by Ray when it dies. The registry watches it (see
    ``HostWatch``): the sessions of an earlier life are placed again and resumed.

    Args:
        name: The actor's own name.
        settings: The deployment's settings, without secrets.
    """

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        own = load_settings(**settings)
        super().__init__(own.node_port_range)
        configure_log()
        logs = own_logs(own)
        registry = remote_registry(logs)
        self._host = SessionHost(
            name,
            registry,
            load_capabilities(),
            own,
            local_model,
            ray.get_runtime_context().get_node_id(),
            self.own_address,
            OwnLoading(registry.hosting, logs) if logs else None,
        )
        collect_rarely()
        self._meeting = asyncio.ensure_future(_meet(registry))
        self._tidying = asyncio.ensure_future(self._host.tidy())

    async def targets(self) -> Mapping[str, object]:
        """Return the host."""
        return {"host": self._host}


async def _meet(registry: Registry) -> None:
    """Connect to the registry at once: when it is needed, Ray may not be there to find it."""
    while True:
        try:
            await registry.ready()
        except HostLost:
            continue  # It has been looked for as long as every call looks for it.
        except EverrunsError as error:
            log.info("registry is not ready", code=error.code)
        return
