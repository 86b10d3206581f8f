"""Group commit: many appends, one transaction.

While one commit is under way, the appends that arrive wait; the next commit takes them all. Under
load, batches grow by themselves; a lone append does not wait. A session host merges the
appends of its sessions this way into one call to the registry, and the registry merges the calls
of all hosts into one transaction of the store.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

from everruns.errors import EverrunsError, StoreOverloaded, StoreUnavailable
from everruns.storage.logs import Verdict

Entry = TypeVar("Entry")

MAX_WAITING = 10_000
MAX_BATCH = 512

log = structlog.get_logger(__name__)


class GroupCommit(Generic[Entry]):
    """Stores appends in batches; each caller learns only its own verdicts.

    Args:
        commit: Stores a batch, in order, and returns one verdict per append. An exception
            becomes the verdict of the whole batch.
    """

    def __init__(self, commit: Callable[[Sequence[Entry]], Awaitable[Sequence[Verdict]]]) -> None:
        self._commit = commit
        self._waiting: list[tuple[Entry, asyncio.Future[Verdict]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def append(self, append: Entry) -> None:
        """Store one append and return when it is durable.

        Raises:
            PlacedElsewhere: Another host holds the session.
            SequenceConflict: Another host appended first. The caller no longer owns the session.
            SessionNotFound: The session was deleted.
            StoreUnavailable: Nothing is known to be stored. Retry with the same arguments.
            StoreOverloaded: Too many appends are waiting.
        """
        (verdict,) = await self.append_all([append])
        if verdict is not None:
            raise verdict

    async def append_all(self, appends: Sequence[Entry]) -> list[Verdict]:
        """Store several appends and return the verdict of each.

        Raises:
            StoreOverloaded: Too many appends are waiting.
        """
        if len(self._waiting) + len(appends) > MAX_WAITING:
            raise StoreOverloaded("The event log is busy. Try again shortly.", None, 1.0)
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Verdict]] = [loop.create_future() for _ in appends]
        self._waiting.extend(zip(appends, futures, strict=True))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return list(await asyncio.gather(*futures))

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            verdicts = await self._verdicts([append for append, _ in batch])
            for (_, future), verdict in zip(batch, verdicts, strict=True):
                if not future.done():
                    future.set_result(verdict)

    async def _verdicts(self, appends: Sequence[Entry]) -> Sequence[Verdict]:
        commit = asyncio.ensure_future(self._commit(appends))
        # Whatever fails, the callers learn of it and the next batch proceeds.
        await asyncio.wait([commit])
        error = commit.exception()
        if error is None:
            return commit.result()
        if not isinstance(error, EverrunsError):
            log.error("commit failed", exc_info=error)
            error = StoreUnavailable("The event log could not be written. Try again shortly.")
        return [error] * len(appends)
