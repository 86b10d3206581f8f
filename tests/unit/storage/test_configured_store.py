"""Which store the settings open."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from everruns.errors import InvalidRequest, StoreUnavailable
from everruns.storage.opening import open_configured_store
from tests.postgres import database_with_tables
from tests.stored import account

OTHER_KEY = SecretStr("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")

SETTINGS = """
import sys
from everruns.settings_loading import load_settings
settings = load_settings()
"""
OPENS = """
from everruns.storage.opening import open_configured_store
store = open_configured_store(settings.data_dir, settings.encryption_key, settings.database_url)
"""
JOINS = """
from everruns.storage.postgres.joining import join_postgres
store = join_postgres(settings.database_url)
"""
TELLS_MODULES = """
store.ping()
store.close()
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture
def address() -> Iterator[SecretStr]:
    with database_with_tables() as url:
        yield url


def modules_of(program: str, url: SecretStr, folder: Path) -> set[str]:
    """Return the names of the packages that a program has imported."""
    done = subprocess.run(
        [sys.executable, "-c", SETTINGS + program + TELLS_MODULES],
        env={
            "EVERRUNS_DATABASE_URL": url.get_secret_value(),
            "EVERRUNS_DATA_DIR": str(folder),
            "PYTHONPATH": ".",
        },
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_with_postgresql_the_process_never_loads_duckdb(address: SecretStr, tmp_path: Path):
    modules = modules_of(OPENS, address, tmp_path)
    assert "psycopg" in modules
    assert not {"duckdb", "duckdb_engine"} & modules


def test_what_joins_the_database_never_loads_what_migrates_it(address: SecretStr, tmp_path: Path):
    modules = modules_of(JOINS, address, tmp_path)
    assert "psycopg" in modules
    assert not {"alembic", "duckdb", "duckdb_engine"} & modules


def test_both_schemes_open_the_same_database(address: SecretStr, tmp_path: Path):
    plain = SecretStr(address.get_secret_value().replace("postgresql+psycopg:", "postgresql:"))
    for each in (address, plain):
        store = open_configured_store(tmp_path, None, each)
        store.providers.put(account(1, "sk-1"))
        store.close()


def test_the_key_is_kept_in_the_data_directory_unless_one_is_given(
    address: SecretStr, tmp_path: Path
):
    store = open_configured_store(tmp_path / "new", None, address)
    store.providers.put(account(1, "sk-1"))
    store.close()
    assert (tmp_path / "new" / "encryption.key").stat().st_mode & 0o777 == 0o600

    with pytest.raises(StoreUnavailable, match="another encryption key"):
        open_configured_store(tmp_path / "new", OTHER_KEY, address)

    store = open_configured_store(tmp_path / "new", None, address)
    assert store.providers.list() == [account(1, "sk-1")]
    store.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://u:passw0rd@[host/everruns", "cannot be read"),
        ("postgresql://u:passw0rd@127.0.0.1:1/everruns", "does not answer"),
    ],
)
def test_an_address_that_does_not_work_is_told_without_its_password(
    url: str, says: str, tmp_path: Path
):
    with pytest.raises((InvalidRequest, StoreUnavailable), match=says) as refused:
        open_configured_store(tmp_path, None, SecretStr(url))
    assert "passw0rd" not in str(refused.value)


def test_a_database_that_does_not_exist_is_named_as_the_reason(address: SecretStr, tmp_path: Path):
    missing = SecretStr(address.get_secret_value().replace("everruns_", "missing_", 1))
    with pytest.raises(StoreUnavailable, match="there is no database"):
        open_configured_store(tmp_path, None, missing)
