"""A process that is killed while it copies a long log, and the one that copies it again.

What a death leaves in PostgreSQL depends on the connection that dies with the process, so one is
killed. What it leaves in the other stores is tested where long forks are.
"""

import signal
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from everruns.storage.postgres.opening import open_postgres
from everruns.storage.postgres.store import PostgresStore
from everruns.storage.sql import forks
from tests.contract.stores.test_forks import read
from tests.contract.stores.test_long_forks import NEW, copies, prepared
from tests.forks import forked
from tests.killed_copies import STRETCH_BYTES, copy_until_killed
from tests.postgres import CIPHER, database_with_tables

ENDS_WITHIN_S = 120


@pytest.fixture
def database() -> Iterator[SecretStr]:
    with database_with_tables() as address:
        yield address


@pytest.fixture
def store(database: SecretStr, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresStore]:
    monkeypatch.setattr(forks, "STRETCH_BYTES", STRETCH_BYTES)
    store = open_postgres(database, CIPHER)
    yield store
    store.close()


def test_a_repeated_copy_goes_on_where_a_killed_process_left_it(
    database: SecretStr, store: PostgresStore
) -> None:
    log, fork = prepared(store)
    deaths = 0
    was_killed = True
    while was_killed:
        process = forked(copy_until_killed, database, fork, deaths + 1)
        process.join(ENDS_WITHIN_S)
        assert process.exitcode in (0, -signal.SIGKILL)
        was_killed = process.exitcode != 0
        deaths += was_killed

        assert store.sessions.copy_log(fork)
        assert store.sessions.fork(fork)

        assert read(store, NEW)[:-1] == copies(log)
        store.sessions.delete(NEW)
    assert deaths > 1
