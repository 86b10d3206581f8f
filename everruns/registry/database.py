"""The store behind an event loop: lanes of calls that cannot delay each other, and appends."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

from everruns.domain.idempotency import Idempotency
from everruns.errors import IdempotencyKeyReused, StoreOverloaded
from everruns.storage.logs import Append, Verdict
from everruns.storage.receipts import Receipt
from everruns.storage.store import Store

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class Lane:
    """Calls of one kind, with threads and a bound of their own.

    Reads run concurrently, writes one after another.

    Args:
        name: What is in it, in the plural; for messages and the names of threads.
        readers: How many reads run at a time.
        max_calls: How many calls may run or wait.
    """

    def __init__(self, name: str, readers: int, max_calls: int) -> None:
        self._name = name
        self._max_calls = max_calls
        self._calls = 0
        prefix = f"store-{name.replace(' ', '-')}"
        self._readers = ThreadPoolExecutor(readers, f"{prefix}-reader")
        self._writer = ThreadPoolExecutor(1, f"{prefix}-writer")

    async def read(
        self,
        call: Callable[Arguments, Answer],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Answer:
        """Run a call that others need not wait for.

        It reads, takes a session, or stores something new that nothing else is about yet.

        Raises:
            StoreOverloaded: The lane is full.
        """
        return await self._run(self._readers, lambda: call(*args, **kwargs))

    async def write(
        self,
        call: Callable[Arguments, Answer],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Answer:
        """Run a call that writes, after all earlier writes of the lane.

        Raises:
            StoreOverloaded: The lane is full.
        """
        return await self._run(self._writer, lambda: call(*args, **kwargs))

    async def _run(self, threads: ThreadPoolExecutor, call: Callable[[], Answer]) -> Answer:
        if self._calls >= self._max_calls:
            raise StoreOverloaded(
                f"The server is busy with too many {self._name}. Try again shortly.", None, 1.0
            )
        self._calls += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, call)
        finally:
            self._calls -= 1

    async def settle(self) -> None:
        """Return when all writes up to now are done."""
        await asyncio.get_running_loop().run_in_executor(self._writer, lambda: None)

    def close(self) -> None:
        """Take no more calls."""
        self._readers.shutdown(wait=False)
        self._writer.shutdown(wait=False)


class Database:
    """Runs a store's calls in threads.

    Attributes:
        store: The store; its methods are passed to ``read`` and ``write`` of a lane.
        control: What sessions, turns and changes of resources wait for: small calls.
        bulk: Lists, messages and pages of events, which may read a lot.
        files: The files of workspaces, and what deletes them.
        history: What is copied of all sessions for the archive.
        forks: Copies of the logs of forks, which may take seconds.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.control = Lane("requests", readers=store.reads_at_once, max_calls=2_000)
        self.bulk = Lane("lists and pages", readers=2, max_calls=256)
        self.files = Lane("file operations", readers=1, max_calls=256)
        self.history = Lane("reads of all sessions", readers=1, max_calls=16)
        self.forks = Lane("forks", readers=1, max_calls=64)
        self._keyed: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._appender = ThreadPoolExecutor(1, "store-appender")

    def keyed(self, key: str) -> asyncio.Lock:
        """Return what is held while a request with this ``Idempotency-Key`` is carried out.

        Two requests with one key cannot both find that it is new; others do not wait for them.
        """
        return self._keyed.setdefault(key, asyncio.Lock())

    async def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Store appends; see ``LogStore.append``. They wait for no lane.

        ``GroupCommit`` bounds how many there are.
        """
        call = self.store.logs.append
        return await asyncio.get_running_loop().run_in_executor(self._appender, call, appends)

    async def earlier_answer(self, idempotency: Idempotency | None) -> bytes | None:
        """Return the earlier answer to this key, or ``None`` for a new key.

        Raises:
            IdempotencyKeyReused: The key was used with a different body.
        """
        if idempotency is None or idempotency.is_new:
            return None
        receipt = await self.control.read(self.store.receipts.find, idempotency.key)
        if receipt is None:
            return None
        if receipt.request != idempotency.request:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used with a different request body. Use a new key."
            )
        return receipt.answer

    async def close(self) -> None:
        """Wait for running writes, then close the store."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._appender, lambda: None)
        lanes = (self.control, self.bulk, self.files, self.history, self.forks)
        await asyncio.gather(*(lane.settle() for lane in lanes))
        await loop.run_in_executor(self._appender, self.store.close)
        for lane in lanes:
            lane.close()
        self._appender.shutdown(wait=False)


def receipt_of(idempotency: Idempotency | None, answer: str, resource_id: str) -> Receipt | None:
    """Return the receipt of a request that is being answered."""
    if idempotency is None:
        return None
    return Receipt(idempotency.key, idempotency.request, answer.encode(), resource_id)
