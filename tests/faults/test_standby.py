"""What a store keeps when PostgreSQL has a synchronous standby."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr

from bench.postgres import PostgresServer
from bench.postgres_standby import Pair, synchronous_pair
from everruns.errors import StoreUnavailable
from everruns.storage.postgres.opening import open_postgres
from everruns.storage.postgres.store import PostgresStore
from everruns.storage.receipts import Receipt
from tests.postgres import CIPHER
from tests.stored import agent, append, events, log, session
from tests.waiting import PATIENCE_S, eventually

WAITING = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name = 'everruns' AND wait_event = 'SyncRep'
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Two servers for all tests here, of which the last one ends the primary."""
    with synchronous_pair() as pair:
        yield pair


@pytest.fixture
def database(pair: Pair) -> str:
    return pair.primary.create_database()


@pytest.fixture
def store(pair: Pair, database: str) -> Iterator[PostgresStore]:
    opened = open_postgres(SecretStr(pair.url(database)), CIPHER)
    opened.sessions.insert(session(1))
    yield opened
    opened.close()


def waiting(server: PostgresServer) -> set[object]:
    """Return the processes that wait for the standby to have what they committed."""
    return {pid for (pid,) in server.execute(WAITING)}


async def cut_off(server: PostgresServer) -> set[object]:
    """End the connection whose commit waits for the standby; return the process behind it."""
    await eventually(lambda: waiting(server))
    (pid,) = waiting(server)
    server.execute(f"SELECT pg_terminate_backend({pid})")
    return {pid}


async def is_held(call: "Future[Any]", server: PostgresServer, ended: set[object]) -> bool:
    """Tell whether a call waits for the standby, and is not answered instead."""
    await eventually(lambda: call.done() or waiting(server) - ended)
    return not call.done()


async def test_an_append_that_is_made_again_waits_for_the_standby_too(
    pair: Pair, database: str, store: PostgresStore
) -> None:
    pair.standby.kill()
    with ThreadPoolExecutor(1) as pool:
        appending = pool.submit(store.logs.append, [append(1, events(1, 1))])
        # From here on it is committed, on the primary alone.
        ended = await cut_off(pair.primary)
        held = await is_held(appending, pair.primary, ended)
        pair.standby.start()

    assert held
    assert appending.result() == [None]
    assert pair.standby.execute("SELECT sequence FROM events", database) == [(1,)]


async def test_an_answer_that_is_given_again_waits_for_the_standby_too(
    pair: Pair, store: PostgresStore
) -> None:
    receipt = Receipt("key", "request", b"answer")
    pair.standby.kill()
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(store.agents.put, agent(1), receipt)
        ended = await cut_off(pair.primary)
        with pytest.raises(StoreUnavailable):
            creating.result(PATIENCE_S)
        asking = pool.submit(store.receipts.find, "key")
        held = await is_held(asking, pair.primary, ended)
        pair.standby.start()

    assert held
    assert asking.result() == receipt


async def test_an_old_primary_that_comes_back_acknowledges_nothing(
    pair: Pair, store: PostgresStore
) -> None:
    pair.primary.kill()
    pair.standby.promote()
    pair.primary.start()
    with ThreadPoolExecutor(1) as pool:
        # Its name comes first in the address, and it takes writes.
        appending = pool.submit(store.logs.append, [append(1, events(1, 1))])
        await eventually(lambda: waiting(pair.primary))
        pair.primary.kill()

    assert appending.result() == [None]
    assert log(store, 1) == [1]
