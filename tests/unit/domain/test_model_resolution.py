"""Which model answers."""

from typing import Any

from everruns.domain.llm import OfferedModel, Provider, resolve_model

NOW = "2026-01-01T00:00:00.000Z"


def provider(name: str, *models: str, **changes: Any) -> Provider:
    offered = [
        OfferedModel(
            id=f"id-of-{name}-{model}",
            provider_id=f"id-of-{name}",
            provider_name=name,
            provider_type="simulated",
            model_id=model,
            display_name=model,
            enabled=model != "disabled",
            created_at=NOW,
            updated_at=NOW,
        )
        for model in models
    ]
    return Provider(
        id=f"id-of-{name}",
        name=name,
        provider_type="simulated",
        models=offered,
        created_at=NOW,
        updated_at=NOW,
        **changes,
    )


PROVIDERS = [
    provider("a", "small", "large"),
    provider("b", "disabled", "small", "large", is_default=True),
    provider("off", "small", status="disabled"),
]


def resolved(*wishes: str | None, providers: list[Provider] = PROVIDERS) -> str | None:
    model, _ = resolve_model(providers, wishes)
    return model.qualified_name if model else None


def test_the_first_wish_counts():
    assert resolved("a/small", "a/large", "b/large") == "a/small"
    assert resolved(None, "a/large", "b/large") == "a/large"
    assert resolved(None, None, "b/large") == "b/large"


def test_without_a_wish_the_default_providers_first_enabled_model_answers():
    assert resolved(None, None, None) == "b/small"


def test_a_model_is_named_by_id_or_by_provider_and_name():
    assert resolved("id-of-a-large") == resolved("a/large") == "a/large"
    assert resolved("large") is None


def test_a_wish_that_nobody_offers_is_told_and_not_replaced():
    assert resolve_model(PROVIDERS, ["gone/model", "a/small"]) == (None, "gone/model")


def test_disabled_providers_and_models_are_not_offered():
    assert resolved("off/small") is None
    assert resolved("b/disabled") is None


def test_without_wish_and_default_there_is_no_model_and_nothing_missing():
    assert resolve_model([provider("a", "small")], [None]) == (None, None)
    assert resolve_model([], []) == (None, None)
    off = provider("off", "small", status="disabled", is_default=True)
    assert resolve_model([off], [None]) == (None, None)
