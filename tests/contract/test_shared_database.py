"""Several stores over one PostgreSQL database, as several processes have them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from pydantic import SecretStr

from bench.postgres import database_on
from everruns.errors import SequenceConflict
from everruns.storage.postgres.opening import open_postgres
from everruns.storage.postgres.store import PostgresStore
from tests.postgres import CIPHER, database_with_tables, postgres_server
from tests.stored import agent, answer, append, budget, events, log, session

STORES = 4


@pytest.fixture
def address() -> Iterator[SecretStr]:
    with database_with_tables() as url:
        yield url


@pytest.fixture
def stores(address: SecretStr) -> Iterator[list[PostgresStore]]:
    opened = [open_postgres(address, CIPHER) for _ in range(STORES)]
    yield opened
    for store in opened:
        store.close()


def at_the_same_time(*calls):
    """Return what the calls return, each from a thread of its own."""
    barrier = Barrier(len(calls))

    def begin(call):
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(begin, call) for call in calls]]


def test_one_of_several_appends_at_the_same_place_is_stored(stores: list[PostgresStore]):
    stores[0].sessions.insert(session(1))

    for place in range(1, 21):
        mine = [append(1, events(1, place, text=f"of {n}")) for n in range(STORES)]
        [*verdicts] = at_the_same_time(
            *(
                lambda store=store, new=new: store.logs.append([new])[0]
                for store, new in zip(stores, mine, strict=True)
            )
        )
        refused = [verdict for verdict in verdicts if verdict is not None]
        assert len(refused) == STORES - 1
        assert all(isinstance(verdict, SequenceConflict) for verdict in refused)

    assert log(stores[0], 1) == list(range(1, 21))


def test_batches_with_the_same_sessions_in_any_order_are_all_stored(stores: list[PostgresStore]):
    for number in range(1, 9):
        stores[0].sessions.insert(session(number))

    def appends(own: int):
        store = stores[own]
        for place in range(1, 11):
            numbers = range(1, 9) if own % 2 else range(8, 0, -1)
            # All say the same, so that whoever comes second repeats what is stored.
            batch = [append(number, events(number, place)) for number in numbers]
            assert store.logs.append(batch) == [None] * 8

    at_the_same_time(*(lambda own=own: appends(own) for own in range(STORES)))

    assert [log(stores[0], number) for number in range(1, 9)] == [list(range(1, 11))] * 8


def test_an_answer_is_charged_to_a_budget_that_another_process_put(stores: list[PostgresStore]):
    one, other = stores[:2]
    one.sessions.insert(session(1))
    one.logs.append([answer(1, 1, tokens=5)])

    other.budgets.put(budget(1, "agent_1"))
    one.logs.append([answer(1, 2, tokens=7)])

    assert one.ledger.totals(["budget_1"]) == {"budget_1": 7}


def test_a_wide_value_that_two_write_at_once_is_that_of_one(stores: list[PostgresStore]):
    one, other = (agent(1, system_prompt=letter * 200_000) for letter in "ab")
    for _ in range(10):
        at_the_same_time(lambda: stores[0].agents.put(one), lambda: stores[1].agents.put(other))

        assert stores[0].agents.find(one.id) in (one, other)


def test_processes_that_start_at_once_create_the_tables_once():
    with database_on(postgres_server()) as url:
        opened = at_the_same_time(*[lambda: open_postgres(SecretStr(url), CIPHER)] * STORES)

        opened[0].sessions.insert(session(1))

        assert opened[-1].sessions.find(session(1).id) == session(1)
        for store in opened:
            store.close()


def test_every_text_is_compared_by_its_bytes(address: SecretStr):
    other_collations = """
        SELECT relname, attname FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'
        JOIN pg_collation ON pg_collation.oid = attcollation AND collname <> 'C'
        WHERE relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
    """
    assert postgres_server().execute(other_collations, name_of(address)) == []


def test_an_append_within_a_turn_changes_no_index(address: SecretStr, stores: list[PostgresStore]):
    stores[0].sessions.insert(session(1), log=append(1, events(1, 1)))
    for place in range(2, 22):
        stores[0].logs.append([append(1, events(1, place))])
    for store in stores:
        store.close()  # What a connection counted is told when it ends.

    counted = "SELECT n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'"
    [(not_hot,)] = postgres_server().execute(counted, name_of(address))

    assert not_hot <= 3  # the first, as its turn begins, and those for which a page had no room


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (
            "SELECT * FROM sessions ORDER BY created_ms DESC, id DESC LIMIT 20",
            "sessions_created_ms",
        ),
        (
            "SELECT * FROM sessions WHERE agent_id = '1' ORDER BY created_ms DESC, id DESC LIMIT 9",
            "sessions_agent_id",
        ),
        ("SELECT * FROM events WHERE session_id = 's' AND sequence > 7", "events_pkey"),
    ],
)
def test_an_index_serves_what_is_asked_often(address: SecretStr, statement: str, index: str):
    # An empty table would be read as a whole.
    options = "-c enable_seqscan=off -c enable_bitmapscan=off"
    with psycopg.connect(postgres_server().conninfo(name_of(address)), options=options) as asked:
        plan = asked.execute(f"EXPLAIN {statement}".encode()).fetchall()
    assert index in str(plan)
    assert "Sort" not in str(plan)


def name_of(address: SecretStr) -> str:
    return address.get_secret_value().partition("?")[0].rpartition("/")[2]
