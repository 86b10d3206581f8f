"""What a store over PostgreSQL does when connections, transactions and the server are lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from pydantic import SecretStr

from bench.postgres import PostgresServer
from everruns.errors import StoreUnavailable
from everruns.storage.postgres import logs
from everruns.storage.postgres.append import Seen
from everruns.storage.postgres.opening import open_postgres
from everruns.storage.postgres.store import PostgresStore
from tests.postgres import CIPHER
from tests.stored import agent, append, events, log, session
from tests.waiting import eventually

TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'everruns' AND backend_type = 'client backend'
"""
WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'everruns' AND wait_event_type = 'Lock'
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer(durable=True, settings={"deadlock_timeout": "2s"}) as server:
        yield server


@pytest.fixture
def database(server: PostgresServer) -> Iterator[str]:
    name = server.create_database()
    yield name
    server.drop_database(name)


@pytest.fixture
def store(server: PostgresServer, database: str) -> Iterator[PostgresStore]:
    opened = open_postgres(SecretStr(server.url(database)), CIPHER)
    opened.sessions.insert(session(1))
    yield opened
    opened.close()


@contextmanager
def locked(server: PostgresServer, database: str) -> Iterator[None]:
    """Keep the row of every session, as an owner does whose append is being stored."""
    with psycopg.connect(server.conninfo(database)) as connection:
        connection.execute("SELECT FROM sessions FOR UPDATE")
        yield


def test_connections_that_died_while_unused_cost_nobody_an_error(
    server: PostgresServer, store: PostgresStore
):
    store.ping()
    server.execute(TERMINATE)

    store.agents.put(agent(1))

    server.execute(TERMINATE)
    assert store.agents.find(agent(1).id) == agent(1)


async def test_an_append_whose_connection_is_lost_is_stored_once(
    server: PostgresServer, database: str, store: PostgresStore
):
    new = append(1, events(1, 1, 2))
    with ThreadPoolExecutor(1) as pool, locked(server, database):
        appending = pool.submit(store.logs.append, [new])
        await eventually(lambda: server.execute(WAITING) == [(1,)])
        server.execute(TERMINATE)
        await eventually(lambda: server.execute(WAITING) == [(1,)])  # it is repeated

    assert appending.result() == [None]
    assert log(store, 1) == [1, 2]


def test_an_append_whose_answer_is_lost_is_stored_once(
    server: PostgresServer, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
):
    append_at_once = logs.append_at_once
    lost: list[Seen] = []

    def lose_the_first_answer(connection, appends):
        seen = append_at_once(connection, appends)
        if not lost:
            lost.append(seen)
            server.execute(TERMINATE)
            connection.execute("SELECT 1")
        return seen

    monkeypatch.setattr(logs, "append_at_once", lose_the_first_answer)

    assert store.logs.append([append(1, events(1, 1, 2))]) == [None]
    assert [set(seen.budgeted) for seen in lost] == [{session(1).id}]
    assert log(store, 1) == [1, 2]


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(
    server: PostgresServer, store: PostgresStore
):
    for place in range(1, 11):
        assert store.logs.append([append(1, events(1, place))]) == [None]

    server.kill()

    place = append_until_refused(store, 11)
    with pytest.raises(StoreUnavailable):
        store.sessions.find(session(1).id)
    with pytest.raises(StoreUnavailable):
        store.agents.put(agent(1))

    server.start()

    assert log(store, 1)[: place - 1] == list(range(1, place))
    assert store.logs.append([append(1, events(1, place))]) == [None]
    assert log(store, 1) == list(range(1, place + 1))
    assert store.agents.find(agent(1).id) is None


def append_until_refused(store: PostgresStore, place: int) -> int:
    """Return the place of the first event that is refused.

    The processes behind open connections notice a moment later that their server was killed, and
    may store until then.
    """
    try:
        while store.logs.append([append(1, events(1, place))]) == [None]:
            place += 1
    except StoreUnavailable:
        return place
    raise AssertionError


def test_a_server_that_became_a_standby_is_looked_for_anew(
    server: PostgresServer, database: str, store: PostgresStore
):
    store.ping()
    server.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    server.execute(TERMINATE)
    with pytest.raises(StoreUnavailable):
        store.agents.put(agent(1))

    server.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")

    # The pooled connection would still be read-only.
    store.agents.put(agent(1))


async def test_an_append_in_a_deadlock_is_made_again(
    server: PostgresServer, database: str, store: PostgresStore, capfd: pytest.CaptureFixture[str]
):
    store.sessions.insert(session(2))
    batch = [append(1, events(1, 1)), append(2, events(2, 1))]
    lock = "SELECT FROM sessions WHERE id = %s FOR UPDATE"
    # The append notices first, and has to give way.
    patient = {"conninfo": server.conninfo(database), "options": "-c deadlock_timeout=60s"}
    with ThreadPoolExecutor(1) as pool, psycopg.connect(**patient) as other:
        other.execute(lock, [session(2).id])
        appending = pool.submit(store.logs.append, batch)
        await eventually(lambda: server.execute(WAITING) == [(1,)])
        other.execute(lock, [session(1).id])
        other.commit()

    assert appending.result() == [None, None]
    assert "DeadlockDetected" in capfd.readouterr().out


def test_no_message_or_log_has_rows_or_passwords(
    server: PostgresServer, database: str, store: PostgresStore, capfd: pytest.CaptureFixture[str]
):
    with pytest.raises(StoreUnavailable) as refused:
        store.agents.put(agent(1, name="secret\0name"))
    address = SecretStr(f"postgresql://someone:passw0rd@/none?host={server.folder}")
    with pytest.raises(StoreUnavailable) as unreachable:
        open_postgres(address, CIPHER)

    printed = "".join(capfd.readouterr()) + str(refused.value) + str(unreachable.value)
    assert "secret" not in printed
    assert "passw0rd" not in printed
