"""The runtime on a cluster, with actors for hosts and registry."""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

import ray

from actors.names import NAMESPACE, REGISTRY, remote_host, remote_registry
from everruns.runtime.host import SessionHost
from everruns.runtime.runtime import Runtime


def ensure_registry(settings: dict[str, Any]) -> Any:
    """Return the registry's actor, started if the cluster has none."""
    try:
        return ray.get_actor(REGISTRY, namespace=NAMESPACE)
    except ValueError:
        # Only here, since it imports this module.
        from actors.registry import start_registry  # noqa: PLC0415

        return start_registry(settings)


class RayRuntime(Runtime):
    """Sessions in session actors, found through the registry actor.

    Args:
        settings: The deployment's settings, without secrets. They apply if the cluster has no
            registry yet, because then this runtime starts it.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        ensure_registry(settings)
        super().__init__(remote_registry(), find_host)


# Connections to hosts belong to the event loop they were made on.
_hosts: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SessionHost]] = WeakKeyDictionary()


async def find_host(name: str) -> SessionHost:
    """Return a session host's proxy; its calls raise ``HostLost`` if there is no such host."""
    hosts = _hosts.setdefault(asyncio.get_running_loop(), {})
    if name not in hosts:
        hosts[name] = remote_host(name)
    return hosts[name]
