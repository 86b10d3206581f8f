"""API keys in memory."""

import secrets

from everruns.domain.keys import ApiKey
from everruns.storage.memory.contents import Contents

SIGNING_SECRET_BYTES = 32


class MemoryApiKeys:
    """Implements ``ApiKeyStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._signing_secret = secrets.token_bytes(SIGNING_SECRET_BYTES)

    def signing_secret(self) -> bytes:
        """Return the 32 bytes that sign access tokens, the same as long as the store lasts."""
        return self._signing_secret

    def put(self, *keys: ApiKey) -> None:
        """Store API keys, all or none, replacing those with their ids."""
        with self._contents.lock:
            self._contents.api_keys |= {key.id: key for key in keys}

    def delete(self, key_id: str) -> bool:
        """Delete an API key; return whether it existed."""
        with self._contents.lock:
            return self._contents.api_keys.pop(key_id, None) is not None

    def list(self) -> list[ApiKey]:
        """Return every API key, oldest first."""
        with self._contents.lock:
            keys = self._contents.api_keys.values()
            return sorted(keys, key=lambda key: (key.created_at, key.id))
