"""What a store promises about API keys."""

from typing import Protocol

from everruns.domain.keys import ApiKey


class ApiKeyStore(Protocol):
    """Keeps API keys, by the hashes by which they are recognised, and what signs access tokens."""

    def signing_secret(self) -> bytes:
        """Return the 32 bytes that sign access tokens, the same as long as the store lasts."""
        ...

    def put(self, *keys: ApiKey) -> None:
        """Store API keys, all or none, replacing those with their ids."""
        ...

    def delete(self, key_id: str) -> bool:
        """Delete an API key; return whether it existed."""
        ...

    def list(self) -> list[ApiKey]:
        """Return every API key, oldest first."""
        ...
