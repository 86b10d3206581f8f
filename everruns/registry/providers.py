"""The providers of models."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from everruns.domain.idempotency import Idempotency
from everruns.domain.llm import (
    MAX_OFFERED_MODELS,
    ModelInput,
    ModelProfile,
    OfferedModel,
    Provider,
    ProviderAccount,
    ProviderInput,
    ProviderPatch,
    ProviderTest,
    ProviderTested,
    SyncedModels,
    find_model,
)
from everruns.errors import (
    Conflict,
    ModelNotFound,
    Overloaded,
    ProviderNameTaken,
    ProviderNotFound,
)
from everruns.ids import format_time, now_ms
from everruns.providers.provider_settings import check_settings
from everruns.registry.database import Database
from everruns.registry.inquiries import LIST_TIMEOUT_S, Inquiries, Listing
from everruns.registry.offered_models import (
    Candidate,
    from_catalogue,
    from_client,
    from_list,
    is_discovered,
    offered,
    unchanged,
    with_published,
    without_price,
)
from everruns.registry.provider_changes import asks_again, changed, same_source
from everruns.registry.revision import Revision
from everruns.remote import Repeat, remote


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


class Providers:
    """Adds, changes, lists and removes providers."""

    def __init__(self, database: Database, revision: Revision, inquiries: Inquiries) -> None:
        self._database = database
        self._inquiries = inquiries
        self._store = database.store
        self._revision = revision
        self._changes = asyncio.Lock()

    @remote(Repeat.YES)
    async def accounts(self) -> list[ProviderAccount]:
        """Return every provider with its key; only for session hosts."""
        return await self._database.read(self._store.list_providers)

    @remote(Repeat.YES)
    async def list(self) -> list[Provider]:
        """Return every provider, newest first."""
        return [account.provider for account in await self.accounts()]

    @remote(Repeat.YES)
    async def get(self, provider_id: str) -> Provider:
        """Return a provider.

        Raises:
            ProviderNotFound: There is none with this id.
        """
        return (await self._account(provider_id)).provider

    @remote(Repeat.YES)
    async def models(self) -> Sequence[OfferedModel]:
        """Return the models of all active providers, each provider's in its own order."""
        providers = [item for item in await self.list() if item.status == "active"]
        return [model for provider in providers for model in provider.models]

    @remote(Repeat.YES)
    async def get_model(self, model_id: str) -> OfferedModel:
        """Return a model by its id or ``<provider name>/<model name>``.

        Raises:
            ModelNotFound: No active provider offers it.
        """
        model = find_model(await self.list(), model_id)
        if model is None:
            raise ModelNotFound(f"Model {model_id} not found")
        return model

    @remote(Repeat.YES)
    async def offers(self, model: str) -> bool:
        """Tell whether an active provider offers this model."""
        return find_model(await self.list(), model) is not None

    @remote(Repeat.KEYED)
    async def add(self, wanted: ProviderInput, idempotency: Idempotency | None = None) -> Provider:
        """Add a provider; the first one becomes the default.

        Without models, a provider away from its vendor's address is asked for its own. If it does
        not answer, it is added without any, and ``models_error`` says why.

        Args:
            wanted: The provider.
            idempotency: Gives a retry the answer of the first attempt.

        Raises:
            ProviderNameTaken: Another provider has the name.
            InvalidRequest: A setting is wrong.
        """
        check_settings(wanted.provider_type, wanted.settings)
        identity = (idempotency or Idempotency.of_call()).new_id("provider")
        is_repeated = idempotency is not None and idempotency.is_repeated
        others = await self.accounts()
        if is_repeated and (added := _with_id(others, identity)):
            return added.provider
        _refuse_taken_name(wanted.name, others)
        now = format_time(now_ms())
        provider = Provider(
            id=identity,
            name=wanted.name,
            provider_type=wanted.provider_type,
            base_url=wanted.base_url,
            api_key_set=wanted.api_key is not None,
            headers=sorted(wanted.headers or ()),
            status=wanted.status,
            settings=wanted.settings,
            created_at=now,
            updated_at=now,
        )
        account = ProviderAccount(
            provider=provider, api_key=wanted.api_key, headers=wanted.headers or {}
        )
        choice = await self._choose(account, wanted.models)
        async with self._changes:
            others = await self.accounts()
            if is_repeated and (added := _with_id(others, identity)):
                return added.provider
            _refuse_taken_name(wanted.name, others)
            is_default = wanted.is_default or not others
            account = choice.put_into(account, is_default=is_default)
            await self._put(account, others)
            return account.provider

    @remote(Repeat.YES)
    async def update(self, provider_id: str, patch: ProviderPatch) -> Provider:
        """Change a provider; running sessions pick up the change at their next turn.

        If it moves and only has models that its list named, it is asked for its models anew.

        Raises:
            ProviderNotFound: There is none with this id.
            ProviderNameTaken: The new name is taken.
            InvalidRequest: A setting is wrong, or the stored key or headers would go to a new
                address.
        """
        changes = patch.changes()
        listed: Sequence[ModelInput] = changes.pop("models", None) or ()
        before = await self._account(provider_id)
        wanted = changed(before, changes)
        choice = None
        if listed or asks_again(before, wanted):
            choice = await self._choose(wanted, listed)
        async with self._changes:
            before = await self._account(provider_id)
            others = [item for item in await self.accounts() if item.provider.id != provider_id]
            if "name" in changes:
                _refuse_taken_name(changes["name"], others)
            account = changed(before, changes)
            if choice is None or not same_source(account, wanted):
                choice = Choice(unchanged(account.provider), account.provider.models_error)
            account = choice.put_into(account)
            await self._put(account, others)
            return account.provider

    @remote(Repeat.YES)
    async def sync_models(self, provider_id: str) -> SyncedModels:
        """Ask a provider for its models again.

        Models that a client listed stay, those that the provider no longer has go. If it cannot be
        asked, its models stay as they are.

        Raises:
            ProviderNotFound: There is none with this id.
            Overloaded: Too many providers are being asked.
            Conflict: The provider was changed meanwhile.
        """
        asked = await self._account(provider_id)
        async with self._inquiries.place():
            listing = await self._listing(asked)
            wanted = from_list(asked.provider, listing.models)
            published = await self._published(asked.provider, wanted)
        async with self._changes:
            account = await self._account(provider_id)
            others = [item for item in await self.accounts() if item.provider.id != provider_id]
            if not same_source(account, asked):
                raise Conflict("The provider was changed while it was asked. Sync again.")
            provider = account.provider
            choice = Choice(unchanged(provider), listing.error)
            if listing.error is None:
                wanted = from_list(provider, listing.models)
                choice = Choice(with_published(wanted, published))
            updated = provider.model_copy(update={"updated_at": format_time(now_ms())})
            synced = choice.put_into(account.model_copy(update={"provider": updated}))
            await self._put(synced, others)
        return _synced(provider, synced.provider, listing)

    @remote(Repeat.NO)
    async def test(self, provider_id: str, wanted: ProviderTest) -> ProviderTested:
        """Make one small call of a provider's model, and say what came of it.

        Raises:
            ProviderNotFound: There is none with this id.
            Overloaded: Too many providers are being asked.
        """
        account = await self._account(provider_id)
        async with self._inquiries.place():
            return await self._inquiries.test(account, wanted.model)

    @remote(Repeat.KEYED)
    async def delete(self, provider_id: str, idempotency: Idempotency | None = None) -> None:
        """Remove a provider and its key.

        Args:
            provider_id: The provider to remove.
            idempotency: Gives a retry the answer of the first attempt.

        Raises:
            ProviderNotFound: There is none with this id.
        """
        async with self._changes:
            deleted = await self._database.write(self._store.delete_provider, provider_id)
            if not deleted and not (idempotency and idempotency.is_repeated):
                raise ProviderNotFound(f"Provider {provider_id} not found")
            self._revision.advance()

    async def _choose(self, account: ProviderAccount, models: Sequence[ModelInput]) -> Choice:
        """Choose the models of a provider that is new or has moved."""
        provider, error = account.provider, None
        if models:
            candidates = from_client(provider, models)
        elif is_discovered(provider):
            listing = await self._first_listing(account)
            candidates, error = from_list(provider, listing.models), listing.error
        else:
            candidates = from_catalogue(provider)
        published = await self._published(provider, candidates)
        return Choice(with_published(candidates, published), error)

    async def _first_listing(self, account: ProviderAccount) -> Listing:
        """Ask a provider that is added or has moved, which succeeds whether it answers or not."""
        try:
            async with self._inquiries.place(LIST_TIMEOUT_S):
                return await self._listing(account)
        except Overloaded:
            return Listing(error="Too many providers were being asked. Sync its models shortly.")

    async def _listing(self, account: ProviderAccount) -> Listing:
        provider = account.provider
        if provider.base_url is None and provider.provider_type in {"simulated", "local"}:
            return Listing()
        listing = await self._inquiries.list_models(account)
        if not listing.models and listing.error is None:
            return Listing(error=f"Provider {provider.name} lists no model for chat.")
        return listing

    async def _published(
        self, provider: Provider, candidates: Sequence[Candidate]
    ) -> dict[str, ModelProfile]:
        names = without_price(provider, candidates)
        return await self._inquiries.profiles(provider, names)

    async def _account(self, provider_id: str) -> ProviderAccount:
        if account := _with_id(await self.accounts(), provider_id):
            return account
        raise ProviderNotFound(f"Provider {provider_id} not found")

    async def _put(self, account: ProviderAccount, others: Sequence[ProviderAccount]) -> None:
        demoted = [
            other.model_copy(
                update={"provider": other.provider.model_copy(update={"is_default": False})}
            )
            for other in others
            if account.provider.is_default and other.provider.is_default
        ]
        await self._database.write(self._store.put_providers, account, *demoted)
        self._revision.advance()


def _refuse_taken_name(name: str, others: Sequence[ProviderAccount]) -> None:
    if any(other.provider.name == name for other in others):
        raise ProviderNameTaken(f"A provider named {name!r} already exists. Choose another name.")


def _with_id(accounts: Sequence[ProviderAccount], provider_id: str) -> ProviderAccount | None:
    return next((item for item in accounts if item.provider.id == provider_id), None)


def _synced(before: Provider, after: Provider, listing: Listing) -> SyncedModels:
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
