"""Published prices of models that the catalogue does not know."""

from collections.abc import Iterator

import orjson
import pytest

from everruns.domain.llm import ModelProfile
from everruns.providers.prices import Prices, look_up


@pytest.fixture
def prices() -> Iterator[Prices]:
    prices = Prices()
    yield prices
    prices.close()


def asked(address: str, *names: str) -> dict[str, ModelProfile]:
    answer = look_up(iter([orjson.dumps({"address": address, "names": names})]))
    return {name: ModelProfile.model_validate(item) for name, item in orjson.loads(answer).items()}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://api.groq.com/openai/v1", "llama-3.3-70b-versatile"),
        ("https://openrouter.ai/api/v1", "openai/gpt-4o"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro"),
        ("https://api.deepseek.com", "deepseek-chat"),
        ("https://r.openai.azure.com/openai/v1", "gpt-4o"),
    ],
)
def test_prices_are_found_by_the_address_and_the_providers_name(address: str, name: str):
    cost = asked(address, name, "unheard-of")[name].cost
    assert cost
    assert 0 < cost.input < cost.output < 100


def test_prices_in_tiers_count_as_for_short_prompts():
    found = asked("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro")
    cost = found["gemini-2.5-pro"].cost
    assert cost
    assert (cost.input, cost.output, cost.cache_read) == (1.25, 10, 0.125)


def test_published_prices_say_nothing_about_abilities():
    (profile,) = asked("https://api.deepseek.com", "deepseek-chat").values()
    assert profile.limits
    assert profile.limits.output is None
    assert (profile.tool_call, profile.reasoning) == (None, None)


def test_a_model_or_an_address_that_is_not_published_has_no_price():
    assert asked("https://api.groq.com/openai/v1", "unheard-of") == {}
    assert asked("https://elsewhere.test/v1", "gpt-4o") == {}


async def test_they_are_looked_up_in_a_process_of_their_own(prices: Prices):
    found = await prices.find("https://api.x.ai/v1", ["grok-4", "unheard-of"])
    assert list(found) == ["grok-4"]


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:11434/v1", "http://ollama:11434/v1", "https://10.0.0.7/v1"]
)
async def test_servers_of_ones_own_start_no_process(prices: Prices, address: str):
    assert await prices.find(address, ["gpt-4o"]) == {}
    assert prices._children is None
