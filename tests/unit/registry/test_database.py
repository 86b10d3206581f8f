"""The store as an event loop uses it."""

import asyncio
import threading

import pytest

from everruns.domain.idempotency import Idempotency
from everruns.errors import IdempotencyKeyReused, StoreOverloaded
from everruns.registry.database import Database, Lane, receipt_of
from everruns.storage.memory.store import MemoryStore
from tests.waiting import PATIENCE_S


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

    await asyncio.gather(*(database.control.write(write, number) for number in range(50)))
    assert order == list(range(50))


async def test_a_read_does_not_wait_for_a_write(database: Database):
    released = threading.Event()
    writing = asyncio.create_task(database.control.write(released.wait, 10))
    assert await database.control.read(lambda: "read") == "read"
    assert not writing.done()
    released.set()
    assert await writing


async def test_errors_of_the_store_reach_the_caller(database: Database):
    def fail() -> None:
        raise LookupError("from the store")

    for run in (database.control.read, database.control.write):
        with pytest.raises(LookupError, match="from the store"):
            await run(fail)


@pytest.fixture
async def lane():
    lane = Lane("letters", readers=1, max_calls=2)
    yield lane
    lane.close()


async def test_a_full_lane_refuses_calls_and_says_what_it_is_full_of(lane: Lane):
    released = threading.Event()
    waiting = [asyncio.create_task(lane.read(released.wait, 10)) for _ in range(2)]
    await asyncio.sleep(0)
    for call in (lane.read, lane.write):
        with pytest.raises(StoreOverloaded, match="too many letters") as refused:
            await call(lambda: "never")
        assert refused.value.retry_after_s == 1.0
    released.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await lane.read(lambda: "read") == "read"


@pytest.mark.parametrize("busy", ["bulk", "files"])
async def test_no_lane_and_no_append_waits_for_a_lane_that_is_full(database: Database, busy: str):
    released = threading.Event()
    lane: Lane = getattr(database, busy)
    held = [
        asyncio.create_task(call(released.wait, PATIENCE_S))
        for call in (lane.read, lane.write)
        for _ in range(8)
    ]
    await asyncio.sleep(0)
    assert await database.control.read(lambda: "read") == "read"
    assert await database.control.write(lambda: "written") == "written"
    assert await database.append([]) == []
    assert not any(call.done() for call in held)
    released.set()
    await asyncio.gather(*held)


async def test_the_store_is_closed_after_the_writes_that_are_under_way(
    monkeypatch: pytest.MonkeyPatch,
):
    database = Database(MemoryStore())
    done: list[str] = []
    monkeypatch.setattr(database.store, "close", lambda: done.append("closed"))
    released = threading.Event()

    def write(what: str) -> None:
        released.wait(PATIENCE_S)
        done.append(what)

    writing = [
        asyncio.create_task(lane.write(write, "written"))
        for lane in (database.control, database.files)
    ]
    await asyncio.sleep(0)
    closing = asyncio.create_task(database.close())
    released.set()
    await asyncio.gather(*writing, closing)
    assert done == ["written", "written", "closed"]


async def test_an_earlier_answer_is_found_by_key_and_request(database: Database):
    asked = Idempotency("key", "request")
    assert await database.earlier_answer(None) is None
    assert await database.earlier_answer(asked) is None
    database.store.contents.remember(receipt_of(asked, "answer", "session_1"))
    assert await database.earlier_answer(asked) == b"answer"
    with pytest.raises(IdempotencyKeyReused):
        await database.earlier_answer(Idempotency("key", "another"))
