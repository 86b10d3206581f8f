"""Stubs of what the actors of a cluster hold."""

import asyncio
from weakref import WeakKeyDictionary

from actors.calls.registry_stub import PATIENCE_S, registry_stub
from actors.calls.rpc_actor import ActorChannel
from actors.calls.stub import stub
from actors.names import find_actor, find_registry
from everruns.address import Address
from everruns.registry.database import Database
from everruns.registry.logs import Logs
from everruns.registry.registry import Registry
from everruns.runtime.host import SessionHost
from everruns.settings import Settings
from everruns.telemetry.meters import Meters

# Connections to hosts belong to the event loop they were made on.
_hosts: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, ActorChannel]] = WeakKeyDictionary()


def remote_registry(logs: Logs | None = None, patience_s: float = PATIENCE_S) -> Registry:
    """Return the registry's stub.

    Args:
        logs: This process's own; see ``own_logs``.
        patience_s: Seconds for which the registry may be unavailable; see ``stub``.
    """
    return registry_stub(ActorChannel(find_registry, patience_s), patience_s, logs)


def own_logs(settings: Settings, meters: Meters | None = None) -> Logs | None:
    """Return logs for this process alone, unless only the registry can have the store open.

    Args:
        settings: The deployment's settings.
        meters: Count appends.

    Raises:
        InvalidRequest: The address of the database is malformed.
    """
    if settings.database_url is None:
        return None
    from everruns.storage.postgres.joining import join_postgres  # noqa: PLC0415

    return Logs(Database(join_postgres(settings.database_url)), meters)


async def find_host(name: str) -> SessionHost:
    """Return a session host's stub; its calls raise ``HostLost`` if there is no such host."""
    return stub(SessionHost, _channel_to_host(name), "host")


def meet_host(name: str, address: Address) -> None:
    """Take note of a session host's address, where it is looked for before Ray is asked."""
    _channel_to_host(name).address = address


def _channel_to_host(name: str) -> ActorChannel:
    hosts = _hosts.setdefault(asyncio.get_running_loop(), {})
    if name not in hosts:
        hosts[name] = ActorChannel(lambda: find_actor(name))
    return hosts[name]
