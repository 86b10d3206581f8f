"""The model on this machine, for providers of type ``local`` without a ``base_url``."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import SecretStr

from everruns.domain.llm import ProviderAccount


@dataclass(frozen=True)
class LocalModelAddress:
    """Base URL and key of the local model's server, which speaks Chat Completions."""

    base_url: str
    api_key: SecretStr


LocalModel = Callable[[], Awaitable[LocalModelAddress]]


async def with_address(account: ProviderAccount, local_model: LocalModel | None) -> ProviderAccount:
    """Return an account with the address at which it is asked.

    One of type ``local`` without a ``base_url`` gets the local model's, which is started if need
    be; all others stay as they are.

    Raises:
        ProviderUnavailable: The local model does not start.
    """
    provider = account.provider
    if provider.provider_type != "local" or provider.base_url or local_model is None:
        return account
    address = await local_model()
    return ProviderAccount(
        provider=provider.model_copy(update={"base_url": address.base_url}),
        api_key=address.api_key,
    )
