"""Models that a provider's own list names: when it is added, moved and synced."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from everruns.domain.llm import (
    ModelCost,
    ModelLimits,
    OfferedModel,
    Provider,
    ProviderInput,
    ProviderPatch,
    ProviderTest,
)
from everruns.errors import InvalidRequest, Overloaded
from everruns.registry import inquiries
from everruns.registry.registry import Registry
from tests.model_server import ModelServer, model_server
from tests.waiting import eventually

NOWHERE = "http://127.0.0.1:9/v1"
OWN_COST = {"input": 1.5, "output": 6}


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as server:
        server.has("llama3", "qwen3")
        yield server


class SilentServer:
    """Takes connections and answers nothing."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.url = ""

    def take(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)


@pytest.fixture
async def silent() -> AsyncIterator[SilentServer]:
    silent = SilentServer()
    listener = await asyncio.start_server(silent.take, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    silent.url = f"http://{host}:{port}/v1"
    yield silent
    listener.close()
    for writer in silent.writers:
        writer.close()


async def add(registry: Registry, base_url: str | None, **fields: Any) -> Provider:
    wanted = {"name": "house", "provider_type": "openai", "base_url": base_url, **fields}
    return await registry.providers.add(ProviderInput.model_validate(wanted))


async def change(registry: Registry, provider: Provider, **fields: Any) -> Provider:
    return await registry.providers.update(provider.id, ProviderPatch.model_validate(fields))


def names(provider: Provider) -> list[str]:
    return [model.model_id for model in provider.models]


def ids(provider: Provider) -> dict[str, str]:
    return {model.model_id: model.id for model in provider.models}


def named(provider: Provider, name: str) -> OfferedModel:
    return next(model for model in provider.models if model.model_id == name)


# When it is added


@pytest.mark.parametrize("provider_type", ["openai", "local", "azure_openai", "anthropic"])
async def test_a_provider_without_models_offers_what_its_list_names(
    registry: Registry, server: ModelServer, provider_type: str
):
    provider = await add(registry, server.url, provider_type=provider_type)
    assert names(provider) == ["llama3", "qwen3"]
    assert {model.source for model in provider.models} == {"discovered"}
    assert provider.models_error is None
    assert await registry.providers.get(provider.id) == provider


async def test_a_provider_with_models_is_not_asked(registry: Registry, server: ModelServer):
    provider = await add(registry, server.url, models=[{"model_id": "mine"}])
    assert names(provider) == ["mine"]
    assert server.requests == []


async def test_key_and_headers_go_with_the_listing(registry: Registry, server: ModelServer):
    await add(registry, server.url, api_key="key-1", headers={"X-Team": "blue"})
    _, path, headers, _ = server.requests[0]
    assert (path, headers["authorization"], headers["x-team"]) == (
        "/v1/models",
        "Bearer key-1",
        "blue",
    )


async def test_a_provider_that_cannot_be_asked_is_added_and_says_why(
    registry: Registry, server: ModelServer
):
    provider = await add(registry, NOWHERE)
    assert provider.models == []
    assert "could not be reached" in (provider.models_error or "")
    assert (await registry.providers.get(provider.id)).models_error == provider.models_error

    moved = await change(registry, provider, base_url=server.url)
    assert names(moved) == ["llama3", "qwen3"]
    assert moved.models_error is None


async def test_a_wrong_key_says_so_and_the_right_one_discovers(
    registry: Registry, server: ModelServer
):
    server.refusal = 401, {"message": "no", "type": "authentication_error"}
    provider = await add(registry, server.url, api_key="wrong")
    assert "api_key" in (provider.models_error or "")
    server.refusal = None
    assert names(await change(registry, provider, api_key="right")) == ["llama3", "qwen3"]


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"data": null}', b"3", b'{"data": {}}'])
async def test_an_answer_that_lists_nothing_says_so(
    registry: Registry, server: ModelServer, answer: bytes
):
    server.models = answer
    assert (await add(registry, server.url)).models_error


async def test_a_silent_provider_is_waited_for_only_shortly(
    registry: Registry, silent: SilentServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(inquiries, "LIST_TIMEOUT_S", 0.2)
    provider = await add(registry, silent.url)
    assert "in 0.2 s" in (provider.models_error or "")


async def test_other_providers_can_be_changed_while_one_is_asked(
    registry: Registry, silent: SilentServer
):
    asking = asyncio.create_task(add(registry, silent.url))
    await eventually(lambda: silent.writers)
    other = await add(registry, None, name="other")
    assert other.is_default
    assert not asking.done()
    asking.cancel()


async def test_the_first_two_hundred_are_offered(registry: Registry, server: ModelServer):
    server.has(*(f"m{number}" for number in range(450)))
    provider = await add(registry, server.url)
    assert names(provider) == [f"m{number}" for number in range(200)]
    synced = await registry.providers.sync_models(provider.id)
    assert "450" in synced.message


async def test_listed_prices_and_limits_are_the_models(registry: Registry, server: ModelServer):
    entry = {"id": "m", "context_length": 8192, "pricing": {"input": 0.5, "output": 1.5}}
    server.models = [entry]
    (model,) = (await add(registry, server.url)).models
    assert model.profile
    assert model.profile.cost == ModelCost(input=0.5, output=1.5)
    assert model.profile.limits == ModelLimits(context=8192)


# When it is synced


async def test_a_sync_keeps_what_stays_and_drops_what_is_gone(
    registry: Registry, server: ModelServer
):
    before = await add(registry, server.url)
    server.has("new", "qwen3")
    synced = await registry.providers.sync_models(before.id)
    after = await registry.providers.get(before.id)
    assert names(after) == ["qwen3", "new"]
    assert ids(after)["qwen3"] == ids(before)["qwen3"]
    assert (synced.status, synced.created, synced.updated, synced.stale) == ("success", 1, 1, 1)
    assert synced.models == after.models


async def test_a_sync_keeps_what_people_said(registry: Registry, server: ModelServer):
    provider = await add(registry, server.url)
    listed = [
        {"model_id": "mine", "cost": OWN_COST},
        {"model_id": "qwen3", "display_name": "Qwen", "limits": {"context": 100, "output": 10}},
        {"model_id": "llama3"},
    ]
    await change(registry, provider, models=listed)
    server.models = [{"id": "qwen3", "context_length": 8192, "pricing": {"input": 9, "output": 9}}]
    await registry.providers.sync_models(provider.id)

    after = await registry.providers.get(provider.id)
    assert names(after) == ["mine", "qwen3"]
    mine, qwen = named(after, "mine"), named(after, "qwen3")
    assert mine.source == "manual"
    assert mine.profile
    assert mine.profile.cost == ModelCost(input=1.5, output=6)
    assert (qwen.source, qwen.display_name) == ("discovered", "Qwen")
    assert qwen.profile
    assert qwen.profile.limits == ModelLimits(context=100, output=10)
    assert qwen.profile.cost == ModelCost(input=9, output=9)


async def test_a_sync_that_fails_changes_no_model(registry: Registry, server: ModelServer):
    provider = await add(registry, server.url)
    server.refusal = 503, {"message": "asleep", "type": "server_error"}
    synced = await registry.providers.sync_models(provider.id)
    after = await registry.providers.get(provider.id)
    assert synced.status == "failed"
    assert "asleep" in synced.message
    assert after.models_error == synced.message
    assert ids(after) == ids(provider)
    server.refusal = None
    await registry.providers.sync_models(provider.id)
    assert (await registry.providers.get(provider.id)).models_error is None


async def test_simulated_models_are_the_catalogues(registry: Registry):
    provider = await add(registry, None, provider_type="simulated")
    synced = await registry.providers.sync_models(provider.id)
    assert synced.status == "success"
    assert [model.id for model in synced.models] == list(ids(provider).values())


# When it moves


async def test_a_provider_that_moves_is_asked_again_unless_its_models_were_listed(
    registry: Registry, server: ModelServer
):
    found = await add(registry, server.url)
    chosen = await add(registry, server.url, name="chosen", models=[{"model_id": "mine"}])
    async with model_server() as elsewhere:
        elsewhere.has("qwen3", "other")
        moved = await change(registry, found, base_url=elsewhere.url)
        assert sorted(names(moved)) == ["other", "qwen3"]
        assert ids(moved)["qwen3"] == ids(found)["qwen3"]
        assert names(await change(registry, chosen, base_url=elsewhere.url)) == ["mine"]


async def test_a_change_of_something_else_asks_nobody(registry: Registry, server: ModelServer):
    provider = await add(registry, server.url)
    renamed = await change(registry, provider, name="other")
    assert ids(renamed) == ids(provider)
    assert {model.source for model in renamed.models} == {"discovered"}
    assert server.asked == ["/v1/models"]


# Headers


async def test_headers_are_secrets_that_stay_at_their_address(
    registry: Registry, server: ModelServer
):
    provider = await add(registry, server.url, headers={"X-Gate": "gate-secret"})
    assert provider.headers == ["x-gate"]
    (account,) = await registry.providers.accounts()
    assert account.headers["x-gate"].get_secret_value() == "gate-secret"
    assert "gate-secret" not in f"{provider.wire()} {account!r} {account.wire()}"
    with pytest.raises(InvalidRequest, match="headers"):
        await change(registry, provider, base_url=NOWHERE)
    assert (await change(registry, provider, base_url=NOWHERE, headers=None)).headers == []


# A small call


async def test_a_small_call_says_that_it_was_answered(registry: Registry, server: ModelServer):
    provider = await add(registry, server.url)
    tested = await registry.providers.test(provider.id, ProviderTest())
    assert (tested.ok, tested.model, tested.code) == (True, "llama3", None)
    assert server.requests[-1][3]["model"] == "llama3"


async def test_a_model_that_is_not_there_is_named_with_those_that_are_near(
    registry: Registry, server: ModelServer
):
    server.has("llama3.1", "llama3.2", "whatever")
    server.unknown = {"llama3"}
    provider = await add(registry, server.url)
    tested = await registry.providers.test(provider.id, ProviderTest(model="llama3"))
    assert (tested.ok, tested.model, tested.code) == (False, "llama3", "PROVIDER_REJECTED")
    assert "llama3.2" in tested.message
    assert "whatever" not in tested.message


@pytest.mark.parametrize(
    ("refusal", "code", "word"),
    [
        ((401, {"message": "no", "type": "authentication_error"}), "PROVIDER_UNAUTHORIZED", "key"),
        (
            (429, {"message": "You exceeded your quota", "code": "insufficient_quota"}),
            "PROVIDER_REJECTED",
            "quota",
        ),
        ((404, {"message": "Not Found"}), "PROVIDER_REJECTED", "/v1"),
    ],
)
async def test_a_refused_call_says_what_is_wrong(
    registry: Registry, server: ModelServer, refusal: Any, code: str, word: str
):
    provider = await add(registry, server.url)
    server.refusal = refusal
    tested = await registry.providers.test(provider.id, ProviderTest())
    assert (tested.ok, tested.code) == (False, code)
    assert word in tested.message


async def test_a_wrong_address_and_a_provider_without_models_say_so(registry: Registry):
    provider = await add(registry, NOWHERE)
    tested = await registry.providers.test(provider.id, ProviderTest(model="m"))
    assert tested.code == "PROVIDER_UNAVAILABLE"
    assert "base_url" in tested.message
    tested = await registry.providers.test(provider.id, ProviderTest())
    assert tested.code == "NO_MODEL"


async def test_only_a_few_providers_are_asked_at_a_time(registry: Registry, silent: SilentServer):
    provider = await add(registry, silent.url, models=[{"model_id": "m"}])
    calls = [
        asyncio.create_task(registry.providers.test(provider.id, ProviderTest()))
        for _ in range(inquiries.AT_ONCE)
    ]
    await eventually(lambda: len(silent.writers) == inquiries.AT_ONCE)
    with pytest.raises(Overloaded):
        await registry.providers.test(provider.id, ProviderTest())
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
