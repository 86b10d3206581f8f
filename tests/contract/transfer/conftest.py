"""A data directory with some of everything, and an empty database to copy it into."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from bench.postgres import database_on
from everruns.domain.budgets import LedgerEntry
from everruns.domain.snapshots import Snapshot
from everruns.storage.data_directory.opening import DATABASE_FILE, open_store
from everruns.storage.duckdb.database import DuckDB
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.files import StoredFile
from everruns.storage.receipts import Receipt
from everruns.storage.sql.tables import unfinished_forks
from tests.contract.transfer.copies import SESSIONS
from tests.data_directories import usual_umask
from tests.postgres import postgres_server
from tests.stored import (
    account,
    agent,
    answer,
    api_key,
    append,
    budget,
    events,
    file,
    mcp_authorization,
    mcp_server,
    session,
    time,
    workspace,
)

# More than a row may hold, so that it is stored in chunks.
WIDE = "wide \\ \t\n\"é☃' " * 10_000


@pytest.fixture
def empty() -> Iterator[SecretStr]:
    """Give the address of a new database."""
    with database_on(postgres_server()) as url:
        yield SecretStr(url)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data directory that has some of everything, to be copied alone."""
    folder = tmp_path_factory.mktemp("filled") / "data"
    with usual_umask():
        fill(folder)
        leave_fork_unfinished(folder)
    return folder


def fill(folder: Path) -> None:
    """Store some of everything in a new data directory."""
    store = open_store(folder)
    store.registry.begin_life()
    store.agents.put(agent(1, description=WIDE))
    store.agents.put(agent(2, display_name="NULL \\N", status="archived"))
    store.providers.put(account(1, "sk-1"), account(2))
    store.mcp_servers.put(mcp_server(1, headers={"x-key": "v1:sealed"}))
    store.mcp_authorizations.put(mcp_authorization(1))
    store.workspaces.put(workspace(1))
    store.api_keys.put(api_key(1), api_key(2))
    # What is deleted leaves gaps between the rows.
    store.sessions.insert(session(SESSIONS), [StoredFile(f"workspace_{SESSIONS}", file("/gone"))])
    store.logs.append([append(SESSIONS, events(SESSIONS, 1, 20))])
    for number in range(SESSIONS):
        files = [StoredFile(f"workspace_{number}", file("/a\tb\\n", bytes(range(256))))]
        receipt = Receipt(f"key {number}", "request", b"{}", session(number).id)
        store.sessions.insert(session(number, tags=["t", "ü"]), files, receipt)
        store.logs.append([append(number, events(number, 1, 2), preview="\\.")])
    assert store.sessions.delete(session(SESSIONS).id)
    store.files.put([StoredFile("workspace_1", file("/wide", os.urandom(100_000)))])
    store.logs.append([append(2, events(2, 3, text=WIDE))])
    store.budgets.put(budget(1, session(1).id, limit=1e6, currency="usd"))
    store.logs.append([answer(1, 3, tokens=7, usd=0.1)])
    store.ledger.put(
        LedgerEntry(
            id="entry_1",
            budget_id="budget_1",
            amount=-0.000001234567,
            meter_source="top_up",
            created_at=time(5),
        )
    )
    store.sessions.put_snapshot(Snapshot(session(2).id, 3, 1, os.urandom(50_000)))
    assert store.sessions.take(session(3).id, store.registry.newest_life()) is not None
    store.close()


def leave_fork_unfinished(folder: Path) -> None:
    """Leave in a database what a registry leaves that dies while it copies a log."""
    database = DuckDB(duckdb_engine(str(folder / DATABASE_FILE)))
    with database.writing() as connection:
        connection.execute(insert(unfinished_forks).values(session_id="session_fork", sequence=9))
    database.close()


@pytest.fixture
def data_dir(filled: Path, tmp_path: Path) -> Path:
    """Give a data directory of a test's own, that has some of everything."""
    shutil.copytree(filled, tmp_path / "data")
    return tmp_path / "data"
