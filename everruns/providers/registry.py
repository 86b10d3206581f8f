"""From a provider's account to its driver: the only place that knows the concrete classes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from everruns.domain.llm import Provider, ProviderAccount, ProviderType
from everruns.errors import InvalidRequest
from everruns.providers import anthropic, chat_completions
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.base import Driver
from everruns.providers.catalogue import Api, api_of
from everruns.providers.chat_completions import COMPLETIONS_PATH, ChatCompletionsDriver
from everruns.providers.connections import Connections
from everruns.providers.dialects import DIALECTS, Dialect, dialect_at
from everruns.providers.http import Wire
from everruns.providers.masking import SHARED_CHARACTERS
from everruns.providers.openai_apis import OpenAIApis
from everruns.providers.provider_settings import (
    AZURE_EXAMPLE,
    AzureSettings,
    OpenAISettings,
    WireSettings,
    read_settings,
)
from everruns.providers.responses import ResponsesDriver
from everruns.providers.simulated import SimulatedDriver, SimulatedSettings

AZURE_DEPLOYMENT_PATH = "/deployments/{model}/chat/completions"

_VENDORS: dict[ProviderType, str] = {
    "openai": chat_completions.DEFAULT_BASE_URL,
    "anthropic": anthropic.DEFAULT_BASE_URL,
}


def address_of(provider: Provider) -> str | None:
    """Return the base URL at which a provider is asked: its own, or else its vendor's."""
    return provider.base_url or _VENDORS.get(provider.provider_type)


def points_at_vendor(provider: Provider) -> bool:
    """Tell whether a provider's address is the vendor's own or one of its regions."""
    if provider.provider_type not in _VENDORS:
        return False
    if provider.base_url is None:
        return True
    address, vendor = urlsplit(provider.base_url), urlsplit(_VENDORS[provider.provider_type])
    try:
        is_standard = address.scheme == vendor.scheme and address.port in {None, 443}
    except ValueError:
        return False
    host, vendor_host = address.hostname or "", vendor.hostname or ""
    return is_standard and (host == vendor_host or host.endswith(f".{vendor_host}"))


def open_driver(account: ProviderAccount, connections: Connections, *, silence_s: float) -> Driver:
    """Return the driver of an account.

    This opens no connection; a missing key is reported when a model is called.

    Args:
        account: The provider and its key. A ``local`` one has the ``base_url`` of its server.
        connections: The connections of the event loop that calls models.
        silence_s: Seconds without data from a model after which its call fails.

    Raises:
        InvalidRequest: The provider's settings are wrong, or it needs a ``base_url``.
    """
    provider = account.provider
    settings = read_settings(provider.provider_type, provider.settings)
    match provider.provider_type:
        case "openai":
            wire = _wire(account, connections, silence_s)
            return _openai_driver(provider, wire)
        case "local":
            _base_url(provider, "http://127.0.0.1:8080/v1")
            return _openai_driver(provider, _wire(account, connections, silence_s))
        case "azure_openai":
            azure = cast("AzureSettings", settings)
            return _azure_driver(account, azure, connections, silence_s)
        case "anthropic":
            wire = _wire(
                account,
                connections,
                silence_s,
                key_header="x-api-key",
                key_prefix="",
                headers=anthropic.HEADERS,
            )
            return AnthropicDriver(
                wire,
                **_amendments(cast("WireSettings", settings)),
                is_vendors=points_at_vendor(provider),
            )
        case "simulated":
            return SimulatedDriver(provider.name, cast("SimulatedSettings", settings))


def _wire(
    account: ProviderAccount,
    connections: Connections,
    silence_s: float,
    headers: Mapping[str, str] = MappingProxyType({}),
    key_header: str = "authorization",
    **details: Any,
) -> Wire:
    provider = account.provider
    own = {name: value.get_secret_value() for name, value in account.headers.items()}
    return Wire(
        name=provider.name,
        base_url=(address_of(provider) or "").rstrip("/"),
        silence_s=silence_s,
        connections=connections,
        api_key=account.api_key,
        # Self-hosted compatible servers often require no key, and a gateway may take a header.
        key_required=provider.base_url is None and key_header not in own,
        key_header=key_header,
        headers={**headers, **own},
        secrets=tuple(
            SecretStr(value) for value in own.values() if len(value) >= SHARED_CHARACTERS
        ),
        **details,
    )


def _openai_driver(provider: Provider, wire: Wire, chat_path: str = COMPLETIONS_PATH) -> Driver:
    """Choose by which API models are asked: all by one, or each by its own.

    Args:
        provider: Its settings may name the API.
        wire: The address and the key.
        chat_path: Path of its Chat Completions.
    """
    settings = _openai_settings(provider)
    chat = ChatCompletionsDriver(wire, dialect_of(provider), chat_path, **_amendments(settings))
    responses = ResponsesDriver(wire, **_amendments(settings))
    match settings.api:
        case "chat_completions":
            return chat
        case "responses":
            return responses
        case None:
            return OpenAIApis(chat, responses) if _has_both_apis(provider) else chat


def _amendments(settings: WireSettings) -> dict[str, Any]:
    return {"omitted": settings.omit, "extra_body": settings.extra_body}


def dialect_of(provider: Provider) -> Dialect:
    """Return the dialect of Chat Completions in which a provider is asked.

    Raises:
        InvalidRequest: The provider's settings are wrong.
    """
    if name := _openai_settings(provider).dialect:
        return DIALECTS[name]
    if provider.provider_type == "azure_openai":
        return DIALECTS["azure"]
    return DIALECTS[dialect_at(address_of(provider) or "")]


def api_for(provider: Provider, model_id: str) -> Api:
    """Return the API of OpenAI by which a provider is asked for a model.

    Raises:
        InvalidRequest: The provider's settings are wrong.
    """
    if api := _openai_settings(provider).api:
        return api
    has_both = _has_both_apis(provider)
    return api_of(provider.provider_type, model_id) if has_both else "chat_completions"


def _has_both_apis(provider: Provider) -> bool:
    settings = _openai_settings(provider)
    if isinstance(settings, AzureSettings):
        return settings.api_version is None
    return points_at_vendor(provider)


def _openai_settings(provider: Provider) -> OpenAISettings:
    return cast("OpenAISettings", read_settings(provider.provider_type, provider.settings))


def _azure_driver(
    account: ProviderAccount, settings: AzureSettings, connections: Connections, silence_s: float
) -> Driver:
    provider = account.provider
    base_url = _base_url(provider, AZURE_EXAMPLE)
    api_version = settings.api_version
    key: dict[str, Any] = {"key_header": "api-key", "key_prefix": ""}
    if api_version is None:
        return _openai_driver(provider, _wire(account, connections, silence_s, **key))
    resource = base_url.rstrip("/").removesuffix("/v1").removesuffix("/openai")
    root = account.model_copy(
        update={"provider": provider.model_copy(update={"base_url": f"{resource}/openai"})}
    )
    wire = _wire(root, connections, silence_s, query={"api-version": api_version}, **key)
    return _openai_driver(provider, wire, AZURE_DEPLOYMENT_PATH)


def _base_url(provider: Provider, example: str) -> str:
    if provider.base_url is None:
        raise InvalidRequest(
            f"Provider {provider.name} has no base_url. Set it, for example to {example}."
        )
    return provider.base_url
