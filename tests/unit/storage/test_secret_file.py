"""A secret file is whole or not there, and its owner's alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from everruns.storage.data_directory import secret_file
from everruns.storage.data_directory.secret_file import make_secret_file


def test_it_holds_what_was_given_for_its_owner_alone(tmp_path: Path) -> None:
    make_secret_file(tmp_path / "token", b"secret")

    assert (tmp_path / "token").read_bytes() == b"secret"
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_one_that_is_there_is_kept(tmp_path: Path) -> None:
    make_secret_file(tmp_path / "token", b"first")
    make_secret_file(tmp_path / "token", b"second")

    assert (tmp_path / "token").read_bytes() == b"first"


def test_of_several_at_once_one_wins_and_nobody_reads_a_part(tmp_path: Path) -> None:
    path = tmp_path / "token"

    def make(number: int) -> bytes:
        make_secret_file(path, bytes([number]) * 10_000)
        return path.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        read = set(pool.map(make, range(32)))

    assert len(read) == 1
    assert len(read.pop()) == 10_000


def test_a_crash_before_the_content_is_on_the_disk_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(_descriptor: int) -> None:
        raise OSError("power cut")

    monkeypatch.setattr(secret_file, "make_durable", crash)
    with pytest.raises(OSError, match="power cut"):
        make_secret_file(tmp_path / "token", b"secret")

    assert list(tmp_path.iterdir()) == []
