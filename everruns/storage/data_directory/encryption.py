"""Encryption of keys, headers and tokens of other services, and the encryption key.

AES-256 in Galois/Counter Mode: without the encryption key, the database does not reveal
a secret, and moving one to another owner is detected.
"""

import base64
import binascii
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from everruns.errors import InvalidRequest, SecretsUnreadable
from everruns.storage.data_directory.secret_file import make_secret_file

KEY_BYTES = 32
KEY_FILE = "encryption.key"

_NONCE_BYTES = 12
_VERSION = "v1:"


class Cipher:
    """Encrypts short secrets, each bound to its owner.

    Args:
        key: 32 random bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._algorithm = AESGCM(key)

    def derive_key(self, purpose: str) -> bytes:
        """Return another key of 32 bytes, which tells nothing about this one.

        Args:
            purpose: What it is for; each purpose has a key of its own.

        Source: RFC 5869 (HKDF).
        """
        # The key is random already, so no salt is needed.
        derivation = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode())
        return derivation.derive(self._key)

    def encrypt(self, secret: SecretStr, owner_id: str) -> str:
        """Return the secret as text that is safe to store.

        Args:
            secret: What to protect.
            owner_id: What it belongs to, such as the id of a resource, which is needed again to
                decrypt it.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._algorithm.encrypt(
            nonce, secret.get_secret_value().encode(), owner_id.encode()
        )
        return _VERSION + base64.b64encode(nonce + sealed).decode()

    def decrypt(self, text: str, owner_id: str) -> SecretStr:
        """Decrypt a text made by ``encrypt``.

        Raises:
            SecretsUnreadable: The text was encrypted with another key or for another owner, or it
                was changed.
        """
        try:
            token = base64.b64decode(text.removeprefix(_VERSION), validate=True)
            nonce, sealed = token[:_NONCE_BYTES], token[_NONCE_BYTES:]
            return SecretStr(self._algorithm.decrypt(nonce, sealed, owner_id.encode()).decode())
        except (InvalidTag, ValueError):
            raise SecretsUnreadable(
                f"What is encrypted for {owner_id} cannot be decrypted: it was stored with another"
                " encryption key. Set EVERRUNS_ENCRYPTION_KEY to that key, or restore the"
                f" {KEY_FILE} file of this data directory"
            ) from None


def load_key(data_dir: Path, configured: SecretStr | None) -> bytes:
    """Return the encryption key: the configured one, otherwise that of the data directory.

    Without either, a random key is created once and kept in the data directory, readable only by
    its owner.

    Args:
        data_dir: An existing directory.
        configured: 32 bytes as base64.

    Raises:
        InvalidRequest: The key is not 32 bytes of base64.
        OSError: The key file can be neither read nor created.
    """
    if configured is not None:
        return _decode(configured.get_secret_value(), "EVERRUNS_ENCRYPTION_KEY")
    path = data_dir / KEY_FILE
    if not path.exists():
        make_secret_file(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
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
