"""API keys in memory."""

import secrets
from threading import Lock

from everruns.domain.keys import ApiKey

SIGNING_SECRET_BYTES = 32


class MemoryApiKeys:
    """Keeps API keys in a dictionary behind a lock; implements ``ApiKeyStore``."""

    def __init__(self) -> None:
        self._api_keys_lock = Lock()
        self._api_keys: dict[str, ApiKey] = {}
        self._signing_secret = secrets.token_bytes(SIGNING_SECRET_BYTES)

    def signing_secret(self) -> bytes:
        """Return the 32 bytes that sign access tokens, the same as long as the store lasts."""
        return self._signing_secret

    def put_api_keys(self, *keys: ApiKey) -> None:
        """Store API keys, all or none, replacing those with their ids."""
        with self._api_keys_lock:
            self._api_keys.update({key.id: key for key in keys})

    def list_api_keys(self) -> list[ApiKey]:
        """Return every API key, oldest first."""
        with self._api_keys_lock:
            return sorted(self._api_keys.values(), key=lambda key: (key.created_at, key.id))

    def delete_api_key(self, key_id: str) -> bool:
        """Delete an API key; return whether it existed."""
        with self._api_keys_lock:
            return self._api_keys.pop(key_id, None) is not None
