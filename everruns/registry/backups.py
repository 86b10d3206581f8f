"""Backups: copies of the data directory, written while the server works."""

import asyncio
from pathlib import Path

from everruns.errors import Conflict
from everruns.registry.database import Database
from everruns.remote import CALL_TIMEOUT_S, Repeat, remote

LONGEST_WAIT_S = 30.0


class Backups:
    """Writes one backup at a time.

    Args:
        database: What is copied.
    """

    def __init__(self, database: Database) -> None:
        self._store = database.store
        self._writing: asyncio.Task[None] | None = None

    @remote(Repeat.NO)
    async def begin(self, target: Path) -> None:
        """Begin to write a copy of everything that was acknowledged until now.

        Args:
            target: The file to write, on this machine.

        Raises:
            Conflict: Another backup is being written.
        """
        if self._writing is not None and not self._writing.done():
            raise Conflict("Another backup is being written. Try again when it is done.")
        self._writing = asyncio.create_task(asyncio.to_thread(self._store.copy_to, target))

    @remote(Repeat.YES, timeout_s=LONGEST_WAIT_S + CALL_TIMEOUT_S)
    async def is_done(self, wait_s: float) -> bool:
        """Return whether the backup that was begun last is complete, waiting a while for it.

        Args:
            wait_s: Seconds to wait.

        Raises:
            Conflict: None was begun; this registry may have been started anew meanwhile.
            StoreUnavailable: It could not be written.
        """
        if self._writing is None:
            raise Conflict("No backup has been begun. The server was restarted; begin again.")
        done, _ = await asyncio.wait({self._writing}, timeout=min(wait_s, LONGEST_WAIT_S))
        if done:
            self._writing.result()
        return bool(done)
