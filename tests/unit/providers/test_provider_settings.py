"""What the settings of a provider change in its requests."""

from pathlib import Path

import pytest

from everruns.domain.llm import Provider, ProviderAccount
from everruns.errors import InvalidRequest
from everruns.providers.dialects import DIALECTS
from everruns.providers.provider_settings import check_settings, settings_type
from everruns.providers.registry import open_driver

PROVIDERS_PAGE = Path(__file__).parents[3] / "docs" / "providers.md"
ANSWERS = {
    "openai": [
        {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]},
        b"data: [DONE]\n\n",
    ],
    "anthropic": [
        {"type": "message_start", "message": {}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ],
}


@pytest.fixture
def sent(provider, ask, collect):
    """Return the body that a provider with these settings is sent."""

    async def send(provider_type="openai", request=None, **settings):
        provider.streams(*ANSWERS[provider_type])
        account = Provider(
            id="provider_1",
            name="fake",
            provider_type=provider_type,
            base_url=provider.wire().base_url,
            settings=settings,
            created_at="",
            updated_at="",
        )
        driver = open_driver(ProviderAccount(provider=account), provider.connections, silence_s=5)
        await collect(driver, request or ask("m"))
        return provider.bodies[-1]

    return send


async def test_an_omitted_field_is_not_sent(sent):
    assert "stream_options" in await sent()
    assert "stream_options" not in await sent(omit=["stream_options"])


async def test_a_field_in_an_object_can_be_omitted_alone(sent):
    extra = {"options": {"a": 1, "b": 2}}

    body = await sent(omit=["options.a"], extra_body=extra)

    assert body["options"] == {"b": 2}


@pytest.mark.parametrize("provider_type", ["openai", "anthropic"])
async def test_fields_of_the_extra_body_are_added(sent, provider_type):
    body = await sent(provider_type, extra_body={"top_k": 4})

    assert body["top_k"] == 4


async def test_the_extra_body_replaces_nothing_that_is_sent_anyway(sent):
    body = await sent(extra_body={"model": "another", "stream": False})

    assert (body["model"], body["stream"]) == ("m", True)


async def test_the_setting_of_a_dialect_wins_over_the_address(sent):
    assert "stream_options" not in await sent(dialect="mistral")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"dialect": "olama"}, "settings.dialect: must be one of compatible, openai, "),
        ({"dialct": "vllm"}, "settings.dialct: unknown openai setting. Did you mean 'dialect'?"),
        ({"omit": ["model"]}, "settings.omit.0: model cannot be left out."),
        ({"omit": ["a.b.c"]}, "settings.omit.0: must be the name of a field, or "),
        ({"omit": [f"f{number}" for number in range(21)]}, "settings.omit: "),
        ({"extra_body": {"a": "x" * 17_000}}, "settings.extra_body: must be at most 16384 bytes"),
    ],
)
def test_a_wrong_setting_is_refused_in_words(settings, reason):
    with pytest.raises(InvalidRequest) as refusal:
        check_settings("openai", settings)

    assert f"The provider's settings are not valid. {reason}" in refusal.value.message


@pytest.mark.parametrize(
    "name",
    [
        *DIALECTS,
        *settings_type("azure_openai").model_fields,
        *settings_type("simulated").model_fields,
    ],
)
def test_the_documentation_names_every_dialect_and_setting(name):
    assert f"`{name}`" in PROVIDERS_PAGE.read_text()
