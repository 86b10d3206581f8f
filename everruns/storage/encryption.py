"""Encryption of the API keys of providers, and the key that it takes.

AES-256 in Galois/Counter Mode: whoever holds the database without the encryption key can neither
read an API key nor move it to another provider unnoticed.
"""

import base64
import binascii
import contextlib
import secrets
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from everruns.errors import InvalidRequest, StoreUnavailable
from everruns.storage.durable import make_durable, make_folder_durable

KEY_BYTES = 32
KEY_FILE = "encryption.key"

_NONCE_BYTES = 12
_VERSION = "v1:"


class Cipher:
    """Encrypts short secrets, each bound to what it belongs to.

    Args:
        key: 32 random bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._algorithm = AESGCM(key)

    def encrypt(self, secret: SecretStr, owner_id: str) -> str:
        """Return the secret as text that is safe to store.

        Args:
            secret: What to protect.
            owner_id: Id of the resource it belongs to, which is needed again to decrypt it.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._algorithm.encrypt(
            nonce, secret.get_secret_value().encode(), owner_id.encode()
        )
        return _VERSION + base64.b64encode(nonce + sealed).decode()

    def decrypt(self, text: str, owner_id: str) -> SecretStr:
        """Return the secret that ``encrypt`` made this text of.

        Raises:
            StoreUnavailable: The text was encrypted with another key or for another owner, or it
                was changed.
        """
        try:
            token = base64.b64decode(text.removeprefix(_VERSION), validate=True)
            nonce, sealed = token[:_NONCE_BYTES], token[_NONCE_BYTES:]
            return SecretStr(self._algorithm.decrypt(nonce, sealed, owner_id.encode()).decode())
        except (InvalidTag, ValueError):
            raise StoreUnavailable(
                f"The API key of {owner_id} cannot be decrypted: it was stored with another"
                " encryption key. Set EVERRUNS_ENCRYPTION_KEY to that key, or put the"
                f" {KEY_FILE} file that belongs to this data directory back"
            ) from None


def load_key(data_dir: Path, configured: SecretStr | None) -> bytes:
    """Return the encryption key: the configured one, else that of the data directory.

    Without either, a random key is made once and kept in the data directory, readable by its
    owner only.

    Args:
        data_dir: An existing directory.
        configured: 32 bytes as base64.

    Raises:
        InvalidRequest: The key is not 32 bytes of base64.
        OSError: The key file can be neither read nor made.
    """
    if configured is not None:
        return _decode(configured.get_secret_value(), "EVERRUNS_ENCRYPTION_KEY")
    path = data_dir / KEY_FILE
    if not path.exists():
        _make_key_file(path)
    return _decode(path.read_text(errors="replace").strip(), str(path))


def _decode(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidRequest(
            f"{source} must be {KEY_BYTES} bytes as base64, for example the output of"
            f" 'openssl rand -base64 {KEY_BYTES}'"
        )
    return key


def _make_key_file(path: Path) -> None:
    """Make the key file whole or not at all; of several processes at once, the first one wins."""
    with tempfile.NamedTemporaryFile(dir=path.parent) as draft:  # its mode is 0600
        draft.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        draft.flush()
        make_durable(draft.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft.name)
    make_folder_durable(path.parent)
