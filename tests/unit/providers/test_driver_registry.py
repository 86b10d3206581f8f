"""From an account to its driver."""

import pytest
from pydantic import SecretStr

from everruns.domain.llm import Provider, ProviderAccount
from everruns.errors import InvalidRequest, ProviderUnauthorized
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.chat_completions import ChatCompletionsDriver
from everruns.providers.connections import Connections
from everruns.providers.registry import check_settings, open_driver
from everruns.providers.simulated import SimulatedDriver


def account(provider_type: str, key: str | None = None, **fields) -> ProviderAccount:
    provider = Provider(
        id="provider_1",
        name="mine",
        provider_type=provider_type,
        created_at="",
        updated_at="",
        **fields,
    )
    return ProviderAccount(provider=provider, api_key=SecretStr(key) if key else None)


@pytest.mark.parametrize(
    ("provider_type", "driver"),
    [
        ("openai", ChatCompletionsDriver),
        ("local", ChatCompletionsDriver),
        ("azure_openai", ChatCompletionsDriver),
        ("anthropic", AnthropicDriver),
        ("simulated", SimulatedDriver),
    ],
)
def test_each_type_has_its_driver(provider_type, driver):
    base_url = "http://127.0.0.1:9/v1" if provider_type in {"local", "azure_openai"} else None

    opened = open_driver(
        account(provider_type, "key", base_url=base_url), Connections(), silence_s=5
    )

    assert isinstance(opened, driver)


@pytest.mark.parametrize("provider_type", ["openai", "anthropic"])
async def test_a_missing_key_shows_when_a_model_is_called(provider_type, ask, collect):
    driver = open_driver(account(provider_type), Connections(), silence_s=5)

    with pytest.raises(ProviderUnauthorized, match="no API key"):
        await collect(driver, ask("gpt-4.1"))


@pytest.mark.parametrize(
    ("base_url", "settings", "url"),
    [
        ("https://r.openai.azure.com/openai/v1/", {}, "https://r.openai.azure.com/openai/v1"),
        (
            "https://r.openai.azure.com/openai/v1",
            {"api_version": "2024-10-21"},
            "https://r.openai.azure.com/openai",
        ),
        (
            "https://r.openai.azure.com",
            {"api_version": "2024-10-21"},
            "https://r.openai.azure.com/openai",
        ),
    ],
)
def test_azure_is_asked_at_the_address_of_its_api(base_url, settings, url):
    opened = open_driver(
        account("azure_openai", "key", base_url=base_url, settings=settings),
        Connections(),
        silence_s=5,
    )

    assert isinstance(opened, ChatCompletionsDriver)
    assert opened._wire.base_url == url
    assert opened._wire.key_header == "api-key"
    assert opened._wire.query == ({"api-version": "2024-10-21"} if settings else {})


@pytest.mark.parametrize("provider_type", ["azure_openai", "local"])
def test_a_provider_without_a_common_address_needs_its_own(provider_type):
    with pytest.raises(InvalidRequest, match="base_url"):
        open_driver(account(provider_type, "key"), Connections(), silence_s=5)


@pytest.mark.parametrize(
    ("provider_type", "settings", "named"),
    [
        ("simulated", {"tokens": 0}, "settings.tokens"),
        ("simulated", {"replay": "typo"}, "settings.replay"),
        ("simulated", {"reply": "a", "tokens": 3}, "only one of"),
        ("simulated", {"script": [{"fail": {"code": "OOPS"}}]}, "settings.script.0.fail.code"),
        ("azure_openai", {"api_version": "a b"}, "settings.api_version"),
    ],
)
def test_wrong_settings_are_named(provider_type, settings, named):
    with pytest.raises(InvalidRequest, match=named):
        check_settings(provider_type, settings)


@pytest.mark.parametrize(
    ("provider_type", "settings"),
    [
        ("openai", {"anything": 1}),
        ("simulated", {}),
        ("simulated", {"reply": "a", "tokens_per_s": 20, "first_token_ms": 100}),
        ("azure_openai", {"api_version": "2025-01-01-preview"}),
    ],
)
def test_right_settings_pass(provider_type, settings):
    check_settings(provider_type, settings)
