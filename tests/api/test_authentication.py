"""Who may come in, where the deployment wants API keys."""

from collections.abc import AsyncIterator

import httpx
import pytest

from everruns.api.app import create_app
from everruns.api.keys import KeyRing
from everruns.capabilities.registry import load_capabilities
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings


@pytest.fixture
def keys(settings: Settings) -> KeyRing:
    return KeyRing(settings.data_dir)


def client_of(runtime: LocalRuntime, settings: Settings, keys: KeyRing) -> httpx.AsyncClient:
    app = create_app(runtime, settings, load_capabilities(), keys)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest.fixture
async def guarded(
    runtime: LocalRuntime, settings: Settings, keys: KeyRing
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(runtime, settings, keys) as client:
        yield client


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "{}"])
async def test_a_key_opens_the_door(guarded: httpx.AsyncClient, keys: KeyRing, form: str):
    _, secret = keys.create("laptop")

    response = await guarded.get("/v1/agents", headers={"Authorization": form.format(secret)})

    assert response.status_code == 200


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x", "evr_x", "Basic YTpi"])
@pytest.mark.parametrize("path", ["/v1/agents", "/api/v1/agents", "/v1/nothing", "/"])
async def test_without_a_key_nothing_is_told(
    guarded: httpx.AsyncClient, keys: KeyRing, path: str, authorization: str | None
):
    keys.create("laptop")
    headers = {} if authorization is None else {"Authorization": authorization}

    response = await guarded.get(path, headers=headers)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "UNAUTHORIZED"


async def test_a_revoked_key_is_refused_at_once(guarded: httpx.AsyncClient, settings: Settings):
    command_line = KeyRing(settings.data_dir)
    key, secret = command_line.create("laptop")
    headers = {"Authorization": secret}
    assert (await guarded.get("/v1/agents", headers=headers)).status_code == 200

    command_line.revoke(key.id)

    assert (await guarded.get("/v1/agents", headers=headers)).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/ready", "/swagger-ui/", "/api-doc/openapi.json"])
async def test_health_and_documentation_are_open(guarded: httpx.AsyncClient, path: str):
    assert (await guarded.get(path)).status_code == 200


async def test_documentation_that_is_not_served_is_not_open(
    runtime: LocalRuntime, settings: Settings, keys: KeyRing
):
    closed = settings.model_copy(update={"docs": False})
    async with client_of(runtime, closed, keys) as client:
        assert (await client.get("/api-doc/openapi.json")).status_code == 401
