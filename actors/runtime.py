"""The runtime on a cluster: the same runtime, with actors for hosts and registry."""

from typing import Any

from actors.cluster import remote_host, remote_registry
from actors.registry import start_registry
from everruns.errors import HostLost
from everruns.runtime.host import SessionHost
from everruns.runtime.runtime import Runtime


class RayRuntime(Runtime):
    """Sessions in session actors, found through the registry actor.

    Args:
        settings: The deployment's settings, without secrets. They count when the cluster has no
            registry yet: this starts it.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        start_registry(settings)
        super().__init__(remote_registry(), _find_host)


_hosts: dict[str, SessionHost] = {}


async def _find_host(name: str) -> SessionHost:
    if name not in _hosts:
        try:
            _hosts[name] = remote_host(name)
        except ValueError as error:
            raise HostLost("The session's host has gone. Try again shortly.", None, 1.0) from error
    return _hosts[name]
