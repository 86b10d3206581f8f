"""The file of API keys that earlier versions left is taken over once."""

import json
from pathlib import Path

import pytest

from everruns.domain.keys import new_api_key
from everruns.errors import StoreUnavailable
from everruns.storage.data_directory.opening import open_store


def write(data_dir: Path, *names: str) -> list[dict]:
    keys = [new_api_key(name)[0].model_dump() for name in names]
    (data_dir / "api_keys.json").write_text(json.dumps(keys))
    return keys


def test_its_keys_are_in_the_store_and_it_is_renamed(tmp_path: Path):
    keys = write(tmp_path, "laptop", "phone")

    store = open_store(tmp_path)

    assert [key.model_dump() for key in store.api_keys.list()] == keys
    store.close()
    assert not (tmp_path / "api_keys.json").exists()
    assert json.loads((tmp_path / "api_keys.json.imported").read_text()) == keys


def test_a_key_that_was_revoked_since_does_not_come_back(tmp_path: Path):
    (key,) = write(tmp_path, "laptop")
    store = open_store(tmp_path)
    store.api_keys.delete(key["id"])
    store.close()

    store = open_store(tmp_path)

    assert store.api_keys.list() == []
    store.close()


def test_one_that_is_damaged_is_told_and_left_alone(tmp_path: Path):
    (tmp_path / "api_keys.json").write_text("{")

    with pytest.raises(StoreUnavailable, match=r"api_keys\.json is damaged"):
        open_store(tmp_path)

    assert (tmp_path / "api_keys.json").read_text() == "{"
