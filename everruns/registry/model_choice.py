"""Choosing the models of a provider that is added, has moved or is synced."""

from collections.abc import Sequence
from dataclasses import dataclass

from everruns.domain.llm import (
    MAX_OFFERED_MODELS,
    ModelInput,
    ModelProfile,
    Provider,
    ProviderAccount,
    SyncedModels,
)
from everruns.errors import Overloaded
from everruns.registry.inquiries import LIST_TIMEOUT_S, Inquiries, Listing
from everruns.registry.offered_models import (
    Candidate,
    from_catalogue,
    from_client,
    from_list,
    is_discovered,
    offered,
    with_published,
    without_price,
)


@dataclass(frozen=True)
class Choice:
    """The models that a provider is to offer.

    Attributes:
        candidates: The models; the first is the default.
        error: Why the provider's own list could not be read, in words.
    """

    candidates: Sequence[Candidate]
    error: str | None = None

    def put_into(
        self, account: ProviderAccount, *, is_default: bool | None = None
    ) -> ProviderAccount:
        """Return the account with these models."""
        provider = account.provider
        chosen = provider.model_copy(
            update={
                "models": offered(provider, self.candidates),
                "models_error": self.error,
                "is_default": provider.is_default if is_default is None else is_default,
            }
        )
        return account.model_copy(update={"provider": chosen})


async def choose(
    inquiries: Inquiries, account: ProviderAccount, models: Sequence[ModelInput]
) -> Choice:
    """Choose the models of a provider that is new or has moved."""
    provider, error = account.provider, None
    if models:
        candidates = from_client(provider, models)
    elif is_discovered(provider):
        listing = await _first_listing(inquiries, account)
        candidates, error = from_list(provider, listing.models), listing.error
    else:
        candidates = from_catalogue(provider)
    known = await published(inquiries, provider, candidates)
    return Choice(with_published(candidates, known), error)


async def _first_listing(inquiries: Inquiries, account: ProviderAccount) -> Listing:
    """Ask a provider that is added or has moved, which succeeds whether it answers or not."""
    try:
        async with inquiries.place(LIST_TIMEOUT_S):
            return await ask_for_models(inquiries, account)
    except Overloaded:
        return Listing(error="Too many providers were being asked. Sync its models shortly.")


async def ask_for_models(inquiries: Inquiries, account: ProviderAccount) -> Listing:
    """Ask a provider for its models; a list without any is an error too.

    The catalogue knows all that the built-in providers have.
    """
    provider = account.provider
    if provider.base_url is None and provider.provider_type in {"simulated", "local"}:
        return Listing()
    listing = await inquiries.list_models(account)
    if not listing.models and listing.error is None:
        return Listing(error=f"Provider {provider.name} lists no model for chat.")
    return listing


async def published(
    inquiries: Inquiries, provider: Provider, candidates: Sequence[Candidate]
) -> dict[str, ModelProfile]:
    """Return the published prices and limits of the candidates that have no price, by name."""
    names = without_price(provider, candidates)
    return await inquiries.profiles(provider, names)


def synced(before: Provider, after: Provider, listing: Listing) -> SyncedModels:
    """Return what came of a sync, from the provider's states before and after it."""
    if listing.error is not None:
        return SyncedModels(status="failed", message=listing.error, models=after.models)
    old, new = ({model.id for model in provider.models} for provider in (before, after))
    message = f"Models offered: {len(new)}."
    if len(new) == MAX_OFFERED_MODELS and len(listing.models) > len(new):
        message = (
            f"The provider lists {len(listing.models)} models; {len(new)} are offered, the maximum."
            " To offer others, list them in the provider's models."
        )
    return SyncedModels(
        status="success",
        created=len(new - old),
        updated=len(new & old),
        stale=len(old - new),
        message=message,
        models=after.models,
    )
