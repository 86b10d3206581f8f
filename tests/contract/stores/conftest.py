"""The stores that have to do the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.data_directory.opening import open_store
from everruns.storage.duckdb.database import DuckDB
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.memory.store import MemoryStore
from everruns.storage.sql.migrate import migrate
from everruns.storage.sql.store import SqlStore
from everruns.storage.store import Store


@pytest.fixture(params=["memory", "duckdb", "sql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = _open(request.param, tmp_path)
    yield store
    store.close()


def _open(kind: str, folder: Path) -> Store:
    match kind:
        case "memory":
            return MemoryStore()
        case "duckdb":
            return open_store(folder / "data")
        case _:
            # Without a journal, as over a database that needs none.
            engine = duckdb_engine(str(folder / "database"))
            migrate(engine)
            return SqlStore(DuckDB(engine), Cipher(bytes(32)))
