"""The stores that have to do the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from everruns.storage.memory.store import MemoryStore
from everruns.storage.store import Store
from tests.data_directories import open_new_store
from tests.postgres import postgres_store


@pytest.fixture(params=["memory", "duckdb", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    match request.param:
        case "postgresql":
            with postgres_store() as store:
                yield store
            return
        case "duckdb":
            store = open_new_store(tmp_path / "data")
        case _:
            store = MemoryStore()
    yield store
    store.close()
