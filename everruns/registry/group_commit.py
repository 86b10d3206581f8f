"""Group commit: many entries, one transaction.

While one commit is under way, the entries that arrive wait; the next commit takes them all. Under
load, batches grow by themselves; a lone entry does not wait. A session host merges the
appends of its sessions this way into one call to the registry, and the registry merges the calls
of all hosts into one transaction of the store. So it does with sessions that are created.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

from everruns.errors import EverrunsError, StoreOverloaded, StoreUnavailable
from everruns.log import no_ids
from everruns.storage.logs import Verdict

Entry = TypeVar("Entry")

MAX_WAITING = 10_000
MAX_BATCH = 512

log = structlog.get_logger(__name__)


class GroupCommit(Generic[Entry]):
    """Stores entries in batches; each caller learns only its own verdicts.

    Args:
        commit: Stores a batch, in order, and returns one verdict per entry. An exception
            becomes the verdict of the whole batch.
        what: The entries, for messages.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Entry]], Awaitable[Sequence[Verdict]]],
        what: str = "events",
    ) -> None:
        self._commit = commit
        self._what = what
        self._waiting: list[tuple[Entry, asyncio.Future[Verdict]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def append(self, entry: Entry) -> None:
        """Store one entry and return when it is durable.

        Raises:
            PlacedElsewhere: Another host holds the session.
            SequenceConflict: Another host appended first. The caller no longer owns the session.
            SessionNotFound: The session was deleted.
            StoreUnavailable: Nothing is known to be stored. Retry with the same arguments.
            StoreOverloaded: Too many entries are waiting.
        """
        (verdict,) = await self.append_all([entry])
        if verdict is not None:
            raise verdict

    async def append_all(self, entries: Sequence[Entry]) -> list[Verdict]:
        """Store several entries and return the verdict of each.

        Raises:
            StoreOverloaded: Too many entries are waiting.
        """
        if len(self._waiting) + len(entries) > MAX_WAITING:
            raise StoreOverloaded(
                f"Too many {self._what} are waiting to be stored. Try again shortly.", None, 1.0
            )
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Verdict]] = [loop.create_future() for _ in entries]
        self._waiting.extend(zip(entries, futures, strict=True))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), context=no_ids())
        return list(await asyncio.gather(*futures))

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            verdicts = await self._verdicts([entry for entry, _ in batch])
            for (_, future), verdict in zip(batch, verdicts, strict=True):
                if not future.done():
                    future.set_result(verdict)

    async def _verdicts(self, entries: Sequence[Entry]) -> Sequence[Verdict]:
        commit = asyncio.ensure_future(self._commit(entries))
        # Whatever fails, the callers learn of it and the next batch proceeds.
        await asyncio.wait([commit])
        error = commit.exception()
        if error is None:
            return commit.result()
        if not isinstance(error, EverrunsError):
            log.error("commit failed", exc_info=error)
            error = StoreUnavailable(f"The {self._what} could not be stored. Try again shortly.")
        return [error] * len(entries)
