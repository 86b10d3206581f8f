"""What is not copied into PostgreSQL, and why; no server starts on a part of a copy."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from everruns.errors import Conflict, InvalidRequest, StoreUnavailable
from everruns.storage.data_directory.lock import lock_data_directory
from everruns.storage.data_directory.opening import open_store
from everruns.storage.opening import open_configured_store
from everruns.storage.transfer import target
from everruns.storage.transfer.copying import copy_data_directory
from tests.contract.transfer.copies import silent, stopping_at
from tests.stored import (
    agent,
    api_key,
)

pytestmark = pytest.mark.usefixtures("umask")

OTHER_KEY = SecretStr("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")


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
