"""From an account to its driver."""

import pytest
from pydantic import SecretStr

from everruns.domain.llm import Provider, ProviderAccount
from everruns.errors import InvalidRequest, ProviderUnauthorized
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.connections import Connections
from everruns.providers.openai import OpenAIDriver
from everruns.providers.provider_settings import check_settings
from everruns.providers.registry import open_driver
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
        ("openai", OpenAIDriver),
        ("local", OpenAIDriver),
        ("azure_openai", OpenAIDriver),
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

    assert isinstance(opened, OpenAIDriver)
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
        ("azure_openai", {"api_verson": "2024-10-21"}, "Did you mean api_version"),
        ("openai", {"anything": 1}, "settings.anything"),
    ],
)
def test_wrong_settings_are_named(provider_type, settings, named):
    with pytest.raises(InvalidRequest, match=named):
        check_settings(provider_type, settings)


@pytest.mark.parametrize(
    ("provider_type", "settings"),
    [
        ("openai", {}),
        ("simulated", {}),
        ("simulated", {"reply": "a", "tokens_per_s": 20, "first_token_ms": 100}),
        ("azure_openai", {"api_version": "2025-01-01-preview"}),
    ],
)
def test_right_settings_pass(provider_type, settings):
    check_settings(provider_type, settings)


def test_settings_that_an_older_version_stored_do_not_keep_a_driver_from_opening():
    old = account("simulated", settings={"reply": "a", "forgotten": 1})

    assert isinstance(open_driver(old, Connections(), silence_s=5), SimulatedDriver)


def test_a_providers_headers_go_with_its_requests_and_stay_out_of_its_repr():
    secret = {"x-team": SecretStr("team-secret-1"), "authorization": SecretStr("Bearer gate-2")}
    opened = open_driver(
        account("anthropic").model_copy(update={"headers": secret}), Connections(), silence_s=5
    )

    assert isinstance(opened, AnthropicDriver)
    wire = opened._wire
    assert wire.headers["x-team"] == "team-secret-1"
    assert wire.headers["anthropic-version"]
    assert "team-secret-1" not in repr(wire)
    assert wire.failure({"message": "bad team-secret-1", "type": "x"}).message.count("secret") == 0
