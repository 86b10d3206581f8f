"""The providers of models."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from everruns.domain.controls import NO_CONTROLS, AnswerControls
from everruns.domain.idempotency import Idempotency
from everruns.domain.llm import (
    ModelInput,
    ModelProfile,
    OfferedModel,
    Provider,
    ProviderAccount,
    ProviderInput,
    ProviderPatch,
    find_model,
    resolve_model,
)
from everruns.errors import InvalidRequest, ModelNotFound, ProviderNameTaken, ProviderNotFound
from everruns.ids import format_time, new_id, now_ms
from everruns.providers.catalogue import catalogue_models, profile_of
from everruns.providers.controls import check_controls
from everruns.providers.registry import check_settings
from everruns.registry.database import Database
from everruns.registry.revision import Revision
from everruns.remote import Repeat, remote


class Providers:
    """Adds, changes, lists and removes providers."""

    def __init__(self, database: Database, revision: Revision) -> None:
        self._database = database
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

        Args:
            wanted: The provider.
            idempotency: Gives a retry the answer of the first attempt.

        Raises:
            ProviderNameTaken: Another provider has the name.
            InvalidRequest: A setting is wrong.
        """
        async with self._changes:
            check_settings(wanted.provider_type, wanted.settings)
            others = await self.accounts()
            identity = (idempotency or Idempotency.of_call()).new_id("provider")
            if idempotency is not None and idempotency.is_repeated:
                for other in others:
                    if other.provider.id == identity:
                        return other.provider
            _refuse_taken_name(wanted.name, others)
            now = format_time(now_ms())
            provider = Provider(
                id=identity,
                name=wanted.name,
                provider_type=wanted.provider_type,
                base_url=wanted.base_url,
                api_key_set=wanted.api_key is not None,
                is_default=wanted.is_default or not others,
                status=wanted.status,
                settings=wanted.settings,
                created_at=now,
                updated_at=now,
            )
            offered = wanted.models or [
                ModelInput(model_id=model.model_id, display_name=model.display_name)
                for model in catalogue_models(wanted.provider_type)
            ]
            provider = provider.model_copy(update={"models": _models(provider, offered)})
            await self._put(ProviderAccount(provider=provider, api_key=wanted.api_key), others)
            return provider

    @remote(Repeat.YES)
    async def update(self, provider_id: str, patch: ProviderPatch) -> Provider:
        """Change a provider; running sessions pick up the change at their next turn.

        Raises:
            ProviderNotFound: There is none with this id.
            ProviderNameTaken: The new name is taken.
            InvalidRequest: A setting is wrong, or the stored key would go to a new address.
        """
        async with self._changes:
            account = await self._account(provider_id)
            others = [item for item in await self.accounts() if item.provider.id != provider_id]
            changes = patch.changes()
            if "name" in changes:
                _refuse_taken_name(changes["name"], others)
            if "settings" in changes:
                check_settings(account.provider.provider_type, changes["settings"])
            _keep_key_at_its_address(account, changes)
            api_key = changes.pop("api_key", account.api_key)
            offered: Sequence[ModelInput] | None = changes.pop("models", None)
            provider = account.provider.model_copy(
                update={
                    **changes,
                    "api_key_set": api_key is not None,
                    "updated_at": format_time(now_ms()),
                }
            )
            kept = offered or [
                ModelInput(model_id=model.model_id, display_name=model.display_name)
                for model in provider.models
            ]
            provider = provider.model_copy(update={"models": _models(provider, kept)})
            await self._put(ProviderAccount(provider=provider, api_key=api_key), others)
            return provider

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

    async def _account(self, provider_id: str) -> ProviderAccount:
        for account in await self.accounts():
            if account.provider.id == provider_id:
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


def _keep_key_at_its_address(account: ProviderAccount, changes: Mapping[str, Any]) -> None:
    """Refuse to send a stored key to an address that it was not stored for.

    A stored key cannot be read. Changing its address requires the key, because otherwise anyone
    could have it sent to an address of their own.
    """
    moves = "base_url" in changes and changes["base_url"] != account.provider.base_url
    if moves and account.api_key is not None and "api_key" not in changes:
        raise InvalidRequest(
            "A new base_url requires the provider's api_key again, because the stored key is "
            "only sent to its original address. Send both, or api_key null to remove the key."
        )


def _models(provider: Provider, offered: Sequence[ModelInput]) -> list[OfferedModel]:
    """Return a provider's models; existing models keep their ids."""
    known = {model.model_id: model for model in provider.models}
    models: list[OfferedModel] = []
    for position, wanted in enumerate({item.model_id: item for item in offered}.values()):
        before = known.get(wanted.model_id)
        profile = profile_of(provider.provider_type, wanted.model_id)
        default_name = profile.name if profile else wanted.model_id
        models.append(
            OfferedModel(
                id=before.id if before else new_id("model"),
                provider_id=provider.id,
                provider_name=provider.name,
                provider_type=provider.provider_type,
                model_id=wanted.model_id,
                display_name=wanted.display_name or default_name,
                source="predefined" if profile else "manual",
                is_default=position == 0,
                profile=profile,
                capabilities=_abilities(profile),
                created_at=before.created_at if before else provider.updated_at,
                updated_at=provider.updated_at,
            )
        )
    return models


def _abilities(profile: ModelProfile | None) -> list[str]:
    if profile is None:
        return []
    flags = {
        "tools": profile.tool_call,
        "reasoning": profile.reasoning,
        "images": profile.attachment,
        "structured_output": profile.structured_output,
    }
    return [name for name, has in flags.items() if has]
