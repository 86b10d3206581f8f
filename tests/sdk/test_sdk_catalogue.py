"""Capabilities, models and harnesses through the SDK."""

from everruns_sdk import Everruns

MODEL = "simulated/simulated-1"


async def test_capabilities_are_listed_and_read(everruns: Everruns):
    found = await everruns.capabilities.list(search="current_time")

    assert [capability.id for capability in found] == ["current_time"]
    assert await everruns.capabilities.get("current_time") == found[0]


async def test_a_page_of_capabilities_tells_how_many_there_are(everruns: Everruns):
    page = await everruns.capabilities.list_page(offset=1, limit=2)

    assert (len(page.data), page.offset, page.limit) == (2, 1, 2)
    assert page.total > 2


async def test_models_are_listed_and_read(everruns: Everruns):
    (simulated,) = [
        model for model in await everruns.models.list() if model.provider_name == "simulated"
    ]

    assert simulated.provider_type == "simulated"
    assert await everruns.models.get(simulated.id) == simulated
    assert await everruns.models.get(MODEL) == simulated


async def test_the_harness_is_listed_found_and_read(everruns: Everruns):
    (generic,) = await everruns.harnesses.list()

    assert (generic.name, generic.is_built_in) == ("generic", True)
    assert await everruns.harnesses.search("GENERIC") == [generic]
    assert await everruns.harnesses.search("deep-research") == []
    assert await everruns.harnesses.get(generic.id) == generic
