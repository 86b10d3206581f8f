"""The providers of models."""

import asyncio
from collections.abc import Sequence

from everruns.domain.controls import NO_CONTROLS, AnswerControls
from everruns.domain.idempotency import Idempotency
from everruns.domain.llm import (
    ModelInput,
    OfferedModel,
    Provider,
    ProviderAccount,
    ProviderInput,
    ProviderPatch,
    ProviderTest,
    ProviderTested,
    SyncedModels,
    find_model,
    resolve_model,
    with_default_marked,
)
from everruns.errors import (
    Conflict,
    ModelNotFound,
    ProviderNameTaken,
    ProviderNotFound,
)
from everruns.ids import format_time, now_ms
from everruns.providers.controls import check_controls
from everruns.providers.provider_settings import check_address, check_settings
from everruns.registry.database import Database
from everruns.registry.inquiries import Inquiries
from everruns.registry.model_choice import Choice, ask_for_models, choose, published, synced
from everruns.registry.offered_models import (
    from_list,
    unchanged,
    with_published,
)
from everruns.registry.provider_changes import asks_again, changed, same_source
from everruns.registry.revision import Revision
from everruns.remote import Repeat, remote


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
        stored = await self._database.control.read(self._store.providers.list)
        return [
            account.model_copy(update={"provider": with_default_marked(account.provider)})
            for account in stored
        ]

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

    async def check_controls(
        self, controls: AnswerControls | None, wishes: Sequence[str | None]
    ) -> None:
        """Check that the model that will answer takes these options, if there is such a model.

        Args:
            controls: The options.
            wishes: Names of models in order of precedence (see ``resolve_model``).

        Raises:
            InvalidRequest: It does not take one of them; the message names both.
        """
        if controls is None or controls == NO_CONTROLS:
            return
        providers = await self.list()
        model, _ = resolve_model(providers, wishes)
        if model is not None:
            provider = next(item for item in providers if item.id == model.provider_id)
            check_controls(provider, model, controls)

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
            InvalidRequest: A setting is wrong, or the type requires a ``base_url``.
        """
        check_settings(wanted.provider_type, wanted.settings)
        check_address(wanted.provider_type, wanted.base_url)
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
        choice = await choose(self._inquiries, account, wanted.models)
        async with self._changes:
            others = await self.accounts()
            if is_repeated and (added := _with_id(others, identity)):
                return added.provider
            _refuse_taken_name(wanted.name, others)
            is_default = wanted.is_default or not others
            account = choice.put_into(account, is_default=is_default)
            return await self._put(account, others)

    @remote(Repeat.YES)
    async def update(self, provider_id: str, patch: ProviderPatch) -> Provider:
        """Change a provider; running sessions pick up the change at their next model call.

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
            choice = await choose(self._inquiries, wanted, listed)
        async with self._changes:
            before = await self._account(provider_id)
            others = [item for item in await self.accounts() if item.provider.id != provider_id]
            if "name" in changes:
                _refuse_taken_name(changes["name"], others)
            account = changed(before, changes)
            if choice is None or not same_source(account, wanted):
                choice = Choice(unchanged(account.provider), account.provider.models_error)
            account = choice.put_into(account)
            return await self._put(account, others)

    @remote(Repeat.YES, timeout_s=30)
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
            listing = await ask_for_models(self._inquiries, asked)
            wanted = from_list(asked.provider, listing.models)
            known = await published(self._inquiries, asked.provider, wanted)
        async with self._changes:
            account = await self._account(provider_id)
            others = [item for item in await self.accounts() if item.provider.id != provider_id]
            if not same_source(account, asked):
                raise Conflict("The provider was changed while it was asked. Sync again.")
            provider = account.provider
            choice = Choice(unchanged(provider), listing.error)
            if listing.error is None:
                wanted = from_list(provider, listing.models)
                choice = Choice(with_published(wanted, known))
            updated = provider.model_copy(update={"updated_at": format_time(now_ms())})
            put = choice.put_into(account.model_copy(update={"provider": updated}))
            after = await self._put(put, others)
        return synced(provider, after, listing)

    @remote(Repeat.NO, timeout_s=45)
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
            deleted = await self._database.control.write(self._store.providers.delete, provider_id)
            if not deleted and not (idempotency and idempotency.is_repeated):
                raise ProviderNotFound(f"Provider {provider_id} not found")
            await self._revision.advance()

    async def _account(self, provider_id: str) -> ProviderAccount:
        if account := _with_id(await self.accounts(), provider_id):
            return account
        raise ProviderNotFound(f"Provider {provider_id} not found")

    async def _put(self, account: ProviderAccount, others: Sequence[ProviderAccount]) -> Provider:
        demoted = [
            other.model_copy(
                update={"provider": other.provider.model_copy(update={"is_default": False})}
            )
            for other in others
            if account.provider.is_default and other.provider.is_default
        ]
        await self._database.control.write(self._store.providers.put, account, *demoted)
        await self._revision.advance()
        return with_default_marked(account.provider)


def _refuse_taken_name(name: str, others: Sequence[ProviderAccount]) -> None:
    if any(other.provider.name == name for other in others):
        raise ProviderNameTaken(f"A provider named {name!r} already exists. Choose another name.")


def _with_id(accounts: Sequence[ProviderAccount], provider_id: str) -> ProviderAccount | None:
    return next((item for item in accounts if item.provider.id == provider_id), None)
