"""Which models a provider offers, and whose word about them counts."""

from typing import Any

from everruns.domain.llm import (
    GivenFacts,
    ModelCost,
    ModelInput,
    ModelLimits,
    ModelProfile,
    OfferedModel,
    Provider,
)
from everruns.providers.catalogue import catalogue_models
from everruns.providers.model_lists import read_model_list
from everruns.registry.offered_models import (
    Candidate,
    from_catalogue,
    from_client,
    from_list,
    is_discovered,
    offered,
    with_published,
    without_price,
)

HOUSE = "http://127.0.0.1:11434/v1"
GIVEN, LISTED, PUBLISHED = (ModelCost(input=price, output=price) for price in (1, 2, 3))


def provider(provider_type: str = "openai", **fields: Any) -> Provider:
    defaults = {"id": "provider_1", "name": "p", "created_at": "1", "updated_at": "2"}
    return Provider.model_validate({"provider_type": provider_type, **defaults, **fields})


def profile(**fields: Any) -> ModelProfile:
    return ModelProfile(name="A model", **fields)


def offer(house: Provider, *candidates: Candidate) -> list[OfferedModel]:
    return offered(house, candidates)


def test_vendors_and_built_in_models_are_the_catalogues():
    assert not is_discovered(provider())
    assert not is_discovered(provider(base_url="https://eu.api.openai.com/v1"))
    assert not is_discovered(provider("local"))
    assert not is_discovered(provider("simulated", base_url=HOUSE))
    assert not is_discovered(provider("azure_openai"))
    assert is_discovered(provider(base_url=HOUSE))
    assert is_discovered(provider("anthropic", base_url=HOUSE))


def test_a_vendors_list_adds_what_is_clearly_for_chat_and_takes_nothing_away():
    vendor = provider()
    vendor = vendor.model_copy(update={"models": offered(vendor, from_catalogue(vendor))})
    listed = read_model_list(["gpt-99", "gpt-99-realtime", "babbage-002", "sora-2"])

    names = [candidate.model_id for candidate in from_list(vendor, listed)]

    known = [model.model_id for model in catalogue_models("openai")]
    assert names == [*known, "gpt-99"]


def test_what_a_client_says_wins_over_the_list_and_the_list_over_publications():
    house = provider(base_url=HOUSE)
    published = {"m": profile(cost=PUBLISHED, limits=ModelLimits(context=3, output=30))}

    def cost(given: GivenFacts | None, found: ModelProfile | None) -> ModelProfile:
        candidates = with_published([Candidate("m", "discovered", given, found)], published)
        (model,) = offered(house, candidates)
        assert model.profile
        return model.profile

    own = GivenFacts(cost=GIVEN, limits=ModelLimits(context=1))
    listed = profile(cost=LISTED, limits=ModelLimits(context=2))
    assert cost(own, listed).cost == GIVEN
    assert cost(own, listed).limits == ModelLimits(context=1, output=30)
    assert cost(None, listed).cost == LISTED
    assert cost(None, listed).limits == ModelLimits(context=2, output=30)
    assert cost(None, None).cost == PUBLISHED


def test_the_catalogues_word_counts_more_than_the_lists():
    catalogued = catalogue_models("openai")[0]
    found = profile(cost=LISTED)
    (model,) = offer(provider(), Candidate(catalogued.model_id, "discovered", None, found))

    assert model.profile == catalogued.profile


def test_only_models_without_a_price_are_looked_up():
    candidates = [
        Candidate("given", "manual", GivenFacts(cost=GIVEN)),
        Candidate("listed", "discovered", None, profile(cost=LISTED)),
        Candidate(catalogue_models("openai")[0].model_id, "predefined"),
        Candidate("unknown", "manual", GivenFacts(display_name="Unknown")),
    ]

    assert without_price(provider(), candidates) == ["unknown"]


def test_ones_own_cost_says_nothing_about_abilities():
    (model,) = offer(provider(base_url=HOUSE), Candidate("m", "manual", GivenFacts(cost=GIVEN)))

    assert model.capabilities == []
    assert model.profile
    assert model.profile.reasoning is None


def test_a_cost_that_is_taken_back_no_longer_counts():
    house = provider(base_url=HOUSE)
    own = [ModelInput(model_id="m", cost=GIVEN), ModelInput(model_id="n")]
    house = house.model_copy(update={"models": offered(house, from_client(house, own))})

    (model,) = offered(house, from_client(house, [ModelInput(model_id="m")]))

    assert model.id == house.models[0].id
    assert model.profile is None or model.profile.cost is None


def test_models_that_an_older_version_stored_stay_as_they_were_named():
    old = OfferedModel(
        id="model_1",
        provider_id="provider_1",
        provider_name="p",
        provider_type="openai",
        model_id="m",
        display_name="Mine",
        source="manual",
        created_at="1",
        updated_at="1",
    )
    house = provider(base_url=HOUSE, models=[old])

    models = offered(house, from_list(house, read_model_list(["new"])))

    assert [(model.model_id, model.display_name) for model in models] == [
        ("m", "Mine"),
        ("new", "new"),
    ]
