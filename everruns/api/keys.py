"""API keys: who may come in. Only their hashes are kept.

The file is small and read anew when it has changed, so that a key created or revoked on the
command line counts at once in every running replica.
"""

import os
import secrets
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from pydantic import Field, TypeAdapter

from everruns.domain.base import Model
from everruns.errors import EverrunsError, NotFound
from everruns.ids import format_time, new_id, now_ms

SECRET_BYTES = 32
FILE_NAME = "api_keys.json"


class ApiKey(Model):
    """A key as it is kept: by it a secret is recognised, not known."""

    id: str
    name: str
    hash: str = Field(description="SHA-256 of the secret.")
    last_four: str
    created_at: str


_KEYS = TypeAdapter(list[ApiKey])


class KeyRing:
    """The API keys of a deployment.

    Args:
        data_dir: The deployment's data directory; the keys are in its ``api_keys.json``.
    """

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / FILE_NAME
        self._version: tuple[int, int] | None = None
        self._keys: list[ApiKey] = []

    def create(self, name: str) -> tuple[ApiKey, str]:
        """Create a key.

        Returns:
            The key and its secret, which is shown this once.
        """
        secret = f"evr_{secrets.token_urlsafe(SECRET_BYTES)}"
        key = ApiKey(
            id=new_id("key"),
            name=name,
            hash=_hash(secret),
            last_four=secret[-4:],
            created_at=format_time(now_ms()),
        )
        self._write([*self.list_keys(), key])
        return key, secret

    def list_keys(self) -> list[ApiKey]:
        """Return all keys, oldest first.

        Raises:
            EverrunsError: The file is damaged.
        """
        version = self._file_version()
        if version != self._version:
            self._keys = self._read() if version else []
            self._version = version
        return self._keys

    def revoke(self, key_id: str) -> None:
        """Delete a key; requests that bring it are refused from now on.

        Raises:
            NotFound: There is none with this id.
        """
        kept = [key for key in self.list_keys() if key.id != key_id]
        if len(kept) == len(self.list_keys()):
            raise NotFound(
                f"There is no API key {key_id}. `everruns keys list` shows those there are."
            )
        self._write(kept)

    def verify(self, secret: str) -> bool:
        """Tell whether a secret is that of a key; the time it takes says nothing of the keys."""
        offered = _hash(secret)
        matches = [compare_digest(offered, key.hash) for key in self.list_keys()]
        return any(matches)

    def _file_version(self) -> tuple[int, int] | None:
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino

    def _read(self) -> list[ApiKey]:
        try:
            return _KEYS.validate_json(self._file.read_bytes())
        except ValueError:
            raise EverrunsError(f"{self._file} is damaged. Restore it or delete it.") from None

    def _write(self, keys: list[ApiKey]) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._file.with_suffix(f".{os.getpid()}.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_KEYS.dump_json(keys, indent=2))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file)


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
