"""Providers in memory."""

from everruns.domain.llm import ProviderAccount
from everruns.storage.memory.contents import Contents


class MemoryProviders:
    """Implements ``ProviderStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def put(self, *accounts: ProviderAccount) -> None:
        """Store providers with their secrets, all or none, replacing those with their ids."""
        with self._contents.lock:
            self._contents.providers |= {account.provider.id: account for account in accounts}

    def delete(self, provider_id: str) -> bool:
        """Delete a provider; return whether it existed."""
        with self._contents.lock:
            return self._contents.providers.pop(provider_id, None) is not None

    def list(self) -> list[ProviderAccount]:
        """Return every provider with its secrets, newest first."""
        with self._contents.lock:
            accounts = tuple(self._contents.providers.values())
        return sorted(
            accounts,
            key=lambda account: (account.provider.created_at, account.provider.id),
            reverse=True,
        )
