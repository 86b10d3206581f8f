"""The store as an event loop uses it."""

import asyncio
import threading

import pytest

from everruns.domain.idempotency import Idempotency
from everruns.errors import IdempotencyKeyReused, StoreOverloaded
from everruns.registry import database as module
from everruns.registry.database import Database, receipt_of
from everruns.storage.memory.store import MemoryStore


@pytest.fixture
async def database():
    database = Database(MemoryStore())
    yield database
    await database.close()


async def test_writes_run_one_after_another_in_order(database: Database):
    order: list[int] = []
    inside = threading.Lock()

    def write(number: int) -> None:
        assert inside.acquire(blocking=False), "two writes at once"
        order.append(number)
        inside.release()

    await asyncio.gather(*(database.write(write, number) for number in range(50)))
    assert order == list(range(50))


async def test_a_read_does_not_wait_for_a_write(database: Database):
    released = threading.Event()
    writing = asyncio.create_task(database.write(released.wait, 10))
    assert await database.read(lambda: "read") == "read"
    assert not writing.done()
    released.set()
    assert await writing


async def test_errors_of_the_store_reach_the_caller(database: Database):
    def fail() -> None:
        raise LookupError("from the store")

    for run in (database.read, database.write):
        with pytest.raises(LookupError, match="from the store"):
            await run(fail)


async def test_appends_and_the_end_do_not_wait_for_room_among_reads_and_writes(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    database = Database(MemoryStore())
    released = threading.Event()
    reading = asyncio.create_task(database.read(released.wait, 10))
    await asyncio.sleep(0)
    with pytest.raises(StoreOverloaded):
        await database.write(database.store.ping)
    assert await database.append([]) == []
    closing = asyncio.create_task(database.close())
    released.set()
    assert await reading
    await closing


async def test_an_earlier_answer_is_found_by_key_and_request(database: Database):
    asked = Idempotency("key", "request")
    assert await database.earlier_answer(None) is None
    assert await database.earlier_answer(asked) is None
    database.store.contents.remember(receipt_of(asked, "answer", "session_1"))
    assert await database.earlier_answer(asked) == b"answer"
    with pytest.raises(IdempotencyKeyReused):
        await database.earlier_answer(Idempotency("key", "another"))
