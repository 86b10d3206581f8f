"""The registry's proxy in another process, and how a command finds the registry without Ray.

The registry records its address and its secret in its data directory: read access to the data
directory gives full access to the registry.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from actors.calls.direct import Address, DirectConnection
from actors.calls.stub import Line, Remote
from everruns.errors import HostLost
from everruns.registry.agents import Agents
from everruns.registry.backups import Backups
from everruns.registry.budgets import Budgets
from everruns.registry.files import Files
from everruns.registry.hosting import Hosting
from everruns.registry.keys import ApiKeys
from everruns.registry.logs import Logs
from everruns.registry.providers import Providers
from everruns.registry.registry import Registry
from everruns.registry.sessions import Sessions
from everruns.registry.workspaces import Workspaces

PATIENCE_S = 30.0
ADDRESS_FILE = "registry.address"


class RemoteRegistry:
    """The registry's proxy, with one proxy per room.

    Args:
        line: The way to it.
        patience_s: Seconds for which it may be unavailable; see ``Remote``.
    """

    def __init__(self, line: Line, patience_s: float = PATIENCE_S) -> None:
        self.agents = Remote(line, "agents", Agents, patience_s)
        self.providers = Remote(line, "providers", Providers, patience_s)
        self.sessions = Remote(line, "sessions", Sessions, patience_s)
        self.logs = Remote(line, "logs", Logs, patience_s)
        self.hosting = Remote(line, "hosting", Hosting, patience_s)
        self.workspaces = Remote(line, "workspaces", Workspaces, patience_s)
        self.files = Remote(line, "files", Files, patience_s)
        self.budgets = Remote(line, "budgets", Budgets, patience_s)
        self.keys = Remote(line, "keys", ApiKeys, patience_s)
        self.backups = Remote(line, "backups", Backups, patience_s)
        self._registry = Remote(line, "registry", Registry, patience_s)

    def __getattr__(self, method: str) -> Any:
        return getattr(self._registry, method)


@asynccontextmanager
async def registry_of(data_dir: Path) -> AsyncGenerator[Registry]:
    """Call the registry that has this data directory open on this machine.

    Its calls raise ``HostLost`` if the registry goes away in the meantime.

    Raises:
        HostLost: No registry answers.
    """
    try:
        connection = await DirectConnection.connect(_read(data_dir / ADDRESS_FILE))
    except (OSError, ValueError, KeyError) as error:
        raise HostLost(f"No server answers for the data directory {data_dir}.") from error
    try:
        line = ConnectedLine(connection)
        yield cast("Registry", RemoteRegistry(line, patience_s=0))
    finally:
        connection.close()


class ConnectedLine:
    """A line over a single connection, without reconnecting."""

    def __init__(self, connection: DirectConnection) -> None:
        self._connection = connection

    async def call(self, request: bytes, timeout_s: float) -> bytes:
        """Return the other process's answer; see ``Line.call``."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._connection.call(request)
        except OSError as error:
            raise HostLost("The server has stopped or does not answer.", None, 1.0) from error


def publish(data_dir: Path, address: Address) -> None:
    """Record the address of a data directory's registry, replacing that of an earlier life."""
    content = json.dumps({"socket": str(address.path), "secret": address.secret.hex()})
    path = data_dir / ADDRESS_FILE
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    new.replace(path)


def withdraw(data_dir: Path) -> None:
    """Delete the recorded address of a data directory's registry."""
    (data_dir / ADDRESS_FILE).unlink(missing_ok=True)


def _read(path: Path) -> Address:
    noted = json.loads(path.read_text())
    return Address(Path(noted["socket"]), bytes.fromhex(noted["secret"]))
