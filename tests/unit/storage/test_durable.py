"""Files are made durable with what the system has."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from everruns.storage.data_directory import durable
from everruns.storage.data_directory.durable import make_durable, make_folder_durable

FULL_SYNC = 51


class Calls:
    """Notes how the system is asked to write to the disk, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        self._patch = monkeypatch
        monkeypatch.setattr(os, "fsync", lambda _: self.made.append("fsync"))
        monkeypatch.setattr(os, "fdatasync", lambda _: self.made.append("fdatasync"), raising=False)

    def on_macos(self, failure: OSError | None = None) -> None:
        def control(_descriptor: int, command: int) -> int:
            assert command == FULL_SYNC
            self.made.append("F_FULLFSYNC")
            if failure:
                raise failure
            return 0

        self._patch.delattr(os, "fdatasync")
        self._patch.setattr(fcntl, "F_FULLFSYNC", FULL_SYNC, raising=False)
        self._patch.setattr(durable.fcntl, "fcntl", control)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def test_linux_writes_the_content_and_size_of_a_file(calls: Calls) -> None:
    make_durable(0)
    assert calls.made == ["fdatasync"]


def test_macos_also_empties_the_cache_of_the_drive(calls: Calls) -> None:
    calls.on_macos()
    make_durable(0)
    assert calls.made == ["F_FULLFSYNC"]


def test_a_file_system_without_a_full_sync_gets_a_plain_one(calls: Calls) -> None:
    calls.on_macos(OSError(errno.ENOTSUP, "Operation not supported"))
    make_durable(0)
    assert calls.made == ["F_FULLFSYNC", "fsync"]


def test_a_full_sync_that_fails_is_not_hidden(calls: Calls) -> None:
    calls.on_macos(OSError(errno.EIO, "Input/output error"))
    with pytest.raises(OSError, match="Input/output"):
        make_durable(0)
    assert calls.made == ["F_FULLFSYNC"]


def test_any_other_system_gets_a_plain_sync(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fdatasync")
    make_durable(0)
    assert calls.made == ["fsync"]


def test_a_folder_is_made_durable_with_its_names(calls: Calls, tmp_path: Path) -> None:
    make_folder_durable(tmp_path)
    assert calls.made == ["fsync"]


def test_a_folder_on_macos_gets_a_full_sync_too(calls: Calls, tmp_path: Path) -> None:
    calls.on_macos()
    make_folder_durable(tmp_path)
    assert calls.made == ["F_FULLFSYNC"]


def test_what_is_made_durable_for_real_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(b"content")
        file.flush()
        make_durable(file.fileno())
    make_folder_durable(tmp_path)
    assert path.read_bytes() == b"content"
