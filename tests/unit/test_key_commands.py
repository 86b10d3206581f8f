"""`everruns keys` where no server runs, and where one runs that does not answer."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from everruns import cli
from everruns.domain.keys import hash_secret
from everruns.errors import Conflict, InvalidRequest, NotFound
from everruns.storage.data_directory import open_store
from everruns.storage.lock import lock_data_directory


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Undo what opening a store does to the process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def keys(data_dir: Path, *words: str) -> Result:
    runner = CliRunner()
    return runner.invoke(cli.cli, ["keys", *words, "--data-dir", str(data_dir)])


def test_without_a_server_the_store_is_opened(tmp_path: Path):
    secret = re.search(r"^evr_\S+$", keys(tmp_path, "create", "laptop").output, re.MULTILINE)
    assert secret is not None

    store = open_store(tmp_path)
    (key,) = store.list_api_keys()
    store.close()
    assert (key.name, key.hash) == ("laptop", hash_secret(secret[0]))

    assert key.id in keys(tmp_path, "list").output
    assert keys(tmp_path, "revoke", key.id).exit_code == 0
    assert key.id not in keys(tmp_path, "list").output
    assert isinstance(keys(tmp_path, "revoke", key.id).exception, NotFound)


def test_a_name_that_cannot_be_shown_is_refused_before_anything_is_opened(tmp_path: Path):
    refused = keys(tmp_path / "new", "create", "two\nlines")

    assert isinstance(refused.exception, InvalidRequest)
    assert not (tmp_path / "new").exists()


def test_a_server_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cli, "SERVER_TIMEOUT_S", 0.05)
    monkeypatch.setattr(cli, "SERVER_POLL_S", 0.01)

    with lock_data_directory(tmp_path, "http://127.0.0.1:9300"):
        refused = keys(tmp_path, "list")

    assert isinstance(refused.exception, Conflict)
    assert "No server answers" in refused.exception.message
    assert f"http://127.0.0.1:9300 (process {os.getpid()})" in refused.exception.message
