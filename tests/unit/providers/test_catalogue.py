"""The catalogue: what is known of models, and what their tokens cost."""

import pytest

from everruns.domain.llm import ModelCost, ModelProfile
from everruns.domain.usage import Usage
from everruns.providers.catalogue import api_of, catalogue_models, cost_usd, profile_of


@pytest.mark.parametrize("provider_type", ["openai", "anthropic", "simulated", "local"])
def test_every_provider_type_offers_models_that_are_known_in_full(provider_type):
    models = catalogue_models(provider_type)

    assert models
    assert len({model.model_id for model in models}) == len(models)
    for model in models:
        assert model.profile.limits is not None
        assert model.profile.limits.output <= model.profile.limits.context
        assert model.profile.cost is not None
        assert model.profile.cost.output >= model.profile.cost.input


@pytest.mark.parametrize("provider_type", ["openai", "anthropic", "simulated"])
def test_the_default_model_takes_tools(provider_type):
    assert catalogue_models(provider_type)[0].profile.tool_call


def test_the_simulated_model_says_what_it_is():
    [model] = catalogue_models("simulated")

    assert model.model_id == "simulated-1"
    assert "simulated" in model.display_name.lower()


def test_deployments_on_azure_are_for_their_owner_to_name():
    assert catalogue_models("azure_openai") == []
    assert profile_of("azure_openai", "gpt-5") is not None


@pytest.mark.parametrize(
    ("provider_type", "snapshot", "model"),
    [
        ("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("openai", "gpt-4.1-2025-04-14", "gpt-4.1"),
    ],
)
def test_a_snapshot_is_the_model_it_is_one_of(provider_type, snapshot, model):
    assert profile_of(provider_type, snapshot) == profile_of(provider_type, model)


def test_nothing_is_known_of_an_unknown_model():
    assert profile_of("openai", "my-own") is None


@pytest.mark.parametrize(
    ("provider_type", "model_id", "api"),
    [
        ("openai", "gpt-6.1-terra", "responses"),
        ("openai", "gpt-5.4-mini", "responses"),
        ("openai", "gpt-5.4-mini-2026-03-17", "responses"),
        ("openai", "gpt-5.6-sol", "responses"),
        ("openai", "gpt-5-pro", "responses"),
        ("openai", "gpt-5.3-codex", "responses"),
        ("openai", "gpt-5.2", "chat_completions"),
        ("openai", "gpt-4.1", "chat_completions"),
        ("openai", "o3", "chat_completions"),
        ("azure_openai", "gpt-5.5", "responses"),
        ("azure_openai", "my-deployment", "chat_completions"),
    ],
)
def test_the_api_of_a_model_is_known(provider_type, model_id, api):
    assert api_of(provider_type, model_id) == api


def test_every_model_of_openai_takes_tools():
    assert all(model.profile.tool_call for model in catalogue_models("openai"))


PROFILE = ModelProfile(name="x", family="x", cost=ModelCost(input=2, output=10, cache_read=0.2))


def test_a_price_counts_the_cache_apart():
    usage = Usage(
        input_tokens=1_000_000,
        output_tokens=100_000,
        cache_read_tokens=500_000,
        cache_creation_tokens=100_000,
    )

    assert cost_usd(PROFILE, usage) == pytest.approx(0.4 * 2 + 0.5 * 0.2 + 0.1 * 2.5 + 0.1 * 10)


@pytest.mark.parametrize("profile", [None, ModelProfile(name="x", family="x")])
def test_without_a_price_there_is_no_cost(profile):
    assert cost_usd(profile, Usage(input_tokens=1)) is None


def test_a_price_for_writing_the_cache_counts_where_it_is_known():
    cost = ModelCost(input=2, output=10, cache_write=4)
    usage = Usage(input_tokens=1_000_000, cache_creation_tokens=1_000_000)

    assert cost_usd(ModelProfile(name="x", cost=cost), usage) == pytest.approx(4)
