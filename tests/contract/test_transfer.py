"""A data directory is copied into PostgreSQL whole, or no server starts on what is there."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import insert, text
from typer.testing import CliRunner, Result

from bench.postgres import database_on
from everruns import cli
from everruns.domain.budgets import LedgerEntry
from everruns.domain.snapshots import Snapshot
from everruns.errors import Conflict, InvalidRequest, StoreUnavailable
from everruns.storage.agents import AgentQuery
from everruns.storage.data_directory.lock import lock_data_directory
from everruns.storage.data_directory.opening import DATABASE_FILE, open_store
from everruns.storage.duckdb.database import DuckDB
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.files import StoredFile
from everruns.storage.opening import open_configured_store
from everruns.storage.receipts import Receipt
from everruns.storage.sessions import SessionQuery
from everruns.storage.sql.tables import metadata, providers, unfinished_forks
from everruns.storage.store import Store
from everruns.storage.transfer import source, target
from everruns.storage.transfer.copying import copy_data_directory
from everruns.storage.transfer.digest import digest
from everruns.storage.workspaces import WorkspaceQuery
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
    log,
    mcp_authorization,
    mcp_server,
    session,
    time,
    workspace,
)

# More than a row may hold, so that it is stored in chunks.
WIDE = "wide \\ \t\n\"é☃' " * 10_000
OTHER_KEY = SecretStr("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
SESSIONS = 12


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Undo what opening a store does to the process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def empty() -> Iterator[SecretStr]:
    """Give the address of a new database."""
    with database_on(postgres_server()) as url:
        yield SecretStr(url)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data directory that has some of everything, to be copied alone."""
    folder = tmp_path_factory.mktemp("filled") / "data"
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
    leave_fork_unfinished(folder)
    return folder


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


def silent(_line: str) -> None:
    pass


def stopping_at(sign: str) -> Any:
    """Return a report by which a copy ends at a line, as if by Ctrl-C."""

    def report(line: str) -> None:
        if line.startswith(sign):
            raise KeyboardInterrupt

    return report


def what_is_stored(store: Store) -> dict[str, object]:
    """Return what the parts of a store say that they have."""
    sessions, _ = store.sessions.list(SessionQuery(limit=100))
    numbers = range(SESSIONS)
    life = store.registry.newest_life()
    return {
        "agents": (store.agents.list(AgentQuery(limit=100)), store.agents.find(agent(2).id)),
        "providers": store.providers.list(),
        "mcp_servers": store.mcp_servers.list(),
        "mcp_authorizations": store.mcp_authorizations.list(mcp_server(1).id, "authorization"),
        "keys": (store.api_keys.list(), store.api_keys.signing_secret()),
        "workspaces": store.workspaces.list(WorkspaceQuery(limit=100)),
        "sessions": sessions,
        "logs": [store.sessions.take(session(number).id, life) for number in numbers],
        "snapshot": store.sessions.take(session(2).id, life, 1),
        "events": [log(store, number) for number in numbers],
        "tagged": store.sessions.list(SessionQuery(tags=("ü",))),
        "files": [store.files.list(f"workspace_{n}", "/", contents=True) for n in numbers],
        "receipts": [store.receipts.find(f"key {number}") for number in numbers],
        "budgets": store.budgets.find("budget_1"),
        "is_budgeted": store.budgets.is_budgeted(session(1).id),
        "ledger": (store.ledger.list("budget_1", 0, 10), store.ledger.totals(["budget_1"])),
        "life": life,
        "next_life": store.registry.begin_life(),
    }


def stored_in(data_dir: Path, address: SecretStr | None) -> dict[str, object]:
    store = open_configured_store(data_dir, None, address)
    try:
        return what_is_stored(store)
    finally:
        store.close()


def test_everything_of_every_table_arrives(data_dir: Path, empty: SecretStr) -> None:
    copied = copy_data_directory(data_dir, None, empty, silent)

    assert set(copied) == set(metadata.tables)
    assert all(copied.values()), "each table should have rows here, or this test says nothing of it"
    assert copied["events"] == 2 * SESSIONS + 2
    ours = stored_in(data_dir, None)
    theirs = stored_in(data_dir, empty)
    for name, has in ours.items():
        assert theirs[name] == has, name
    assert [each.api_key for each in theirs["providers"]] == [None, SecretStr("sk-1")]  # type: ignore[attr-defined]


def test_who_held_a_session_before_stores_nothing_more(data_dir: Path, empty: SecretStr) -> None:
    copy_data_directory(data_dir, None, empty, silent)

    store = open_configured_store(data_dir, None, empty)
    life = store.registry.newest_life()
    (refused,) = store.logs.append([append(3, events(3, 3), holder=1)])
    taken = store.sessions.take(session(3).id, life)
    store.close()
    assert refused is not None
    assert (life, taken and taken.holder) == (1, 3)


COPIES_UNTIL_KILLED = """
import os, signal, sys
from pathlib import Path
from pydantic import SecretStr
from everruns.storage.transfer import copying, source, target

data_dir, url, moment = sys.argv[1:]
copying.REPORT_EVERY_S = 0
copying.ROWS_AT_ONCE = source.ROWS_AT_ONCE = 5

def end():
    os.kill(os.getpid(), signal.SIGKILL)

def report(line):
    if line.startswith(moment):
        end()

def copied(connection, table, rows, copy=target._copy):
    copy(connection, table, rows)
    if moment == "before the commit" and table.name == "files":
        end()

target._copy = copied
copying.copy_data_directory(Path(data_dir), None, SecretStr(url), report)
"""


@pytest.mark.parametrize(
    "moment",
    [
        "Reading chunks",
        "Copied 5 of",
        "Copied 20 of 26 rows of events",
        "before the commit",
        "Comparing sessions",
    ],
)
def test_a_copy_that_was_killed_goes_on_where_it_stood(
    data_dir: Path, empty: SecretStr, moment: str
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", COPIES_UNTIL_KILLED, data_dir, empty.get_secret_value(), moment],
        check=False,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    lines: list[str] = []

    copied = copy_data_directory(data_dir, None, empty, lines.append)

    assert copied["events"] == 2 * SESSIONS + 2
    if moment.startswith(("before", "Comparing")):
        assert not any("rows of events" in line for line in lines), "it had these already"
    ours = stored_in(data_dir, None)
    assert stored_in(data_dir, empty) == ours


def test_no_server_starts_on_a_part_of_a_copy(data_dir: Path, empty: SecretStr) -> None:
    with pytest.raises(KeyboardInterrupt):
        copy_data_directory(data_dir, None, empty, stopping_at("Comparing"))

    with pytest.raises(StoreUnavailable, match="run it again to go on"):
        open_configured_store(data_dir, None, empty)

    copy_data_directory(data_dir, None, empty, silent)
    open_configured_store(data_dir, None, empty).close()


def test_a_database_that_a_server_has_used_is_refused(data_dir: Path, empty: SecretStr) -> None:
    open_configured_store(data_dir, None, empty).close()

    with pytest.raises(Conflict, match="has tables already"):
        copy_data_directory(data_dir, None, empty, silent)


def test_a_copy_is_made_once(data_dir: Path, empty: SecretStr) -> None:
    copy_data_directory(data_dir, None, empty, silent)

    with pytest.raises(Conflict, match="has tables already"):
        copy_data_directory(data_dir, None, empty, silent)


def test_tables_of_others_are_left_alone(data_dir: Path, empty: SecretStr) -> None:
    with target.open_target(empty) as other, other._engine.begin() as connection:
        connection.execute(text("CREATE TABLE invoices (id bigint)"))

    with pytest.raises(Conflict, match="Name an empty one"):
        copy_data_directory(data_dir, None, empty, silent)


def test_a_data_directory_that_was_changed_meanwhile_is_not_mixed_with_what_it_was(
    data_dir: Path, empty: SecretStr
) -> None:
    with pytest.raises(KeyboardInterrupt):
        copy_data_directory(data_dir, None, empty, stopping_at("Copied 26 of 26"))
    store = open_store(data_dir)
    store.api_keys.delete(api_key(1).id)
    store.close()

    with pytest.raises(Conflict, match="was changed since that copy was begun"):
        copy_data_directory(data_dir, None, empty, silent)
    with pytest.raises(StoreUnavailable, match="everruns migrate"):
        open_configured_store(data_dir, None, empty)


def test_rows_that_differ_are_found(data_dir: Path, empty: SecretStr) -> None:
    def spoil(line: str) -> None:
        if line == "Comparing agents":
            with target.open_target(empty) as other, other._engine.begin() as connection:
                connection.execute(text("UPDATE ledger SET amount = amount + 1e-12"))

    with pytest.raises(Conflict, match="The copy of ledger differs"):
        copy_data_directory(data_dir, None, empty, spoil)
    with pytest.raises(StoreUnavailable, match="everruns migrate"):
        open_configured_store(data_dir, None, empty)


def test_two_copies_at_once_do_not_double_rows(
    data_dir: Path, empty: SecretStr, tmp_path: Path
) -> None:
    """The other one works on a backup of the same data directory."""
    store = open_store(data_dir)
    (tmp_path / "backup").mkdir()
    store.copy_to(tmp_path / "backup" / source.DATABASE_FILE)
    store.close()
    (tmp_path / "backup" / "encryption.key").write_bytes((data_dir / "encryption.key").read_bytes())

    def copy_the_other(line: str) -> None:
        if line == "Copied 2 of 2 rows of agents":
            with pytest.raises(KeyboardInterrupt):
                copy_data_directory(tmp_path / "backup", None, empty, stopping_at("Comparing"))

    with pytest.raises(Conflict, match="Another process copies"):
        copy_data_directory(data_dir, None, empty, copy_the_other)
    copy_data_directory(data_dir, None, empty, silent)
    ours = stored_in(data_dir, None)
    assert stored_in(data_dir, empty) == ours


def test_the_server_on_the_data_directory_must_be_stopped(data_dir: Path, empty: SecretStr) -> None:
    with (
        lock_data_directory(data_dir, "http://127.0.0.1:9300"),
        pytest.raises(Conflict, match=r"in use by the server at http://127\.0\.0\.1:9300"),
    ):
        copy_data_directory(data_dir, None, empty, silent)


def test_a_directory_without_a_database_stays_as_it_is(tmp_path: Path, empty: SecretStr) -> None:
    with pytest.raises(InvalidRequest, match="There is no database"):
        copy_data_directory(tmp_path / "none", None, empty, silent)
    assert not (tmp_path / "none").exists()


def test_another_encryption_key_is_refused_before_anything_is_copied(
    data_dir: Path, empty: SecretStr
) -> None:
    with pytest.raises(StoreUnavailable, match="another encryption key"):
        copy_data_directory(data_dir, OTHER_KEY, empty, silent)

    copy_data_directory(data_dir, None, empty, silent)


def test_what_postgresql_cannot_hold_is_named_before_anything_is_copied(
    data_dir: Path, empty: SecretStr
) -> None:
    store = open_store(data_dir)
    store.agents.put(agent(3, name="a\x00b"))
    store.close()

    with pytest.raises(InvalidRequest, match=rf"agents\.name of {agent(3).id} has one"):
        copy_data_directory(data_dir, None, empty, silent)

    store = open_store(data_dir)
    store.agents.put(agent(3, name="ab"))
    store.close()
    copy_data_directory(data_dir, None, empty, silent)


def test_what_only_the_journal_has_is_copied(data_dir: Path, empty: SecretStr) -> None:
    stores_and_ends = (
        "import os, sys; from pathlib import Path\n"
        "from everruns.storage.data_directory.opening import open_store\n"
        ""
        "from tests.stored import append, events\n"
        "store = open_store(Path(sys.argv[1]))\n"
        "assert store.logs.append([append(5, events(5, 3))]) == [None]\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", stores_and_ends, data_dir], check=True, timeout=60)

    copy_data_directory(data_dir, None, empty, silent)

    store = open_configured_store(data_dir, None, empty)
    assert log(store, 5) == [1, 2, 3]
    store.close()


@pytest.mark.parametrize("column", [column.name for column in providers.columns])
def test_a_digest_differs_by_any_value(data_dir: Path, column: str) -> None:
    engine = duckdb_engine(str(data_dir / source.DATABASE_FILE))
    is_meant = providers.c.id == account(2).provider.id  # which has neither key nor headers
    with engine.connect() as connection:
        before = digest(connection, providers)
        connection.execute(providers.update().where(is_meant).values({column: ""}))
        after = digest(connection, providers)
        connection.rollback()
    engine.dispose()
    assert (after.rows, after.checksum != before.checksum) == (before.rows, True)


def migrate(*words: str, url: str | None = None) -> Result:
    return CliRunner().invoke(cli.cli, ["migrate", *words], env={"EVERRUNS_DATABASE_URL": url})


def test_the_command_shows_what_it_has_copied(data_dir: Path, empty: SecretStr) -> None:
    done = migrate("--from", str(data_dir), url=empty.get_secret_value())

    assert done.exit_code == 0
    assert "Copied 26 of 26 rows of events" in done.stderr
    assert "encryption.key" in done.stderr
    (row,) = (line for line in done.stdout.splitlines() if "events" in line)
    assert "26" in row


def test_the_database_can_be_named_as_an_option(data_dir: Path, empty: SecretStr) -> None:
    assert migrate("--from", str(data_dir), "--to", empty.get_secret_value()).exit_code == 0
    open_configured_store(data_dir, None, empty).close()


def test_the_command_asks_for_the_database_that_is_not_named(data_dir: Path) -> None:
    refused = migrate("--from", str(data_dir))

    assert isinstance(refused.exception, InvalidRequest)
    assert "EVERRUNS_DATABASE_URL" in refused.exception.message


def test_a_database_that_does_not_answer_is_told_without_its_password(data_dir: Path) -> None:
    refused = migrate("--from", str(data_dir), "--to", "postgresql://u:passw0rd@127.0.0.1:1/none")

    assert isinstance(refused.exception, StoreUnavailable)
    assert "passw0rd" not in refused.output + str(refused.exception)
