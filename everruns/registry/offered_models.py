"""Which models a provider offers, and what is known about each.

What a client says about a model comes first, then the catalogue, then the provider's list, then
published prices.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from everruns.domain.llm import (
    MAX_OFFERED_MODELS,
    GivenFacts,
    ModelInput,
    ModelLimits,
    ModelProfile,
    OfferedModel,
    Provider,
)
from everruns.ids import new_id
from everruns.providers.catalogue import catalogue_models, profile_of
from everruns.providers.model_lists import ListedModel, is_clearly_chat
from everruns.providers.registry import points_at_vendor


@dataclass(frozen=True)
class Candidate:
    """A model to offer.

    Attributes:
        model_id: The provider's name for it.
        source: How the provider came to offer it.
        given: What a client has said about it, if one listed it.
        found: What the provider's list or published prices say about it.
    """

    model_id: str
    source: Literal["manual", "discovered", "predefined"]
    given: GivenFacts | None = None
    found: ModelProfile | None = None


def is_discovered(provider: Provider) -> bool:
    """Tell whether the provider's own list decides which models it offers.

    The catalogue knows the models of vendors, of the local model and of the simulated one.
    """
    return provider.base_url is not None and not (
        provider.provider_type == "simulated" or points_at_vendor(provider)
    )


def from_catalogue(provider: Provider) -> list[Candidate]:
    """Return the catalogue's models for a provider."""
    return [
        Candidate(model.model_id, "predefined", _given_before(provider, model.model_id))
        for model in catalogue_models(provider.provider_type)
    ]


def from_client(provider: Provider, wanted: Iterable[ModelInput]) -> list[Candidate]:
    """Return the models that a client lists. A name given twice counts as the last says."""
    known = {model.model_id: model for model in provider.models}
    candidates: list[Candidate] = []
    for model in {item.model_id: item for item in wanted}.values():
        before = known.get(model.model_id)
        if before is not None and before.source == "discovered":
            source = "discovered"
        else:
            is_known = profile_of(provider.provider_type, model.model_id) is not None
            source = "predefined" if is_known else "manual"
        found = _found_before(before) if before else None
        candidates.append(Candidate(model.model_id, source, model.given, found))
    return candidates


def unchanged(provider: Provider) -> list[Candidate]:
    """Return the models that a provider offers now."""
    return [
        Candidate(model.model_id, model.source, _given(model), model.profile)
        for model in provider.models
    ]


def from_list(provider: Provider, listed: Sequence[ListedModel]) -> list[Candidate]:
    """Return the models to offer after a provider has listed its own.

    What a client listed stays, what the provider no longer has goes, and the rest keeps its order;
    new models follow in the provider's order, to ``MAX_OFFERED_MODELS`` together. At a vendor's own
    address the catalogue's models stay, and only what is clearly for chat is added.
    """
    found = {model.model_id: model.profile for model in listed}
    if not is_discovered(provider):
        known = {model.model_id for model in catalogue_models(provider.provider_type)}
        found = {
            name: profile
            for name, profile in found.items()
            if name not in known and is_clearly_chat(provider.provider_type, name)
        }
    kept = [
        replace(candidate, found=found.get(candidate.model_id, candidate.found))
        for model, candidate in zip(provider.models, unchanged(provider), strict=True)
        if model.was_listed_by_client or model.model_id in found
    ]
    candidates = {candidate.model_id: candidate for candidate in kept}
    if not is_discovered(provider):
        for candidate in from_catalogue(provider):
            candidates.setdefault(candidate.model_id, candidate)
    for name, profile in found.items():
        candidates.setdefault(name, Candidate(name, "discovered", None, profile))
    return list(candidates.values())[:MAX_OFFERED_MODELS]


def without_price(provider: Provider, candidates: Iterable[Candidate]) -> list[str]:
    """Return the names of the candidates whose price or limits only publications may tell."""
    names: list[str] = []
    for candidate in candidates:
        has_price = (candidate.given and candidate.given.cost) or (
            candidate.found and candidate.found.cost
        )
        if not has_price and profile_of(provider.provider_type, candidate.model_id) is None:
            names.append(candidate.model_id)
    return names


def with_published(
    candidates: Iterable[Candidate], published: Mapping[str, ModelProfile]
) -> list[Candidate]:
    """Add published prices and limits to candidates that have none."""
    return [
        replace(candidate, found=_filled(candidate.found, published[candidate.model_id]))
        if candidate.model_id in published
        else candidate
        for candidate in candidates
    ]


def offered(provider: Provider, candidates: Sequence[Candidate]) -> list[OfferedModel]:
    """Return a provider's models, in order; existing models keep their ids."""
    known = {model.model_id: model for model in provider.models}
    models: list[OfferedModel] = []
    for candidate in candidates:
        before = known.get(candidate.model_id)
        profile = profile_of(provider.provider_type, candidate.model_id) or candidate.found
        given = candidate.given
        name = (given and given.display_name) or (profile and profile.name) or candidate.model_id
        profile = _with_given(candidate.model_id, profile, given)
        models.append(
            OfferedModel(
                id=before.id if before else new_id("model"),
                provider_id=provider.id,
                provider_name=provider.name,
                provider_type=provider.provider_type,
                model_id=candidate.model_id,
                display_name=name,
                source=candidate.source,
                profile=profile,
                given=given,
                capabilities=_abilities(profile),
                created_at=before.created_at if before else provider.updated_at,
                updated_at=provider.updated_at,
            )
        )
    return models


def _filled(found: ModelProfile | None, published: ModelProfile) -> ModelProfile:
    if found is None:
        return published
    return found.model_copy(
        update={
            "cost": found.cost or published.cost,
            "limits": _limits(found.limits, published.limits),
        }
    )


def _with_given(
    model_id: str, profile: ModelProfile | None, given: GivenFacts | None
) -> ModelProfile | None:
    if given is None or (given.cost is None and given.limits is None):
        return profile
    if profile is None:
        profile = ModelProfile.unknown(given.display_name or model_id)
    return profile.model_copy(
        update={
            "cost": given.cost or profile.cost,
            "limits": _limits(given.limits, profile.limits),
        }
    )


def _limits(first: ModelLimits | None, second: ModelLimits | None) -> ModelLimits | None:
    if first is None or second is None:
        return first or second
    return ModelLimits(
        context=first.context or second.context, output=first.output or second.output
    )


def _given(model: OfferedModel) -> GivenFacts | None:
    """Return what a client has said about a model. Older databases only have the resulting name."""
    if model.given is not None or model.source == "discovered":
        return model.given
    usual = model.profile.name if model.profile else model.model_id
    if model.display_name == usual:
        return GivenFacts() if model.source == "manual" else None
    return GivenFacts(display_name=model.display_name)


def _given_before(provider: Provider, model_id: str) -> GivenFacts | None:
    before = next((model for model in provider.models if model.model_id == model_id), None)
    return _given(before) if before else None


def _found_before(model: OfferedModel) -> ModelProfile | None:
    """Return what is known of a model apart from what a client had said.

    What the client's own numbers had replaced is found again when models are synced.
    """
    profile, given = model.profile, model.given
    if profile is None or given is None:
        return profile
    return profile.model_copy(
        update={
            "cost": None if given.cost else profile.cost,
            "limits": None if given.limits else profile.limits,
        }
    )


def _abilities(profile: ModelProfile | None) -> list[str]:
    if profile is None:
        return []
    flags = {
        "tools": profile.tool_call,
        "reasoning": profile.reasoning,
        "images": profile.attachment,
        "structured_output": profile.structured_output,
    }
    return [name for name, has in flags.items() if has]
