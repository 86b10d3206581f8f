"""API keys over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from everruns.domain.rights import RIGHTS
from everruns.ids import new_id
from everruns.registry.keys import ApiKeys
from everruns.settings import Settings
from tests.api.credentials import bearer, client_of, key_headers
from tests.waiting import PATIENCE_S


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "api_keys"})


@pytest.fixture
async def operator(app: FastAPI, keys: ApiKeys) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key without limits."""
    _, headers = await key_headers(keys)
    async with client_of(app, headers) as client:
        yield client


@pytest.mark.parametrize("face", ["/v1", "/api/v1"])
async def test_a_key_is_created_shown_once_and_works_at_once(
    operator: httpx.AsyncClient, face: str
):
    made = await operator.post(f"{face}/api-keys", json={"name": "desk"})

    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    key = made.json()
    secret = key.pop("api_key")
    assert secret.endswith(key["last_four"])
    assert (key["name"], key["agent_ids"], key["rights"]) == ("desk", [], [])
    assert (await operator.get("/v1/agents", headers=bearer(secret))).is_success
    listed = await operator.get(f"{face}/api-keys?search=desk")
    assert listed.json()["data"] == [key]
    assert secret not in (await operator.get(f"{face}/api-keys")).text


async def test_a_key_is_bound_to_agents(operator: httpx.AsyncClient):
    agent_id = (await operator.post("/v1/agents", json={"name": "clerk"})).json()["id"]

    made = await operator.post("/v1/api-keys", json={"name": "desk", "agent_ids": [agent_id]})

    assert made.json()["rights"] == list(RIGHTS)
    headers = bearer(made.json()["api_key"])
    assert (await operator.get(f"/v1/agents/{agent_id}", headers=headers)).is_success
    for path in ("/v1/llm-providers", "/v1/api-keys", "/v1/models"):
        assert (await operator.get(path, headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({}, 400),
        ({"name": ""}, 400),
        ({"name": "  "}, 400),
        ({"name": "two\nlines"}, 400),
        ({"name": "desk", "rights": ["read"]}, 400),
        ({"name": "desk", "agent_ids": ["clerk"]}, 400),
        ({"name": "desk", "agent_ids": ["agent_" + "0" * 32], "rights": ["fly"]}, 400),
        ({"name": "desk", "agent_ids": ["agent_" + "0" * 32]}, 404),
    ],
)
async def test_a_key_that_would_open_nothing_is_not_created(
    operator: httpx.AsyncClient, wanted: dict, status: int
):
    assert (await operator.post("/v1/api-keys", json=wanted)).status_code == status
    assert (await operator.get("/v1/api-keys")).json()["total"] == 1


async def test_a_blank_name_is_refused_in_words(operator: httpx.AsyncClient):
    refused = await operator.post("/v1/api-keys", json={"name": " "})

    assert refused.json()["error"]["message"] == "name: must not be blank"


async def test_a_revoked_key_is_refused(operator: httpx.AsyncClient):
    made = (await operator.post("/v1/api-keys", json={"name": "desk"})).json()
    headers = bearer(made["api_key"])
    assert (await operator.get("/v1/sessions", headers=headers)).is_success

    assert (await operator.delete(f"/v1/api-keys/{made['id']}")).status_code == 204

    async with asyncio.timeout(PATIENCE_S):
        while (await operator.get("/v1/sessions", headers=headers)).status_code != 401:
            await asyncio.sleep(0)


async def test_a_key_that_is_not_there_cannot_be_revoked(operator: httpx.AsyncClient):
    assert (await operator.delete(f"/v1/api-keys/{new_id('key')}")).status_code == 404
    assert (await operator.delete("/v1/api-keys/laptop")).status_code == 400
