"""Built-in facts about models: limits, features and prices.

The data is in ``models.json`` next to this file; the first model of each provider type
is its default. Prices are list prices for short prompts, as of November 2026: some models cost
more per token for prompts of more than 100,000 to 272,000 tokens, which estimates leave out.

Source: https://developers.openai.com/api/docs/models and
https://platform.claude.com/docs/en/models/overview.
"""

import re
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from everruns.domain.base import Model
from everruns.domain.llm import ModelProfile, OfferedModel, ProviderType
from everruns.domain.usage import Usage

# Writing a prompt into a provider's cache costs a quarter more than reading it plainly.
CACHE_WRITE_FACTOR = 1.25
# Models that are not in the catalogue and take tools with reasoning only in the Responses API,
# or are offered only there: GPT-5.4 and later, and the pro and codex models.
_RESPONSES_MODELS = re.compile(r"gpt-5\.[4-9]|gpt-[6-9]|(gpt-\d.*|o\d+)-(pro|codex)\b")
_SNAPSHOT = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")


Api = Literal["chat_completions", "responses"]


class CatalogueModel(Model):
    """A model's entry in the catalogue, by the name its provider uses.

    ``api`` is the API of OpenAI and Azure by which the model is asked.
    """

    model_id: str
    display_name: str
    profile: ModelProfile
    api: Api = "chat_completions"


@cache
def _catalogue() -> dict[str, list[CatalogueModel]]:
    text = Path(__file__).with_name("models.json").read_bytes()
    return TypeAdapter(dict[str, list[CatalogueModel]]).validate_json(text)


def catalogue_models(provider_type: ProviderType) -> list[CatalogueModel]:
    """Return the catalogue models for a provider that lists none.

    Azure has none, because only the owner knows the names of deployments.
    """
    return list(_catalogue().get(provider_type, []))


def profile_of(provider_type: ProviderType, model_id: str) -> ModelProfile | None:
    """Return the facts about a model; a dated snapshot counts as its model."""
    known = _find(provider_type, model_id)
    return known.profile if known else None


def api_of(provider_type: ProviderType, model_id: str) -> Api:
    """Return the API by which OpenAI or Azure is asked for a model."""
    if known := _find(provider_type, model_id):
        return known.api
    return "responses" if _RESPONSES_MODELS.match(model_id) else "chat_completions"


def _find(provider_type: ProviderType, model_id: str) -> CatalogueModel | None:
    known_as = "openai" if provider_type == "azure_openai" else provider_type
    names = (model_id, _SNAPSHOT.sub("", model_id))
    for name in names:
        for model in _catalogue().get(known_as, []):
            if model.model_id == name:
                return model
    return None


def has_price(model: OfferedModel) -> bool:
    """Tell whether a model's price is known. Models on the own machine cost nothing."""
    is_free = model.provider_type in {"simulated", "local"}
    return is_free or (model.profile is not None and model.profile.cost is not None)


def priced(usage: Usage, profile: ModelProfile | None) -> Usage:
    """Return the usage with its estimated price, if known."""
    cost = cost_usd(profile, usage)
    return usage if cost is None else usage.model_copy(update={"estimated_cost_usd": cost})


def cost_usd(profile: ModelProfile | None, usage: Usage) -> float | None:
    """Estimate the cost in US dollars; ``None`` if the price is unknown.

    Args:
        profile: The model's.
        usage: Its input includes what was read from and written to the provider's cache.
    """
    if profile is None or profile.cost is None:
        return None
    cost = profile.cost
    read = usage.cache_read_tokens or 0
    written = usage.cache_creation_tokens or 0
    plain = max(usage.input_tokens - read - written, 0)
    read_price = cost.input if cost.cache_read is None else cost.cache_read
    write_price = cost.input * CACHE_WRITE_FACTOR if cost.cache_write is None else cost.cache_write
    total = (
        plain * cost.input
        + read * read_price
        + written * write_price
        + usage.output_tokens * cost.output
    )
    return total / 1_000_000
