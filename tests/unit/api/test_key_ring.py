"""API keys at rest."""

import stat
from pathlib import Path

import pytest

from everruns.api.keys import KeyRing
from everruns.errors import EverrunsError, NotFound


def test_a_created_key_is_recognised_by_its_secret(tmp_path: Path):
    key, secret = KeyRing(tmp_path).create("laptop")

    assert secret.startswith("evr_")
    assert secret.endswith(key.last_four)
    assert KeyRing(tmp_path).verify(secret)


@pytest.mark.parametrize("wrong", ["", "evr_", "evr_wrong", "ключ"])
def test_other_secrets_are_not(tmp_path: Path, wrong: str):
    ring = KeyRing(tmp_path)
    ring.create("laptop")

    assert not ring.verify(wrong)


def test_an_empty_ring_lets_nobody_in(tmp_path: Path):
    assert not KeyRing(tmp_path).verify("")


def test_the_secret_is_not_kept(tmp_path: Path):
    _, secret = KeyRing(tmp_path).create("laptop")

    for file in tmp_path.iterdir():
        assert secret not in file.read_text()


def test_the_file_is_its_owners_alone(tmp_path: Path):
    KeyRing(tmp_path / "new" / "folder").create("laptop")

    (file,) = (tmp_path / "new" / "folder").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_running_ring_follows_the_file(tmp_path: Path):
    running, command_line = KeyRing(tmp_path), KeyRing(tmp_path)
    first, secret = command_line.create("one")
    assert running.verify(secret)

    command_line.revoke(first.id)
    _, other = command_line.create("two")

    assert not running.verify(secret)
    assert running.verify(other)
    assert [key.name for key in running.list_keys()] == ["two"]


def test_an_unknown_key_cannot_be_revoked(tmp_path: Path):
    with pytest.raises(NotFound):
        KeyRing(tmp_path).revoke("key_1")


def test_a_damaged_file_is_told_and_not_taken_for_an_empty_one(tmp_path: Path):
    (tmp_path / "api_keys.json").write_text("{")

    with pytest.raises(EverrunsError, match="damaged"):
        KeyRing(tmp_path).list_keys()
