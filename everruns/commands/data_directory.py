"""How commands reach what a data directory holds, whether or not its server is running."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from everruns.errors import Conflict, HostLost
from everruns.settings import Settings
from everruns.settings_loading import load_settings
from everruns.storage.data_directory.lock import lock_data_directory

if TYPE_CHECKING:
    # Importing them takes half a second, which commands that need none of them do not wait.
    from everruns.registry.backups import Backups
    from everruns.registry.history import History
    from everruns.registry.keys import ApiKeys

# How long to wait for a server that is starting.
SERVER_TIMEOUT_S = 15.0
SERVER_POLL_S = 0.2

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Rooms:
    """The parts of the registry that commands use."""

    keys: "ApiKeys"
    backups: "Backups"
    history: "History"


def with_rooms(data_dir: Path | None, use: Callable[[Rooms], Awaitable[Answer]]) -> Answer:
    """Return what a command makes of a data directory's registry.

    Args:
        data_dir: The directory; without it, the one of the settings.
        use: The command.

    Raises:
        Conflict: A process holds the directory but does not answer.
        StoreUnavailable: It cannot be used.
    """
    settings = load_settings(data_dir=data_dir)

    async def call() -> Answer:
        async with AsyncExitStack() as stack:
            return await use(await _reach(settings, stack))

    return asyncio.run(call())


async def _reach(settings: Settings, stack: AsyncExitStack) -> Rooms:
    """Return the rooms of the running server or, without one, of the store."""
    # Ray is not imported: that would take a second.
    from actors.calls.registry_stub import registry_of  # noqa: PLC0415

    deadline = time.monotonic() + SERVER_TIMEOUT_S
    while True:
        try:
            registry = await stack.enter_async_context(registry_of(settings.data_dir))
            return Rooms(registry.keys, registry.backups, registry.history)
        except HostLost as lost:
            try:
                stack.enter_context(lock_data_directory(settings.data_dir))
                break
            except Conflict as held:
                # The server may be starting.
                if time.monotonic() >= deadline:
                    raise Conflict(f"{lost.message} {held.message}") from None
        await asyncio.sleep(SERVER_POLL_S)
    from everruns.registry.backups import Backups  # noqa: PLC0415
    from everruns.registry.database import Database  # noqa: PLC0415
    from everruns.registry.history import History  # noqa: PLC0415
    from everruns.registry.keys import ApiKeys  # noqa: PLC0415
    from everruns.storage.opening import open_configured_store  # noqa: PLC0415

    store = open_configured_store(settings.data_dir, settings.encryption_key, settings.database_url)
    database = Database(store)
    stack.push_async_callback(database.close)
    return Rooms(ApiKeys(database), Backups(database), History(database))
