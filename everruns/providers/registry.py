"""From a provider's account to its driver: the only place that knows the concrete classes."""

from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from everruns.domain.llm import Provider, ProviderAccount, ProviderType
from everruns.errors import InvalidRequest
from everruns.providers import anthropic, chat_completions
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.base import Driver
from everruns.providers.catalogue import Api, api_of
from everruns.providers.chat_completions import COMPLETIONS_PATH, ChatCompletionsDriver
from everruns.providers.connections import Connections
from everruns.providers.dialects import DIALECTS, dialect_at
from everruns.providers.http import Wire
from everruns.providers.openai_apis import OpenAIApis
from everruns.providers.responses import ResponsesDriver
from everruns.providers.simulated import SimulatedDriver, SimulatedSettings

AZURE_DEPLOYMENT_PATH = "/deployments/{model}/chat/completions"


class NoSettings(BaseModel):
    """Settings of the provider types that have none; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True)


class OpenAISettings(NoSettings):
    """Settings of ``openai`` and ``local``.

    Attributes:
        api: The API by which every model is asked. Without it, the catalogue says so for models at
            OpenAI and Azure, and servers elsewhere are asked by Chat Completions.
    """

    api: Api | None = None


class AzureSettings(OpenAISettings):
    """Settings of ``azure_openai``.

    Attributes:
        api_version: Uses the older API by deployment, e.g. ``2024-10-21``; without it, the
            ``/openai/v1`` API is used.
    """

    api_version: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,32}$")


_SETTINGS: dict[ProviderType, type[BaseModel]] = {
    "simulated": SimulatedSettings,
    "openai": OpenAISettings,
    "local": OpenAISettings,
    "azure_openai": AzureSettings,
}

_VENDORS: dict[ProviderType, str] = {
    "openai": chat_completions.DEFAULT_BASE_URL,
    "anthropic": anthropic.DEFAULT_BASE_URL,
}


def check_settings(provider_type: ProviderType, settings: dict[str, Any]) -> None:
    """Check the settings of a provider before it is stored.

    Raises:
        InvalidRequest: A setting is wrong. The message names it and the reason.
    """
    try:
        _SETTINGS.get(provider_type, NoSettings).model_validate(settings)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, ('settings', *problem['loc'])))}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_context=False)[:5]
        )
        raise InvalidRequest(f"The provider's settings are not valid. {problems}.") from None


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
    check_settings(provider.provider_type, provider.settings)
    match provider.provider_type:
        case "openai":
            wire = _wire(account, chat_completions.DEFAULT_BASE_URL, connections, silence_s)
            return _openai_driver(provider, wire)
        case "local":
            _base_url(provider, "http://127.0.0.1:8080/v1")
            return _openai_driver(provider, _wire(account, "", connections, silence_s))
        case "azure_openai":
            return _azure_driver(account, connections, silence_s)
        case "anthropic":
            wire = _wire(
                account,
                anthropic.DEFAULT_BASE_URL,
                connections,
                silence_s,
                key_header="x-api-key",
                key_prefix="",
                headers=anthropic.HEADERS,
            )
            return AnthropicDriver(wire)
        case "simulated":
            settings = SimulatedSettings.model_validate(provider.settings)
            return SimulatedDriver(provider.name, settings)


def _wire(
    account: ProviderAccount,
    default_base_url: str,
    connections: Connections,
    silence_s: float,
    **details: Any,
) -> Wire:
    provider = account.provider
    return Wire(
        name=provider.name,
        base_url=(provider.base_url or default_base_url).rstrip("/"),
        silence_s=silence_s,
        connections=connections,
        api_key=account.api_key,
        # Self-hosted compatible servers often require no key.
        key_required=provider.base_url is None,
        **details,
    )


def _openai_driver(
    provider: Provider, wire: Wire, dialect: str | None = None, chat_path: str = COMPLETIONS_PATH
) -> Driver:
    """Choose by which API models are asked: all by one, or each by its own.

    Args:
        provider: Its settings may name the API.
        wire: The address and the key.
        dialect: The dialect of its Chat Completions; without it, that of the address.
        chat_path: Path of its Chat Completions.
    """
    chat = ChatCompletionsDriver(
        wire, DIALECTS[dialect or dialect_at(wire.base_url)], path=chat_path
    )
    responses = ResponsesDriver(wire)
    match OpenAISettings.model_validate(provider.settings).api:
        case "chat_completions":
            return chat
        case "responses":
            return responses
        case None:
            return OpenAIApis(chat, responses) if _has_both_apis(provider) else chat


def api_for(provider: Provider, model_id: str) -> Api:
    """Return the API of OpenAI by which a provider is asked for a model.

    Raises:
        InvalidRequest: The provider's settings are wrong.
    """
    check_settings(provider.provider_type, provider.settings)
    if api := OpenAISettings.model_validate(provider.settings).api:
        return api
    has_both = _has_both_apis(provider)
    return api_of(provider.provider_type, model_id) if has_both else "chat_completions"


def _has_both_apis(provider: Provider) -> bool:
    if provider.provider_type == "azure_openai":
        return AzureSettings.model_validate(provider.settings).api_version is None
    return points_at_vendor(provider)


def _azure_driver(account: ProviderAccount, connections: Connections, silence_s: float) -> Driver:
    provider = account.provider
    base_url = _base_url(provider, "https://RESOURCE.openai.azure.com/openai/v1")
    api_version = AzureSettings.model_validate(provider.settings).api_version
    key = {"key_header": "api-key", "key_prefix": ""}
    if api_version is None:
        return _openai_driver(provider, _wire(account, "", connections, silence_s, **key), "azure")
    resource = base_url.rstrip("/").removesuffix("/v1").removesuffix("/openai")
    root = account.model_copy(
        update={"provider": provider.model_copy(update={"base_url": f"{resource}/openai"})}
    )
    wire = _wire(root, "", connections, silence_s, query={"api-version": api_version}, **key)
    return _openai_driver(provider, wire, "azure", AZURE_DEPLOYMENT_PATH)


def _base_url(provider: Provider, example: str) -> str:
    if provider.base_url is None:
        raise InvalidRequest(
            f"Provider {provider.name} has no base_url. Set it, for example to {example}."
        )
    return provider.base_url
