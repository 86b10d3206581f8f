"""Receipts of requests with an ``Idempotency-Key`` are kept for a week."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from everruns.domain.agents import Agent
from everruns.errors import StoreUnavailable
from everruns.ids import now_ms
from everruns.registry import receipts
from everruns.registry.database import Database
from everruns.registry.receipts import KEPT_MS, Receipts
from everruns.storage.memory.store import MemoryStore
from everruns.storage.receipts import Receipt
from tests.waiting import eventually

TIME = "2026-01-01T00:00:00.000Z"


def store(database: Database) -> None:
    agent = Agent(id="agent_1", name="a", harness_id="h", created_at=TIME, updated_at=TIME)
    database.store.agents.put(agent, Receipt("key", "request", b"{}"))


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    database = Database(MemoryStore())
    store(database)
    yield database
    await database.close()


async def test_they_are_forgotten_after_that(database: Database):
    kept = Receipts(database)

    await kept.forget_old(now_ms() + KEPT_MS - 60_000)
    assert database.store.receipts.find("key") is not None
    await kept.forget_old(now_ms() + KEPT_MS + 60_000)
    assert database.store.receipts.find("key") is None


async def test_the_registry_does_so_by_the_clock_again_and_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    now = now_ms()
    monkeypatch.setattr(receipts, "INTERVAL_S", 0.001)
    monkeypatch.setattr(receipts, "now_ms", lambda: now)
    running = asyncio.create_task(Receipts(database).run())

    now += KEPT_MS + 60_000
    await eventually(lambda: database.store.receipts.find("key") is None)
    store(database)
    now += KEPT_MS
    await eventually(lambda: database.store.receipts.find("key") is None)

    running.cancel()
    await asyncio.wait({running})


async def test_a_store_that_does_not_answer_is_asked_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(receipts, "INTERVAL_S", 0.001)
    forget = database.store.receipts.forget
    attempts: list[int] = []

    def fail_first(before_ms: int) -> None:
        attempts.append(before_ms)
        if len(attempts) == 1:
            raise StoreUnavailable("The disk is full")
        forget(now_ms() + 1)

    monkeypatch.setattr(database.store.receipts, "forget", fail_first)
    running = asyncio.create_task(Receipts(database).run())

    await eventually(lambda: database.store.receipts.find("key") is None)

    running.cancel()
    await asyncio.wait({running})
