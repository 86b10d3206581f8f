"""Applying a patch to a provider, and refusing one that would give its secrets away."""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from everruns.domain.llm import ProviderAccount
from everruns.errors import CredentialsRequired
from everruns.ids import format_time, now_ms
from everruns.providers.provider_settings import check_address, check_settings


def changed(account: ProviderAccount, changes: Mapping[str, Any]) -> ProviderAccount:
    """Return an account with the changes of a patch, other than those of its models.

    Raises:
        InvalidRequest: A setting is wrong, or the address that the type requires is removed.
        CredentialsRequired: The stored key or headers would go to a new address.
    """
    if "settings" in changes:
        check_settings(account.provider.provider_type, changes["settings"])
    if "base_url" in changes:
        check_address(account.provider.provider_type, changes["base_url"])
    _keep_secrets_at_their_address(account, changes)
    api_key: SecretStr | None = changes.get("api_key")
    if "api_key" not in changes:
        api_key = account.api_key
    headers: dict[str, SecretStr] = changes.get("headers") or {}
    if "headers" not in changes:
        headers = account.headers
    provider = account.provider.model_copy(
        update={
            **{name: value for name, value in changes.items() if name != "api_key"},
            "api_key_set": api_key is not None,
            "headers": sorted(headers),
            "updated_at": format_time(now_ms()),
        }
    )
    return ProviderAccount(provider=provider, api_key=api_key, headers=headers)


def _keep_secrets_at_their_address(account: ProviderAccount, changes: Mapping[str, Any]) -> None:
    """Refuse to send a stored key or header to an address that it was not stored for.

    They cannot be read. Changing their address requires them, because otherwise anyone could have
    them sent to an address of their own.
    """
    if "base_url" not in changes or changes["base_url"] == account.provider.base_url:
        return
    if account.api_key is not None and "api_key" not in changes:
        raise CredentialsRequired(
            "A new base_url requires the provider's api_key again, because the stored key is "
            "only sent to its original address. Send both, or api_key null to remove the key."
        )
    if account.headers and "headers" not in changes:
        raise CredentialsRequired(
            "A new base_url requires the provider's headers again, because stored headers are "
            "only sent to their original address. Send both, or headers null to remove them."
        )


def same_source(one: ProviderAccount, other: ProviderAccount) -> bool:
    """Tell whether two states of an account are asked at the same address in the same way."""
    return _source(one) == _source(other)


def _source(account: ProviderAccount) -> tuple[Any, ...]:
    provider = account.provider
    return provider.base_url, provider.settings, account.api_key, account.headers


def asks_again(before: ProviderAccount, after: ProviderAccount) -> bool:
    """Tell whether a change asks the provider for its models anew."""
    if before.provider.models:
        moves = after.provider.base_url != before.provider.base_url
        return moves and not any(model.was_listed_by_client for model in before.provider.models)
    return not same_source(before, after)
