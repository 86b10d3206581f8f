"""The store behind an event loop: many readers, one writer, and a separate path for appends."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from everruns.domain.idempotency import Idempotency
from everruns.errors import IdempotencyKeyReused, StoreOverloaded
from everruns.storage.logs import Append, Verdict
from everruns.storage.receipts import Receipt
from everruns.storage.store import Store

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

READERS = 2
MAX_WAITING = 2_000


class Database:
    """Runs a store's calls in threads, writes one after another.

    Attributes:
        store: The store; its methods are passed to ``read`` and ``write``.
        keyed_requests: Held while a request with an ``Idempotency-Key`` is looked up and carried
            out, so that two requests with one key cannot both find nothing.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.keyed_requests = asyncio.Lock()
        self._readers = ThreadPoolExecutor(READERS, "store-reader")
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._appender = ThreadPoolExecutor(1, "store-appender")
        self._waiting = 0

    async def read(
        self,
        call: Callable[Arguments, Answer],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Answer:
        """Run a call that only reads.

        Raises:
            StoreOverloaded: Too many calls are waiting.
        """
        return await self._unless_overloaded(self._readers, lambda: call(*args, **kwargs))

    async def write(
        self,
        call: Callable[Arguments, Answer],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Answer:
        """Run a call that writes, after all earlier writes.

        Raises:
            StoreOverloaded: Too many calls are waiting.
        """
        return await self._unless_overloaded(self._writer, lambda: call(*args, **kwargs))

    async def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store appends; see ``Store.append``. They do not wait for other writes.

        ``EventLog`` bounds how many there are.
        """
        return await _run(self._appender, lambda: self.store.logs.append(appends))

    async def _unless_overloaded(
        self, threads: ThreadPoolExecutor, call: Callable[[], Answer]
    ) -> Answer:
        if self._waiting >= MAX_WAITING:
            raise StoreOverloaded("The database is overloaded. Try again shortly.", None, 1.0)
        self._waiting += 1
        try:
            return await _run(threads, call)
        finally:
            self._waiting -= 1

    async def earlier_answer(self, idempotency: Idempotency | None) -> bytes | None:
        """Return the earlier answer to this key, or ``None`` for a new key.

        Raises:
            IdempotencyKeyReused: The key was used with a different body.
        """
        if idempotency is None or idempotency.is_new:
            return None
        receipt = await self.read(self.store.receipts.find, idempotency.key)
        if receipt is None:
            return None
        if receipt.request != idempotency.request:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used with a different request body. Use a new key."
            )
        return receipt.answer

    async def close(self) -> None:
        """Wait for running writes, then close the store."""
        await _run(self._appender, lambda: None)
        await _run(self._writer, self.store.close)
        self._writer.shutdown(wait=False)
        self._appender.shutdown(wait=False)
        self._readers.shutdown(wait=False)


async def _run(threads: ThreadPoolExecutor, call: Callable[[], Answer]) -> Answer:
    return await asyncio.get_running_loop().run_in_executor(threads, call)


def receipt_of(idempotency: Idempotency | None, answer: str, resource_id: str) -> Receipt | None:
    """Return the receipt of a request that is being answered."""
    if idempotency is None:
        return None
    return Receipt(idempotency.key, idempotency.request, answer.encode(), resource_id)
