"""Stubs of what the actors of a cluster hold."""

import asyncio
from weakref import WeakKeyDictionary

from actors.calls.registry_stub import PATIENCE_S, registry_stub
from actors.calls.rpc_actor import channel_to
from actors.calls.stub import stub
from actors.names import REGISTRY, find_actor
from everruns.registry.registry import Registry
from everruns.runtime.host import SessionHost

# Connections to hosts belong to the event loop they were made on.
_hosts: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SessionHost]] = WeakKeyDictionary()


def remote_registry() -> Registry:
    """Return the registry's stub."""
    return registry_stub(channel_to(lambda: find_actor(REGISTRY), PATIENCE_S))


async def find_host(name: str) -> SessionHost:
    """Return a session host's stub; its calls raise ``HostLost`` if there is no such host."""
    hosts = _hosts.setdefault(asyncio.get_running_loop(), {})
    if name not in hosts:
        hosts[name] = stub(SessionHost, channel_to(lambda: find_actor(name)), "host")
    return hosts[name]
