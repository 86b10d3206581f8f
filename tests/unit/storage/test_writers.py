"""Who writes to DuckDB, and when: one at a time, in the order in which they came."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import text

from everruns.storage.data_directory.opening import open_store
from everruns.storage.duckdb.database import DuckDB
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.duckdb.queue import Queue
from everruns.storage.sql import forks
from tests.contract.stores.test_forks import fork_of, stored, talked
from tests.stored import session
from tests.waiting import eventually


async def test_writers_take_turns_in_the_order_in_which_they_came() -> None:
    queue = Queue()
    came: list[int] = []

    def write(number: int) -> None:
        with queue.turn(30):
            came.append(number)

    with queue.turn(30):
        threads: list[Thread] = []
        for number in range(5):
            threads.append(Thread(target=write, args=[number]))
            threads[-1].start()
            await eventually(lambda number=number: queue.length == number + 2)
        assert came == []
    for thread in threads:
        thread.join(30)
    assert came == [0, 1, 2, 3, 4]


def test_who_waits_for_too_long_leaves_the_queue() -> None:
    queue = Queue()
    with queue.turn(30), pytest.raises(TimeoutError), queue.turn(0.01):
        pass
    with queue.turn(0.01):
        assert queue.length == 1


def test_others_write_while_a_stretch_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path)
    log = talked(8)
    source = stored(store, log)
    fork = fork_of(source, log.events)
    monkeypatch.setattr(forks, "STRETCH_BYTES", 8_000)
    copy_events = forks.copy_events
    written: list[bool] = []

    with ThreadPoolExecutor(1) as other:

        def copy(*args: Any) -> None:
            copy_events(*args)
            changed = session(1, id=source.id, title=f"title {len(written)}")
            written.append(other.submit(store.sessions.update, changed).result(30))

        monkeypatch.setattr(forks, "copy_events", copy)
        assert store.sessions.copy_log(fork)

    assert len(written) > 2
    assert all(written)
    found = store.sessions.find(source.id)
    assert found is not None
    assert found.title == f"title {len(written) - 1}"
    store.close()


def test_a_temporary_table_ends_with_its_copy(tmp_path: Path) -> None:
    database = DuckDB(duckdb_engine(str(tmp_path / "database")))
    for _ in range(2):
        with database.copying() as transaction:
            with transaction() as connection:
                connection.execute(text("CREATE TEMPORARY TABLE staged (place BIGINT)"))
            with transaction() as connection:
                assert connection.execute(text("SELECT count(*) FROM staged")).scalar() == 0
    database.close()


def test_a_transaction_of_a_copy_that_fails_stores_nothing(tmp_path: Path) -> None:
    database = DuckDB(duckdb_engine(str(tmp_path / "database")))
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE kept (place BIGINT)"))

    def copy() -> None:
        with database.copying() as transaction:
            with transaction() as connection:
                connection.execute(text("INSERT INTO kept VALUES (1)"))
            with transaction() as connection:
                connection.execute(text("INSERT INTO kept VALUES (2)"))
                raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        copy()

    with database.writing() as connection:
        assert connection.execute(text("SELECT place FROM kept")).scalars().all() == [1]
    database.close()
