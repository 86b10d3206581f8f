"""Lists in PostgreSQL read an index instead of a whole table."""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, event, text

from everruns.storage.budgets import LedgerStore
from everruns.storage.postgres.database import Postgres
from everruns.storage.postgres.engine import autocommit_pool, complete, postgres_engine
from everruns.storage.postgres.opening import open_postgres
from everruns.storage.sessions import SessionQuery
from everruns.storage.sql.store import SqlStore
from tests.postgres import CIPHER, database_with_tables
from tests.stored import budget, session, time, top_up

# Undoes migrations 0018 and 0019.
OLDER = (
    "DROP INDEX ledger_budget_id",
    "CREATE INDEX ledger_budget_id ON ledger (budget_id)",
    "DROP TABLE session_texts",
    "DROP FUNCTION keep_session_text CASCADE",
    "DROP FUNCTION searched_text",
    "DROP INDEX sessions_updated_ms",
    "ALTER TABLE sessions RESET (autovacuum_vacuum_insert_scale_factor)",
    "UPDATE alembic_version SET version_num = '0017'",
)
STRUCTURE = """
SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
    WHERE proname IN ('keep_session_text', 'searched_text')
UNION ALL SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE relname = 'sessions'
UNION ALL SELECT concat_ws(' ', table_name, column_name, data_type, collation_name, is_nullable)
    FROM information_schema.columns WHERE table_schema = 'public'
ORDER BY 1
"""


@pytest.fixture
def address() -> Iterator[SecretStr]:
    with database_with_tables() as address:
        yield address


@pytest.fixture
def engine(address: SecretStr) -> Iterator[Engine]:
    engine = postgres_engine(complete(address))
    yield engine
    engine.dispose()


@contextmanager
def store_on(address: SecretStr, engine: Engine) -> Generator[SqlStore]:
    pool = autocommit_pool(complete(address))
    store = SqlStore(Postgres(engine, pool), CIPHER, budgets_are_shared=True)
    yield store
    store.close()


@contextmanager
def statements_of(engine: Engine) -> Generator[list[tuple[str, Any]]]:
    """Give the list of what is run meanwhile, with its parameters."""
    run: list[tuple[str, Any]] = []

    def note(_connection, _cursor, statement, parameters, *_) -> None:
        run.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield run
    event.remove(engine, "before_cursor_execute", note)


def plans(engine: Engine, run: list[tuple[str, Any]]) -> list[str]:
    with engine.connect() as connection:
        # So few rows are read faster than any index.
        for method in ("seqscan", "bitmapscan"):
            connection.execute(text(f"SET enable_{method} = off"))
        return [
            "\n".join(connection.exec_driver_sql("EXPLAIN " + statement, parameters).scalars())
            for statement, parameters in run
        ]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({"sort": "updated"}, "sessions_updated_ms"),
        ({"sort": "updated", "offset": 20}, "sessions_updated_ms"),
        ({"sort": "updated", "status": "idle"}, "sessions_updated_ms"),
        ({"sort": "updated", "last_outcome": "failed"}, "sessions_updated_ms"),
        ({"sort": "updated", "waiting": True}, "sessions_updated_ms"),
        ({"sort": "updated", "updated_from_ms": 1, "end_user": "ada"}, "sessions_updated_ms"),
        ({"offset": 20}, "sessions_created_ms"),
    ],
)
def test_the_sessions_of_a_page_are_found_in_an_index_alone(
    address: SecretStr, engine: Engine, query: dict[str, Any], index: str
) -> None:
    with store_on(address, engine) as store:
        for number in range(1, 31):
            store.sessions.insert(session(number))
        with statements_of(engine) as run:
            store.sessions.list(SessionQuery(limit=2, **query))

    page, *_ = [plan for plan in plans(engine, run) if " on sessions" in plan]
    assert f"Index Only Scan using {index} on sessions" in page


@pytest.fixture
def ledger(address: SecretStr, engine: Engine) -> Iterator[LedgerStore]:
    """The ledger of a budget, with thirty entries."""
    with store_on(address, engine) as store:
        store.budgets.put(budget(1, "agent_1"))
        for number in range(1, 31):
            store.ledger.put(top_up(number, "budget_1"))
        yield store.ledger


def test_a_page_of_a_ledger_is_read_from_an_index_without_sorting(
    ledger: LedgerStore, engine: Engine
) -> None:
    with statements_of(engine) as run:
        ledger.list("budget_1", 20, 2)

    page, count = plans(engine, run)
    scan = "Index Only Scan using ledger_budget_id on ledger"
    assert re.search(rf"Limit .*\n *->  {scan}", page)
    assert scan in count


def test_the_spending_of_a_period_is_summed_from_an_index_alone(
    ledger: LedgerStore, engine: Engine
) -> None:
    with statements_of(engine) as run:
        ledger.totals(["budget_1"], {"budget_1": time(20)})

    (totals,) = plans(engine, run)
    assert "Index Only Scan using ledger_budget_id on ledger" in totals
    (condition,) = [line for line in totals.splitlines() if "Index Cond" in line]
    assert "budget_id" in condition
    assert "created_at" in condition


def test_an_older_database_gets_what_a_new_one_has(address: SecretStr, engine: Engine) -> None:
    def structure() -> list[str]:
        with engine.connect() as connection:
            return list(connection.execute(text(STRUCTURE)).scalars())

    new = structure()
    store = open_postgres(address, CIPHER)
    store.sessions.insert(session(1, title="Weather"))
    store.close()
    with engine.begin() as connection:
        for statement in OLDER:
            connection.execute(text(statement))
    assert structure() != new

    store = open_postgres(address, CIPHER)
    found, total = store.sessions.list(SessionQuery(search="weather"))
    store.close()

    assert structure() == new
    assert ([each.title for each in found], total) == (["Weather"], 1)
