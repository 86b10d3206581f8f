"""The model that servers are measured with: it answers what its name says."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from bench.model import Connection
from bench.reply import WORDS, Reply, parse_model_name
from everruns.domain.llm import OfferedModel
from everruns.providers.base import ModelAnswer, ModelRequest, TextDelta
from everruns.providers.chat_completions import ChatCompletionsDriver
from everruns.providers.connections import Connections
from everruns.providers.http import Wire

NOW = "2026-11-01T00:00:00.000Z"


@pytest.fixture
async def model() -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@pytest.fixture
async def ask(model: str) -> AsyncIterator[Callable[[str], Awaitable[tuple[str, ModelAnswer]]]]:
    connections = Connections()
    driver = ChatCompletionsDriver(Wire("bench", model, 5, connections, key_required=False))

    async def send(name: str) -> tuple[str, ModelAnswer]:
        offered = OfferedModel(
            id="model_1",
            provider_id="provider_1",
            provider_name="bench",
            provider_type="openai",
            model_id=name,
            display_name=name,
            created_at=NOW,
            updated_at=NOW,
        )
        *chunks, end = [chunk async for chunk in driver.stream(ModelRequest(offered, "", ()))]
        assert isinstance(end, ModelAnswer)
        return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta)), end

    yield send
    await connections.close()


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("tokens-20", Reply(20)),
        ("tokens-200-rate-40", Reply(200, tokens_per_s=40)),
        ("tokens-20-wait-30", Reply(20, wait_s=30)),
        ("tokens-20-rate-5-wait-0", Reply(20, tokens_per_s=5)),
    ],
)
def test_a_name_says_what_the_model_answers(name, reply):
    assert parse_model_name(name) == reply


@pytest.mark.parametrize("name", ["gpt-5", "tokens-0", "tokens-", "tokens-20-rate-0", "tokens-1x"])
def test_another_name_is_refused_with_the_form_of_those_that_are_taken(name):
    with pytest.raises(ValueError, match="tokens-N"):
        parse_model_name(name)


def test_all_words_have_one_length_so_that_text_can_be_counted():
    assert {len(word) for word in WORDS} == {5}
    assert len(parse_model_name("tokens-7").text) == 7 * 5


async def test_a_streamed_answer_is_what_a_driver_of_the_wire_reads(ask):
    text, end = await ask("tokens-7")

    assert text == Reply(7).text
    assert end.finish_reason == "stop"
    assert end.usage.output_tokens == 7


async def test_tokens_come_at_the_rate_that_is_asked_for(ask):
    begun = time.monotonic()

    text, _ = await ask("tokens-4-rate-20")

    assert text == Reply(4).text
    assert time.monotonic() - begun >= 4 / 20 * 0.9


async def test_an_answer_that_is_not_streamed_has_the_same_text(model):
    async with httpx.AsyncClient(base_url=model) as client:
        for _ in range(2):
            answer = await client.post("/chat/completions", json={"model": "tokens-3"})

            assert answer.json()["choices"][0]["message"]["content"] == Reply(3).text


async def test_a_model_that_is_not_there_is_a_404(model):
    async with httpx.AsyncClient(base_url=model) as client:
        answer = await client.post("/chat/completions", json={"model": "gpt-5", "stream": True})

    assert answer.status_code == 404
    assert "tokens-N" in answer.json()["error"]["message"]
