"""Which server a command finds, and with which key."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from everruns.commands.finding import find_address, find_key
from everruns.errors import InvalidRequest
from everruns.storage.data_directory.lock import lock_data_directory


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("EVERRUNS_")]:
        monkeypatch.delenv(name)


def test_the_server_of_the_data_directory_is_found(tmp_path: Path):
    with lock_data_directory(tmp_path, "http://127.0.0.1:41234"):
        assert find_address(None, tmp_path) == "http://127.0.0.1:41234"


def test_a_named_server_comes_first(tmp_path: Path):
    with lock_data_directory(tmp_path, "http://127.0.0.1:41234"):
        assert find_address("https://agents.example/", tmp_path) == "https://agents.example"


def test_the_address_of_a_server_that_has_ended_is_not_used(tmp_path: Path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    holder = {"pid": ended.pid, "address": "http://127.0.0.1:41234"}
    (tmp_path / "server.lock").write_text(json.dumps(holder))

    assert find_address(None, tmp_path) == "http://127.0.0.1:9300"


@pytest.mark.parametrize("content", ["", "[]", '{"pid": "x", "address": 1}', '{"pid": 1e99}'])
def test_a_lock_that_says_nothing_is_as_good_as_none(tmp_path: Path, content: str):
    (tmp_path / "server.lock").write_text(content)

    assert find_address(None, tmp_path) == "http://127.0.0.1:9300"


def test_without_a_server_the_settings_say_where_one_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EVERRUNS_HOST", "0.0.0.0")
    monkeypatch.setenv("EVERRUNS_PORT", "9555")

    assert find_address(None, tmp_path) == "http://127.0.0.1:9555"


def test_a_server_on_any_port_has_to_run_to_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EVERRUNS_PORT", "0")

    with pytest.raises(InvalidRequest, match="No server runs on the data directory"):
        find_address(None, tmp_path)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:9300",
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://user:word@host",
        "http://host/?a=b",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises(InvalidRequest, match="must be an address such as"):
        find_address(address, None)


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    assert find_key(None) is None
    monkeypatch.setenv("EVERRUNS_API_KEY", "evr_1\n")

    assert find_key(None) == "evr_1"


def test_a_key_file_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EVERRUNS_API_KEY", "evr_1")
    (tmp_path / "key").write_text("evr_2\n")

    assert find_key(tmp_path / "key") == "evr_2"


@pytest.mark.parametrize("content", [b"", b"two\nlines", b"\xff\xfe", b"k" * 5000])
def test_a_file_without_a_key_is_refused_and_not_shown(tmp_path: Path, content: bytes):
    (tmp_path / "key").write_bytes(content)

    with pytest.raises(InvalidRequest, match="must be an API key") as refused:
        find_key(tmp_path / "key")
    assert "lines" not in refused.value.message.removesuffix("characters.").replace("one line", "")


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(InvalidRequest, match="none: No such file"):
        find_key(tmp_path / "none")
