"""Who may come in, where the deployment wants API keys."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.domain.keys import new_api_key
from everruns.registry.keys import ApiKeys
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from tests.api.credentials import client_of, key_headers
from tests.waiting import PATIENCE_S


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "api_keys"})


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "{}"])
async def test_a_key_opens_the_door(guarded: httpx.AsyncClient, keys: ApiKeys, form: str):
    key, secret = new_api_key("laptop")
    await keys.add(key)

    response = await guarded.get("/v1/agents", headers={"Authorization": form.format(secret)})

    assert response.status_code == 200


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer x", "evr_x", "Basic YTpi", "evr_ключ"]
)
@pytest.mark.parametrize("path", ["/v1/agents", "/api/v1/agents", "/v1/nothing", "/nothing"])
async def test_without_a_key_nothing_is_told(
    guarded: httpx.AsyncClient, keys: ApiKeys, path: str, authorization: str | None
):
    await key_headers(keys)
    headers = {} if authorization is None else {"Authorization": authorization.encode()}

    response = await guarded.get(path, headers=headers)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "UNAUTHORIZED"


async def test_a_new_key_counts_at_once(guarded: httpx.AsyncClient, keys: ApiKeys):
    for _ in range(3):
        _, headers = await key_headers(keys)
        assert (await guarded.get("/v1/agents", headers=headers)).status_code == 200


async def test_a_revoked_key_is_refused(
    guarded: httpx.AsyncClient, keys: ApiKeys, wait_until: Callable[..., Awaitable[None]]
):
    key_id, headers = await key_headers(keys)
    _, others = await key_headers(keys)
    assert (await guarded.get("/v1/agents", headers=headers)).status_code == 200

    await keys.revoke(key_id)

    async with asyncio.timeout(PATIENCE_S):
        while (await guarded.get("/v1/agents", headers=headers)).status_code != 401:
            pass
    assert (await guarded.get("/v1/agents", headers=others)).status_code == 200


@pytest.mark.parametrize("path", ["/v1/sessions/{}/events", "/api/v1/sessions/{}/sse"])
async def test_a_revoked_key_ends_its_streams_and_no_others(
    app: FastAPI,
    keys: ApiKeys,
    serve: Callable[[FastAPI], object],
    wait_until: Callable[..., Awaitable[None]],
    path: str,
):
    key_id, headers = await key_headers(keys)
    _, others = await key_headers(keys)
    async with serve(app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        session = (await client.post("/v1/sessions", json={}, headers=headers)).json()
        path = path.format(session["id"])
        async with (
            client.stream("GET", path, headers=headers) as revoked,
            client.stream("GET", path, headers=others) as kept,
        ):
            await wait_until(lambda: len(app.state.open_streams) == 2)
            await keys.revoke(key_id)
            async with asyncio.timeout(PATIENCE_S):
                frames = (await revoked.aread()).decode()
            assert frames.endswith(
                'event: disconnecting\ndata: {"reason":"key_revoked","retry_ms":100}\n\n'
            )
            assert (await client.get(path, headers=headers)).status_code == 401
            assert len(app.state.open_streams) == 1
            async for line in kept.aiter_lines():
                if line == ": heartbeat":
                    break


@pytest.mark.parametrize(
    "path", ["/health", "/ready", "/swagger-ui/", "/api-doc/openapi.json", "/oauth/client"]
)
async def test_health_and_documentation_are_open(guarded: httpx.AsyncClient, path: str):
    assert (await guarded.get(path)).status_code == 200


async def test_documentation_that_is_not_served_is_not_open(
    runtime: LocalRuntime, settings: Settings
):
    closed = settings.model_copy(update={"docs": False})
    async with client_of(create_app(runtime, closed, load_capabilities())) as client:
        assert (await client.get("/api-doc/openapi.json")).status_code == 401


async def test_two_keys_share_no_answers_to_retried_requests(
    guarded: httpx.AsyncClient, keys: ApiKeys
):
    ids: list[str] = []
    for _ in range(2):
        _, headers = await key_headers(keys)
        headers["Idempotency-Key"] = "k"
        for _ in range(2):
            made = await guarded.post("/v1/sessions", json={}, headers=headers)
            ids.append(made.json()["id"])

    assert ids[0] == ids[1]
    assert ids[2] == ids[3]
    assert ids[0] != ids[2]


async def test_another_keys_answer_is_no_conflict(guarded: httpx.AsyncClient, keys: ApiKeys):
    _, one = await key_headers(keys)
    _, other = await key_headers(keys)
    session = (await guarded.post("/v1/sessions", json={}, headers=one)).json()
    path = f"/v1/sessions/{session['id']}/messages"

    statuses = [
        (
            await guarded.post(
                path, json={"content": text}, headers={**headers, "Idempotency-Key": "k"}
            )
        ).status_code
        for headers, text in ((one, "a"), (other, "b"), (one, "a"), (one, "b"))
    ]

    assert statuses == [201, 201, 201, 409]
