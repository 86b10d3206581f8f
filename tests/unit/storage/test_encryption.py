"""API keys are unreadable at rest, and the key that opens them is kept with care."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from everruns.errors import InvalidRequest, StoreUnavailable
from everruns.storage.data_directory.encryption import KEY_FILE, Cipher, load_key

KEY = bytes(range(32))
SECRET = SecretStr("sk-very-secret-Ä")


def test_a_secret_comes_back_for_its_owner() -> None:
    cipher = Cipher(KEY)
    assert cipher.decrypt(cipher.encrypt(SECRET, "provider_1"), "provider_1") == SECRET


def test_encrypted_text_is_versioned_and_never_the_same_twice() -> None:
    first, second = (Cipher(KEY).encrypt(SECRET, "provider_1") for _ in range(2))
    assert first.startswith("v1:")
    assert first != second
    assert "secret" not in first


@pytest.mark.parametrize(
    ("key", "owner", "spoil"),
    [
        (bytes(32), "provider_1", lambda text: text),
        (KEY, "provider_2", lambda text: text),
        (KEY, "provider_1", lambda text: text[:-4] + "AAA="),
        (KEY, "provider_1", lambda text: text[:9]),
        (KEY, "provider_1", lambda _: ""),
        (KEY, "provider_1", lambda text: text.replace("v1:", "v9:")),
    ],
    ids=["other key", "other owner", "changed", "cut", "empty", "other version"],
)
def test_what_cannot_be_decrypted_says_what_to_do(key: bytes, owner: str, spoil) -> None:
    text = spoil(Cipher(KEY).encrypt(SECRET, "provider_1"))
    with pytest.raises(StoreUnavailable, match="EVERRUNS_ENCRYPTION_KEY") as failure:
        Cipher(key).decrypt(text, owner)
    assert "secret" not in str(failure.value)


def test_a_configured_key_is_taken_and_no_file_made(tmp_path: Path) -> None:
    assert load_key(tmp_path, SecretStr(base64.b64encode(KEY).decode())) == KEY
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(KEY[1:]).decode(), "ä" * 44])
def test_a_key_that_is_not_32_bytes_is_refused_without_repeating_it(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(InvalidRequest, match="EVERRUNS_ENCRYPTION_KEY must be 32 bytes") as failure:
        load_key(tmp_path, SecretStr(text))
    assert not text or text not in str(failure.value)


def test_without_a_key_one_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    made = load_key(tmp_path, None)
    assert len(made) == 32
    assert load_key(tmp_path, None) == made
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_many_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_key(tmp_path, None), range(16)))
    assert len(keys) == 1


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidRequest, match=KEY_FILE):
        load_key(tmp_path, None)
