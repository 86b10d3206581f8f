"""A data directory is copied into PostgreSQL whole, however often the copy is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from everruns.errors import Conflict
from everruns.storage.data_directory.opening import open_store
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.opening import open_configured_store
from everruns.storage.sql.tables import metadata, providers
from everruns.storage.transfer import source
from everruns.storage.transfer.copying import copy_data_directory
from everruns.storage.transfer.digest import digest
from tests.contract.transfer.copies import SESSIONS, silent, stopping_at, stored_in
from tests.stored import (
    account,
    append,
    events,
    log,
    session,
)

pytestmark = pytest.mark.usefixtures("umask")


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
