"""Opening a data directory: what it makes, and what it says when it cannot."""

import os
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from everruns.domain.llm import Provider, ProviderAccount
from everruns.errors import InvalidRequest, StoreUnavailable
from everruns.storage.data_directory.opening import DATABASE_FILE, JOURNAL_FOLDER, open_store
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.journal.file import Journal
from everruns.storage.journal.store import JournaledStore

API_KEY = "sk-very-secret-key"
TIME = "2026-01-01T00:00:00.000Z"
NOBODY = 65534
OTHER_KEY = SecretStr("A" * 43 + "=")

pytestmark = pytest.mark.usefixtures("umask")


@contextmanager
def owned_by_an_ordinary_user() -> Generator[Path]:
    """Give a folder of an ordinary user, and be that user: root may write everywhere."""
    is_root = os.geteuid() == 0
    # Pytest's own folders are closed to other users.
    with TemporaryDirectory() as name:
        if is_root:
            os.chown(name, NOBODY, -1)
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            if is_root:
                os.seteuid(0)


def put_provider(store: JournaledStore) -> None:
    provider = Provider(
        id="provider_1", name="p", provider_type="openai", created_at=TIME, updated_at=TIME
    )
    store.providers.put(ProviderAccount(provider=provider, api_key=SecretStr(API_KEY)))


def test_everything_it_makes_is_for_its_owner_alone(tmp_path: Path) -> None:
    store = open_store(tmp_path / "new" / "data")
    put_provider(store)
    made = [tmp_path / "new" / "data", *(tmp_path / "new" / "data").rglob("*")]
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in made}
    store.close()
    assert modes == {
        "data": "0o700",
        "everruns.duckdb": "0o600",
        "everruns.duckdb.wal": "0o600",
        "encryption.key": "0o600",
        "journal": "0o700",
        "000000000001": "0o600",
    }


def test_what_was_stored_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    for _ in range(3):
        store = open_store(tmp_path)
        put_provider(store)
        store.close()
        left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
        assert left == {"encryption.key", DATABASE_FILE, JOURNAL_FOLDER}
    store = open_store(tmp_path)
    [account] = store.providers.list()
    store.close()
    assert account.api_key == SecretStr(API_KEY)


def test_no_file_holds_an_api_key_in_clear(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    put_provider(store)
    before = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    store.close()
    after = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"provider_1" in before
    assert b"provider_1" in after
    assert API_KEY.encode() not in before + after


def test_another_encryption_key_is_told_at_once(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    put_provider(store)
    store.close()
    with pytest.raises(StoreUnavailable, match="EVERRUNS_ENCRYPTION_KEY") as failure:
        open_store(tmp_path, OTHER_KEY)
    assert API_KEY not in str(failure.value)
    open_store(tmp_path).close()  # the failure let go of the file


def test_an_encryption_key_of_the_wrong_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="32 bytes"):
        open_store(tmp_path, SecretStr("c2hvcnQ="))


def test_a_directory_in_use_names_the_process_that_uses_it(tmp_path: Path) -> None:
    tmp_path.joinpath("data").mkdir()
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "data" / DATABASE_FILE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(StoreUnavailable, match=f"in use by process {other.pid}"):
            open_store(tmp_path / "data")
        other.kill()


@pytest.mark.parametrize("content", [b"", b"\x07" * 20_000], ids=["empty", "garbage"])
def test_a_damaged_database_says_to_put_a_backup_back(tmp_path: Path, content: bytes) -> None:
    open_store(tmp_path).close()
    (tmp_path / DATABASE_FILE).write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"damaged\. Restore a backup"):
        open_store(tmp_path)


def test_a_path_that_is_no_directory_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreUnavailable, match="Make sure that it is a directory"):
            open_store(path)


def test_a_directory_that_is_read_only_says_so(tmp_path: Path) -> None:
    # All that it imports is read before, as this user.
    open_store(tmp_path / "other").close()
    with owned_by_an_ordinary_user() as folder:
        folder.chmod(0o500)
        with pytest.raises(StoreUnavailable, match="can read and write"):
            open_store(folder)


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    engine = duckdb_engine(str(tmp_path / DATABASE_FILE))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreUnavailable, match="newer version"):
        open_store(tmp_path)


def test_a_path_may_hold_what_is_special_in_an_url(tmp_path: Path) -> None:
    store = open_store(tmp_path / "a &b=c#d%20ä")
    put_provider(store)
    store.close()
    assert (tmp_path / "a &b=c#d%20ä" / DATABASE_FILE).exists()


def test_a_journal_of_another_version_says_what_to_do(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    journal = Journal(tmp_path / JOURNAL_FOLDER)
    journal.write(b'[{"id": "session_1", "said": "something private"}]')
    journal.close()
    with pytest.raises(StoreUnavailable, match="another version of everruns") as refused:
        open_store(tmp_path)
    assert "private" not in str(refused.value)
    assert list((tmp_path / JOURNAL_FOLDER).iterdir())


def test_a_damaged_journal_says_what_to_do(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    journal = Journal(tmp_path / JOURNAL_FOLDER)
    journal.write(b"one")
    journal.write(b"two")
    journal.close()
    (file,) = [path for path in (tmp_path / JOURNAL_FOLDER).iterdir() if path.stat().st_size]
    file.write_bytes(b"EVJ0" + file.read_bytes()[4:])
    with pytest.raises(StoreUnavailable, match=r"journal .* is damaged"):
        open_store(tmp_path)


def test_access_tokens_outlive_a_restart_but_not_the_encryption_key(tmp_path: Path) -> None:
    def secret(key: SecretStr | None = None, folder: str = "data") -> bytes:
        store = open_store(tmp_path / folder, key)
        store.close()
        return store.api_keys.signing_secret()

    first = secret()
    assert secret() == first
    assert secret(folder="other") != first
    assert secret(OTHER_KEY) != first
    assert first not in (tmp_path / "data" / "encryption.key").read_bytes()
