"""The registry's stub in another process, and how a command calls the registry without Ray."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from actors.calls.direct import DirectConnection
from actors.calls.registry_address import read
from actors.calls.stub import Channel, stub
from everruns.errors import HostLost
from everruns.registry.agents import Agents
from everruns.registry.backups import Backups
from everruns.registry.budgets import Budgets
from everruns.registry.files import Files
from everruns.registry.forks import Forks
from everruns.registry.history import History
from everruns.registry.hosting import Hosting
from everruns.registry.keys import ApiKeys
from everruns.registry.logs import Logs
from everruns.registry.mcp_authorizations import McpAuthorizations
from everruns.registry.mcp_servers import McpServers
from everruns.registry.overview import Overviews
from everruns.registry.providers import Providers
from everruns.registry.registry import Registry
from everruns.registry.sessions import Sessions
from everruns.registry.workspaces import Workspaces

PATIENCE_S = 30.0


def registry_stub(
    channel: Channel, patience_s: float = PATIENCE_S, logs: Logs | None = None
) -> Registry:
    """Return the registry's stub, whose parts are stubs too.

    Args:
        channel: The way to the registry's process.
        patience_s: Seconds for which it may be unavailable; see ``stub``.
        logs: This process's own, if it has the store open.
    """
    registry = stub(Registry, channel, "registry", patience_s)
    registry.agents = stub(Agents, channel, "agents", patience_s)
    registry.providers = stub(Providers, channel, "providers", patience_s)
    registry.mcp_servers = stub(McpServers, channel, "mcp_servers", patience_s)
    registry.mcp_authorizations = stub(McpAuthorizations, channel, "mcp_authorizations", patience_s)
    registry.sessions = stub(Sessions, channel, "sessions", patience_s)
    registry.forks = stub(Forks, channel, "forks", patience_s)
    registry.logs = logs or stub(Logs, channel, "logs", patience_s)
    registry.history = stub(History, channel, "history", patience_s)
    registry.hosting = stub(Hosting, channel, "hosting", patience_s)
    registry.workspaces = stub(Workspaces, channel, "workspaces", patience_s)
    registry.files = stub(Files, channel, "files", patience_s)
    registry.budgets = stub(Budgets, channel, "budgets", patience_s)
    registry.keys = stub(ApiKeys, channel, "keys", patience_s)
    registry.overviews = stub(Overviews, channel, "overviews", patience_s)
    registry.backups = stub(Backups, channel, "backups", patience_s)
    return registry


def registry_targets(registry: Registry) -> dict[str, object]:
    """Return the registry and its parts by the names under which ``registry_stub`` calls them."""
    return {
        "registry": registry,
        "agents": registry.agents,
        "providers": registry.providers,
        "mcp_servers": registry.mcp_servers,
        "mcp_authorizations": registry.mcp_authorizations,
        "sessions": registry.sessions,
        "forks": registry.forks,
        "logs": registry.logs,
        "history": registry.history,
        "hosting": registry.hosting,
        "workspaces": registry.workspaces,
        "files": registry.files,
        "budgets": registry.budgets,
        "keys": registry.keys,
        "overviews": registry.overviews,
        "backups": registry.backups,
    }


@asynccontextmanager
async def registry_of(data_dir: Path) -> AsyncGenerator[Registry]:
    """Call the registry that has this data directory open on this machine.

    Its calls raise ``HostLost`` if the registry goes away in the meantime.

    Raises:
        HostLost: No registry answers.
    """
    try:
        connection = await DirectConnection.connect(read(data_dir))
    except (OSError, ValueError, KeyError) as error:
        raise HostLost(f"No server answers for the data directory {data_dir}.") from error
    try:
        yield registry_stub(SingleConnection(connection), patience_s=0)
    finally:
        connection.close()


class SingleConnection:
    """A channel over one connection, without reconnecting."""

    def __init__(self, connection: DirectConnection) -> None:
        self._connection = connection

    async def call(self, request: bytes, timeout_s: float) -> bytes:
        """Return the other process's answer; see ``Channel.call``."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._connection.call(request)
        except OSError as error:
            raise HostLost("The server has stopped or does not answer.", None, 1.0) from error
