"""What a server without API keys shows to its own machine alone, over real HTTP."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.registry.keys import ApiKeys
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from tests.api.conftest import serving
from tests.api.credentials import key_headers

Configured = Callable[..., FastAPI]
QUERY = {"query": "SELECT 1"}
PUBLIC = "agents.example.com"


@pytest.fixture
def configured(runtime: LocalRuntime, settings: Settings) -> Configured:
    """Makes the application with other settings."""

    def configure(**changed: object) -> FastAPI:
        other = Settings(**{**dict(settings), **changed})
        return create_app(runtime, other, load_capabilities())

    return configure


@pytest.fixture
async def behind(configured: Configured) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server on loopback that also answers to a public name."""
    app = configured(allowed_hosts=(PUBLIC,), allowed_origins=(f"https://{PUBLIC}",))
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield client


async def test_a_request_of_this_machine_is_answered(behind: httpx.AsyncClient):
    page = {"Origin": str(behind.base_url).rstrip("/")}
    asked = await behind.post("/v1/sql", json=QUERY, headers=page)
    assert asked.status_code == 200, asked.text
    shown = (await behind.get("/v1/deployment")).json()
    assert shown["sql"] is True
    assert shown["settings"]


@pytest.mark.parametrize(
    "header",
    [
        {"Forwarded": "for=203.0.113.7"},
        {"X-Forwarded-For": "203.0.113.7"},
        {"X-Forwarded-Proto": "https"},
        {"X-Real-IP": "203.0.113.7"},
        {"Via": "1.1 proxy"},
        {"Host": PUBLIC},
        {"Origin": f"https://{PUBLIC}"},
    ],
    ids=lambda header: next(iter(header)),
)
async def test_a_request_that_came_through_a_proxy_is_refused(
    behind: httpx.AsyncClient, header: dict[str, str]
):
    asked = await behind.post("/v1/sql", json=QUERY, headers=header)
    assert asked.status_code == 403
    assert "auth=api_keys" in asked.json()["error"]["message"]

    shown = (await behind.get("/v1/deployment", headers=header)).json()
    assert shown["sql"] is False
    assert "settings" not in shown
    # Usage says what is spent, and nothing that was said.
    assert (await behind.get("/v1/usage", headers=header)).status_code == 200


async def test_a_server_that_browsers_reach_elsewhere_refuses_all(configured: Configured):
    app = configured(public_url=f"https://{PUBLIC}")
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        asked = await client.post("/v1/sql", json=QUERY)
    assert asked.status_code == 403
    assert f"https://{PUBLIC}" in asked.json()["error"]["message"]


async def test_behind_a_proxy_an_api_key_without_limits_may_ask(
    configured: Configured, keys: ApiKeys
):
    app = configured(auth="api_keys", allowed_hosts=(PUBLIC,), public_url=f"https://{PUBLIC}")
    _, key = await key_headers(keys)
    headers = {**key, "Host": PUBLIC, "X-Forwarded-For": "203.0.113.7"}
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        asked = await client.post("/v1/sql", json=QUERY, headers=headers)
    assert asked.status_code == 200, asked.text
