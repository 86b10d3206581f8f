"""What a store promises about providers."""

from typing import Protocol

from everruns.domain.llm import ProviderAccount


class ProviderStore(Protocol):
    """Keeps providers with their secrets."""

    def put(self, *accounts: ProviderAccount) -> None:
        """Store providers with their secrets, all or none, replacing those with their ids."""
        ...

    def delete(self, provider_id: str) -> bool:
        """Delete a provider; return whether it existed."""
        ...

    def list(self) -> list[ProviderAccount]:
        """Return every provider with its secrets, newest first."""
        ...
