"""The stores that have to do the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from everruns.storage.data_directory.opening import open_store
from everruns.storage.memory.store import MemoryStore
from everruns.storage.store import Store


@pytest.fixture(params=["memory", "duckdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = MemoryStore() if request.param == "memory" else open_store(tmp_path / "data")
    yield store
    store.close()
