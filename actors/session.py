"""The session actor: a session host in its own process."""

import asyncio
from collections.abc import Mapping
from typing import Any

import ray

from actors.calls.rpc_actor import RpcActor
from actors.local_model import local_model
from actors.processes import collect_rarely
from actors.stubs import remote_registry
from everruns.capabilities.registry import load_capabilities
from everruns.log import configure_log
from everruns.runtime.host import SessionHost
from everruns.settings import load_settings


class SessionActor(RpcActor):
    """Holds live sessions and runs their turns.

    Named ``session-actor-<n>``, and restarted by Ray when it dies. The registry watches it (see
    ``HostWatch``): the sessions of an earlier life are placed again and resumed.

    Args:
        name: The actor's own name.
        settings: The deployment's settings, without secrets.
    """

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        super().__init__()
        configure_log()
        self._host = SessionHost(
            name,
            remote_registry(),
            load_capabilities(),
            load_settings(**settings),
            local_model,
            ray.get_runtime_context().get_node_id(),
        )
        collect_rarely()
        self._tidying = asyncio.ensure_future(self._host.tidy())

    async def targets(self) -> Mapping[str, object]:
        """Return the host."""
        return {"host": self._host}
