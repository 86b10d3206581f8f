"""What DuckDB caches of its file stays small, however much goes through it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from everruns.errors import StoreUnavailable
from everruns.storage.data_directory.opening import DATABASE_FILE, open_store
from everruns.storage.duckdb import engine as engines
from everruns.storage.duckdb import page_cache
from everruns.storage.duckdb.database import DuckDB
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.duckdb.page_cache import PageCache
from tests.waiting import PATIENCE_S, POLL_S

SMALL_MB = 8


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database of which half of what ``fill`` stores may be cached."""
    monkeypatch.setattr(engines, "CACHE_LIMIT", f"{SMALL_MB}MB")
    engine = duckdb_engine(str(tmp_path / DATABASE_FILE))
    yield engine
    engine.dispose()


@pytest.fixture
def database(engine: Engine) -> Iterator[DuckDB]:
    database = DuckDB(engine)
    yield database
    database.close()


def fill(engine: Engine) -> None:
    """Store twice as much as may be cached, which nothing can compress, in the database's file."""
    with engine.connect() as connection:
        rows = f"range({2 * SMALL_MB * 1_000_000 // 8})"
        connection.execute(text(f"CREATE TABLE filling AS SELECT hash(range) FROM {rows}"))
        connection.commit()
        connection.execute(text("CHECKPOINT"))


def held_bytes(engine: Engine) -> int:
    with engine.connect() as connection:
        used = text("SELECT sum(memory_usage_bytes) FROM duckdb_memory()")
        return int(connection.execute(used).scalar_one())


def limit(engine: Engine) -> str:
    with engine.connect() as connection:
        return connection.execute(text("SELECT current_setting('memory_limit')")).scalar_one()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(POLL_S)


def test_pages_are_forgotten_until_few_are_left(engine: Engine, database: DuckDB):
    fill(engine)
    assert held_bytes(engine) > SMALL_MB * 1_000_000
    assert database.trim_cache()
    assert held_bytes(engine) <= SMALL_MB * 1_000_000


def test_queries_have_as_much_memory_as_before(engine: Engine, database: DuckDB):
    usual = limit(engine)
    database.trim_cache()
    assert limit(engine) == usual


def test_queries_have_as_much_memory_as_before_when_too_little_can_be_forgotten(
    engine: Engine, database: DuckDB, monkeypatch: pytest.MonkeyPatch
):
    usual = limit(engine)
    monkeypatch.setattr(engines, "CACHE_LIMIT", "1KB")
    assert database.trim_cache()
    assert limit(engine) == usual


def test_whoever_reads_keeps_its_memory(database: DuckDB):
    with database.reading():
        assert not database.trim_cache()
    assert database.trim_cache()


def test_the_cache_is_trimmed_again_and_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page_cache, "TRIM_EVERY_S", 0.001)
    monkeypatch.setattr(page_cache, "RETRY_S", 0.001)
    trims = 0

    def trim() -> bool:
        nonlocal trims
        trims += 1
        if trims == 1:
            raise StoreUnavailable("The database is busy")
        return trims > 2

    cache = PageCache(trim)
    wait_until(lambda: trims > 3)
    cache.close()


def test_an_open_store_keeps_its_cache_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page_cache, "TRIM_EVERY_S", 0.01)
    monkeypatch.setattr(engines, "CACHE_LIMIT", f"{SMALL_MB}MB")
    store = open_store(tmp_path)
    engine = duckdb_engine(str(tmp_path / DATABASE_FILE))
    fill(engine)
    wait_until(lambda: held_bytes(engine) <= SMALL_MB * 1_000_000)
    engine.dispose()
    store.close()
