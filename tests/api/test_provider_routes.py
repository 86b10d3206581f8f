"""Providers over HTTP: discovery, syncing, testing, headers, settings, costs and budgets."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.model_server import ModelServer, model_server

NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture
async def house() -> AsyncIterator[ModelServer]:
    async with model_server() as house:
        house.has("llama3", "qwen3")
        yield house


async def added(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    wanted = {"name": "house", "provider_type": "openai", **fields}
    response = await client.post("/v1/llm-providers", json=wanted)
    assert response.status_code == 201, response.text
    return response.json()


@pytest.mark.parametrize("path", ["/v1/llm-providers", "/v1/providers"])
async def test_models_are_discovered_and_synced(
    client: httpx.AsyncClient, house: ModelServer, path: str
):
    provider = await added(client, base_url=house.url)
    assert [model["model_id"] for model in provider["models"]] == ["llama3", "qwen3"]
    assert {model["source"] for model in provider["models"]} == {"discovered"}

    house.has("qwen3", "new")
    synced = await client.post(f"{path}/{provider['id']}/sync-models")
    assert synced.status_code == 200
    assert synced.json()["status"] == "success"
    assert [model["model_id"] for model in synced.json()["models"]] == ["qwen3", "new"]
    listed = (await client.get("/v1/models?search=house/")).json()["data"]
    assert [model["model_id"] for model in listed] == ["qwen3", "new"]


async def test_a_provider_that_cannot_be_asked_says_why_until_it_can(
    client: httpx.AsyncClient, house: ModelServer
):
    house.refusal = 500, {"message": "asleep", "type": "server_error"}
    provider = await added(client, base_url=house.url)
    assert provider["models"] == []
    shown = (await client.get(f"/v1/llm-providers/{provider['id']}")).json()
    assert "asleep" in shown["models_error"]
    house.refusal = None
    await client.post(f"/v1/llm-providers/{provider['id']}/sync-models")
    shown = (await client.get(f"/v1/llm-providers/{provider['id']}")).json()
    assert "models_error" not in shown


async def test_a_discovered_model_answers(client: httpx.AsyncClient, house: ModelServer):
    provider = await added(client, base_url=house.url)
    path = f"/v1/providers/{provider['id']}/test"
    tested = (await client.post(path)).json()
    assert tested["ok"] is True
    assert tested["model"] == "llama3"
    assert tested["duration_ms"] >= 0
    for name in ("qwen3", "house/qwen3", provider["models"][1]["id"]):
        tested = (await client.post(path, json={"model": name})).json()
        assert (tested["ok"], tested["model"]) == (True, "qwen3")


async def test_a_failed_test_is_an_answer(client: httpx.AsyncClient):
    provider = await added(client, base_url=NOWHERE, models=[{"model_id": "m"}])
    response = await client.post(f"/v1/llm-providers/{provider['id']}/test", json={})
    assert response.status_code == 200
    tested = response.json()
    assert (tested["ok"], tested["code"]) == (False, "PROVIDER_UNAVAILABLE")
    assert "base_url" in tested["message"]


@pytest.mark.parametrize("route", ["sync-models", "test"])
async def test_a_provider_that_does_not_exist_is_a_404(client: httpx.AsyncClient, route: str):
    response = await client.post(f"/v1/llm-providers/provider_{'0' * 32}/{route}")
    assert response.status_code == 404


async def test_headers_are_sent_and_never_shown(client: httpx.AsyncClient, house: ModelServer):
    provider = await added(client, base_url=house.url, headers={"X-Gate": "gate-secret-1"})
    assert provider["headers"] == ["x-gate"]
    tested = await client.post(f"/v1/llm-providers/{provider['id']}/test")
    assert tested.json()["ok"]
    assert {headers["x-gate"] for _, _, headers, _ in house.requests} == {"gate-secret-1"}

    house.refusal = 400, {"message": "bad header gate-secret-1", "type": "invalid"}
    tested = await client.post(f"/v1/llm-providers/{provider['id']}/test")
    shown = await client.get("/v1/llm-providers")
    assert "gate-secret" not in tested.text + shown.text


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil"},
        {"Content-Length": "1"},
        {"bad name": "x"},
        {"x": "line\nbreak"},
        {"x": ""},
        {"x": "y" * 1025},
        {f"x-{number}": "y" for number in range(21)},
    ],
)
async def test_headers_that_make_the_request_or_break_it_are_refused(
    client: httpx.AsyncClient, headers: dict[str, str]
):
    wanted = {"name": "a", "provider_type": "openai", "headers": headers, "base_url": NOWHERE}
    response = await client.post("/v1/llm-providers", json=wanted)
    assert response.status_code == 400
    assert "headers" in response.json()["error"]["message"]


async def test_an_unknown_setting_is_named(client: httpx.AsyncClient):
    wanted = {"name": "a", "provider_type": "simulated", "settings": {"replay": "x"}}
    response = await client.post("/v1/llm-providers", json=wanted)
    assert response.status_code == 400
    assert "Did you mean 'reply'?" in response.json()["error"]["message"]


async def test_ones_own_cost_is_what_a_turn_costs(client: httpx.AsyncClient, house: ModelServer):
    cost = {"input": 1.5, "output": 6}
    limits = {"context": 4096, "output": 512}
    provider = await added(
        client, base_url=house.url, models=[{"model_id": "m", "cost": cost, "limits": limits}]
    )
    assert provider["models"][0]["profile"]["cost"] == cost
    assert provider["models"][0]["profile"]["limits"] == limits
    assert provider["models"][0]["source"] == "manual"


@pytest.mark.parametrize("cost", [{"input": -1, "output": 1}, {"input": 1}, {"input": "1"}])
async def test_a_cost_is_two_prices(client: httpx.AsyncClient, cost: dict[str, Any]):
    wanted = {"name": "a", "provider_type": "openai", "models": [{"model_id": "m", "cost": cost}]}
    response = await client.post("/v1/llm-providers", json=wanted)
    assert response.status_code == 400


async def test_a_budget_in_dollars_needs_a_price(client: httpx.AsyncClient, house: ModelServer):
    provider = await added(client, base_url=house.url)
    session = (await client.post("/v1/sessions", json={"model_id": "house/llama3"})).json()
    agent = (
        await client.post("/v1/agents", json={"name": "a", "default_model_id": "house/llama3"})
    ).json()
    for kind, subject in (("session", session), ("agent", agent)):
        wanted = {
            "subject_type": kind,
            "subject_id": subject["id"],
            "currency": "usd",
            "limit": 1,
        }
        response = await client.post("/api/v1/budgets", json=wanted)
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "BUDGET_UNPRICED"
        assert "tokens" in response.json()["error"]["message"]
        tokens = await client.post("/api/v1/budgets", json={**wanted, "currency": "tokens"})
        assert tokens.status_code == 201

    priced = [{"model_id": "llama3", "cost": {"input": 1, "output": 2}}]
    await client.patch(f"/v1/llm-providers/{provider['id']}", json={"models": priced})
    assert (await client.post("/api/v1/budgets", json=wanted)).status_code == 201


async def test_azure_needs_its_address_when_it_is_added(client: httpx.AsyncClient):
    wanted = {"name": "azure", "provider_type": "azure_openai", "models": [{"model_id": "m"}]}
    refused = await client.post("/v1/llm-providers", json=wanted)
    address = {"base_url": "https://resource.openai.azure.com/openai/v1"}
    added = await client.post("/v1/llm-providers", json={**wanted, **address})
    removed = await client.patch(f"/v1/llm-providers/{added.json()['id']}", json={"base_url": None})

    assert added.status_code == 201
    for response in (refused, removed):
        assert response.status_code == 400
        message = response.json()["error"]["message"]
        assert "base_url: is required for providers of type azure_openai" in message
