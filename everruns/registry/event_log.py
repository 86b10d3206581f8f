"""Group commit: many appends, one transaction.

While one commit is under way, the appends that arrive wait; the next commit takes them all. Under
load batches grow by themselves; an append alone waits for nobody. A session host merges the
appends of its sessions this way into one call to the registry, and the registry merges the calls
of all hosts into one transaction of the store.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from everruns.errors import EverrunsError, Overloaded, StoreUnavailable
from everruns.storage.base import Append, Verdict

Commit = Callable[[Sequence[Append]], Awaitable[Sequence[Verdict]]]

MAX_WAITING = 10_000
MAX_BATCH = 512

log = structlog.get_logger(__name__)


class EventLog:
    """Stores appends in batches, each caller learning only of its own.

    Args:
        commit: Stores a batch, in order, and returns one verdict an append. What it raises
            becomes the verdict of the whole batch.
    """

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._waiting: list[tuple[Append, asyncio.Future[Verdict]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def append(self, append: Append) -> None:
        """Store one append and return when it is durable.

        Raises:
            SequenceConflict: Someone else appended first. The caller no longer owns the session.
            SessionNotFound: The session was deleted.
            StoreUnavailable: Nothing is known to be stored. Retry with the same arguments.
            Overloaded: Too many appends are waiting.
        """
        (verdict,) = await self.append_all([append])
        if verdict is not None:
            raise verdict

    async def append_all(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store several appends and return the verdict of each.

        Raises:
            Overloaded: Too many appends are waiting.
        """
        if len(self._waiting) + len(appends) > MAX_WAITING:
            raise Overloaded("The event log is busy. Try again shortly.", None, 1.0)
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

    async def _verdicts(self, appends: Sequence[Append]) -> Sequence[Verdict]:
        commit = asyncio.ensure_future(self._commit(appends))
        # Whatever goes wrong, the callers learn of it and the next batch has its turn.
        await asyncio.wait([commit])
        error = commit.exception()
        if error is None:
            return commit.result()
        if not isinstance(error, EverrunsError):
            log.error("commit failed", exc_info=error)
            error = StoreUnavailable("The event log could not be written. Try again shortly.")
        return [error] * len(appends)
