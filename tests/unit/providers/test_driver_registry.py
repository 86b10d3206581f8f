"""From an account to its driver."""

import pytest
from pydantic import SecretStr

from everruns.domain.llm import Provider, ProviderAccount
from everruns.errors import InvalidRequest
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.chat_completions import ChatCompletionsDriver
from everruns.providers.connections import Connections
from everruns.providers.openai_apis import OpenAIApis
from everruns.providers.provider_settings import check_settings
from everruns.providers.registry import open_driver
from everruns.providers.responses import ResponsesDriver
from everruns.providers.simulated import SimulatedDriver
from everruns.turn_failures import ProviderRejected, ProviderUnauthorized

AZURE_URL = "https://r.openai.azure.com/openai/v1"
HOUSE_URL = "http://127.0.0.1:9/v1"


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
        ("openai", OpenAIApis),
        ("local", ChatCompletionsDriver),
        ("azure_openai", OpenAIApis),
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


OLDER = {"api_version": "2024-10-21"}
DEPLOYMENT_PATH = "/openai/deployments/mine/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("address", "settings", "path"),
    [
        ("/openai/v1/", {}, "/openai/v1/chat/completions"),
        ("/openai/v1", OLDER, DEPLOYMENT_PATH),
        ("", OLDER, DEPLOYMENT_PATH),
        ("/openai/v1", OLDER | {"api": "responses"}, "/openai/responses?api-version=2024-10-21"),
    ],
)
async def test_azure_is_asked_at_the_address_of_its_api(
    provider, ask, collect, address, settings, path
):
    root = provider.wire().base_url.removesuffix("/v1")
    azure = account("azure_openai", "key", base_url=root + address, settings=settings)
    provider.refuses(404, "nothing here")

    with pytest.raises(ProviderRejected):
        await collect(open_driver(azure, provider.connections, silence_s=5), ask("mine"))

    assert provider.requests[0].path == path
    assert provider.requests[0].headers["api-key"] == "key"


@pytest.mark.parametrize(
    ("provider_type", "base_url", "driver"),
    [
        ("openai", None, OpenAIApis),
        ("openai", "https://eu.api.openai.com/v1", OpenAIApis),
        ("openai", HOUSE_URL, ChatCompletionsDriver),
        ("azure_openai", AZURE_URL, OpenAIApis),
        ("local", HOUSE_URL, ChatCompletionsDriver),
    ],
)
def test_only_openai_and_azure_choose_the_api_by_the_model(provider_type, base_url, driver):
    opened = open_driver(
        account(provider_type, "key", base_url=base_url), Connections(), silence_s=5
    )

    assert isinstance(opened, driver)


@pytest.mark.parametrize(
    ("api", "driver"), [("responses", ResponsesDriver), ("chat_completions", ChatCompletionsDriver)]
)
@pytest.mark.parametrize(
    ("provider_type", "base_url"),
    [("openai", None), ("openai", HOUSE_URL), ("local", HOUSE_URL), ("azure_openai", AZURE_URL)],
)
def test_the_settings_can_name_one_api_for_all_models(provider_type, base_url, api, driver):
    opened = open_driver(
        account(provider_type, "key", base_url=base_url, settings={"api": api}),
        Connections(),
        silence_s=5,
    )

    assert isinstance(opened, driver)


@pytest.mark.parametrize(
    ("model_id", "path"),
    [
        ("gpt-6-astra", "/v1/responses"),
        ("gpt-5.4-2026-03-05", "/v1/responses"),
        ("gpt-4.1", "/v1/chat/completions"),
        ("my-deployment", "/v1/chat/completions"),
    ],
)
async def test_each_model_is_asked_by_its_own_api(provider, ask, collect, model_id, path):
    provider.refuses(400, {"message": "No.", "type": "invalid_request_error"})
    wire = provider.wire()

    with pytest.raises(ProviderRejected):
        await collect(OpenAIApis(ChatCompletionsDriver(wire), ResponsesDriver(wire)), ask(model_id))

    assert provider.requests[0].path == path


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
        ("azure_openai", {"api_verson": "2024-10-21"}, "Did you mean 'api_version'"),
        ("openai", {"anything": 1}, "settings.anything"),
        ("openai", {"api": "completions"}, "settings.api"),
    ],
)
def test_wrong_settings_are_named(provider_type, settings, named):
    with pytest.raises(InvalidRequest, match=named):
        check_settings(provider_type, settings)


@pytest.mark.parametrize(
    ("provider_type", "settings"),
    [
        ("openai", {}),
        ("openai", {"api": "responses"}),
        ("local", {"api": "chat_completions"}),
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


async def test_a_providers_headers_go_with_its_requests_and_stay_out_of_its_errors(
    provider, ask, collect
):
    secret = {"x-team": SecretStr("team-secret-1"), "x-api-key": SecretStr("gate-secret-2")}
    house = account("anthropic", base_url=provider.wire().base_url)
    driver = open_driver(
        house.model_copy(update={"headers": secret}), provider.connections, silence_s=5
    )
    provider.refuses(400, {"message": "bad team-secret-1 and gate-secret-2"})

    with pytest.raises(ProviderRejected, match="bad") as refusal:
        await collect(driver, ask("claude-sonnet-5"))

    headers = provider.requests[0].headers
    assert (headers["x-team"], headers["x-api-key"]) == ("team-secret-1", "gate-secret-2")
    assert headers["anthropic-version"]
    assert "secret" not in refusal.value.message
    assert "secret" not in repr(vars(driver))
