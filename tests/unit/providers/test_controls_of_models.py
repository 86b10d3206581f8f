"""Which options for answers a model takes, and in which words the others are refused."""

from typing import Any

import pytest

from everruns.domain.controls import AnswerControls
from everruns.domain.llm import ModelLimits, OfferedModel, Provider
from everruns.errors import InvalidRequest
from everruns.providers.catalogue import profile_of
from everruns.providers.controls import check_controls, refused_controls

NOW = "2026-11-01T00:00:00.000Z"
LATER = ", or choose another model."
THOUGHT = {"reasoning": {"effort": "high"}}


def offered(kind: Any, name: str) -> tuple[Provider, OfferedModel]:
    provider = Provider(
        id="provider_1", name="work", provider_type=kind, created_at=NOW, updated_at=NOW
    )
    model = OfferedModel(
        id="model_1",
        provider_id=provider.id,
        provider_name=provider.name,
        provider_type=kind,
        model_id=name,
        display_name=name,
        profile=profile_of(kind, name),
        created_at=NOW,
        updated_at=NOW,
    )
    return provider, model


@pytest.mark.parametrize(
    ("kind", "name", "options", "words"),
    [
        ("openai", "gpt-5", {"temperature": 0}, "takes no temperature. Leave it out"),
        ("openai", "gpt-5-2025-08-07", {"top_p": 1}, "takes no top_p. Leave it out"),
        ("openai", "gpt-5", {"stop": ["x"]}, "takes no stop. Leave it out"),
        ("azure_openai", "gpt-5", {"stop": ["x"]}, "takes no stop. Leave it out"),
        (
            "openai",
            "gpt-5",
            {"temperature": 1, "stop": ["x"]},
            "takes no stop and no temperature. Leave them out",
        ),
        ("openai", "gpt-5.5", {"seed": 1}, "takes no seed. Leave it out"),
        ("openai", "gpt-4.1", THOUGHT, "takes no reasoning. Leave it out"),
        (
            "openai",
            "gpt-4.1",
            {"stop": list("abcde")},
            "takes at most 4 stop sequences. Leave some out",
        ),
        (
            "openai",
            "gpt-4.1",
            {"max_output_tokens": 32_769},
            "writes at most 32768 tokens, and max_output_tokens is 32769. Lower it",
        ),
        (
            "openai",
            "gpt-6-sol",
            {"seed": 1, "stop": ["x"]},
            "takes no seed and no stop. Leave them out",
        ),
        ("azure_openai", "gpt-5.4", {"seed": 1}, "takes no seed. Leave it out"),
        ("anthropic", "claude-haiku-4-5", {"seed": 1}, "takes no seed. Leave it out"),
        ("anthropic", "claude-unheard-of", {"seed": 1}, "takes no seed. Leave it out"),
        ("anthropic", "claude-opus-5-5", {"temperature": 1}, "takes no temperature. Leave it out"),
        (
            "anthropic",
            "claude-haiku-4-5",
            {"temperature": 1.5},
            "takes a temperature of at most 1. Lower it",
        ),
        (
            "anthropic",
            "claude-haiku-4-5",
            {"temperature": 1, "top_p": 1},
            "takes temperature or top_p, but not both. Leave one of them out",
        ),
        (
            "anthropic",
            "claude-haiku-4-5",
            {"stop": ["END", "\n"]},
            "takes no stop sequence that is only white space. Leave it out",
        ),
        (
            "anthropic",
            "claude-haiku-4-5",
            {"temperature": 0.5, **THOUGHT},
            "takes no temperature but 1 while it reasons. Leave out temperature or reasoning",
        ),
        (
            "anthropic",
            "claude-haiku-4-5",
            {"top_p": 0.9, **THOUGHT},
            "takes no top_p below 0.95 while it reasons. Raise it",
        ),
    ],
)
def test_what_a_model_does_not_take_is_refused_by_name(
    kind: str, name: str, options: dict[str, Any], words: str
):
    provider, model = offered(kind, name)

    with pytest.raises(InvalidRequest) as refused:
        check_controls(provider, model, AnswerControls.model_validate(options))

    assert str(refused.value) == f"Model work/{name} {words}{LATER}"


@pytest.mark.parametrize(
    ("kind", "name", "options"),
    [
        ("openai", "gpt-5", {"seed": 1, "max_output_tokens": 128_000, **THOUGHT}),
        ("openai", "gpt-4.1", {"temperature": 2, "top_p": 0.5, "stop": list("abcd"), "seed": 1}),
        ("openai", "gpt-4.1", {"reasoning": {"effort": "none"}}),
        ("openai", "gpt-4.1", {"reasoning": {}}),
        ("anthropic", "claude-haiku-4-5", {"temperature": 0, "stop": ["END"]}),
        ("anthropic", "claude-haiku-4-5", {"temperature": 1, **THOUGHT}),
        ("anthropic", "claude-haiku-4-5", {"top_p": 0.95, **THOUGHT}),
        ("anthropic", "claude-sonnet-5-5", {"max_output_tokens": 1, "stop": ["x"], **THOUGHT}),
        ("simulated", "simulated-1", {"temperature": 0, "stop": ["x"], "seed": 1, **THOUGHT}),
        ("openai", "gpt-5", {}),
    ],
)
def test_what_a_model_takes_is_accepted(kind: str, name: str, options: dict[str, Any]):
    check_controls(*offered(kind, name), AnswerControls.model_validate(options))


def test_the_api_that_the_settings_name_decides_which_options_there_are():
    seed = AnswerControls(seed=1)
    provider, newer = offered("openai", "gpt-6-sol")
    _, older = offered("openai", "gpt-4.1")
    chat, responses = (
        provider.model_copy(update={"settings": {"api": api}})
        for api in ("chat_completions", "responses")
    )

    check_controls(chat, newer, seed)
    with pytest.raises(InvalidRequest, match=r"gpt-4\.1 takes no seed"):
        check_controls(responses, older, seed)


@pytest.mark.parametrize("kind", ["openai", "azure_openai", "local"])
def test_a_model_that_nobody_knows_takes_everything(kind: str):
    options = {"temperature": 2, "top_p": 1, "stop": list("abcdefgh"), "seed": 1, **THOUGHT}

    check_controls(*offered(kind, "llama3.2"), AnswerControls.model_validate(options))


@pytest.mark.parametrize(
    ("base_url", "takes_seeds"),
    [
        ("https://generativelanguage.googleapis.com/v1beta/openai", False),
        ("https://api.mistral.ai/v1", True),
        ("http://127.0.0.1:11434/v1", True),
    ],
)
def test_an_option_for_which_a_servers_dialect_has_no_field_is_refused(
    base_url: str, takes_seeds: bool
):
    provider, model = offered("openai", "unheard-of")
    provider = provider.model_copy(update={"base_url": base_url})

    assert ("seed" in refused_controls(provider, model)) is not takes_seeds


def test_the_output_limit_counts_also_of_a_model_that_is_in_no_catalogue():
    provider, model = offered("openai", "llama3.2")
    known = profile_of("openai", "gpt-4.1")
    assert known is not None
    profile = known.model_copy(update={"limits": ModelLimits(context=8192, output=100)})

    with pytest.raises(InvalidRequest, match="writes at most 100 tokens"):
        check_controls(
            provider,
            model.model_copy(update={"profile": profile}),
            AnswerControls(max_output_tokens=101),
        )
