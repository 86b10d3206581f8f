"""From an account to its driver."""

import pytest
from pydantic import SecretStr

from everruns.domain.llm import Provider, ProviderAccount
from everruns.errors import InvalidRequest, ProviderRejected, ProviderUnauthorized
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.chat_completions import ChatCompletionsDriver
from everruns.providers.connections import Connections
from everruns.providers.openai_apis import OpenAIApis
from everruns.providers.provider_settings import check_settings
from everruns.providers.registry import open_driver
from everruns.providers.responses import ResponsesDriver
from everruns.providers.simulated import SimulatedDriver

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

    chat = opened.chat if isinstance(opened, OpenAIApis) else opened
    assert isinstance(chat, ChatCompletionsDriver)
    assert chat._wire.base_url == url
    assert chat._wire.key_header == "api-key"
    assert chat._wire.query == ({"api-version": "2024-10-21"} if settings else {})


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


def test_azures_older_api_answers_responses_for_all_deployments_at_one_address():
    settings = {"api": "responses", "api_version": "2025-04-01-preview"}

    opened = open_driver(
        account("azure_openai", "key", base_url=AZURE_URL, settings=settings),
        Connections(),
        silence_s=5,
    )

    assert isinstance(opened, ResponsesDriver)
    assert opened._wire.base_url == "https://r.openai.azure.com/openai"
    assert opened._wire.query == {"api-version": "2025-04-01-preview"}


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
        ("azure_openai", {"api_verson": "2024-10-21"}, "Did you mean api_version"),
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


async def test_settings_leave_out_and_add_fields(provider, ask, collect):
    provider.streams({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]})
    settings = {
        "dialect": "mistral",
        "omit": ["reasoning_effort"],
        "extra_body": {"safe_prompt": True, "model": "another"},
    }
    wire = provider.wire()
    house = account("openai", base_url=wire.base_url, settings=settings)

    await collect(open_driver(house, provider.connections, silence_s=5), ask("m", effort="high"))

    assert provider.bodies[0] == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "safe_prompt": True,
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"dialect": "klingon"},
        {"omit": ["model"]},
        {"omit": ["a.b.c"]},
        {"extra_body": {"x": "y" * 20_000}},
        {"dialct": "vllm"},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(InvalidRequest, match=next(iter(settings))):
        check_settings("openai", settings)
