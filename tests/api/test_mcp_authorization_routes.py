"""Authorizations at MCP servers over HTTP: who may begin, see and end which."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from everruns.domain.mcp_authorizations import CALLBACK_PATH, CLIENT_PATH
from everruns.domain.rights import Grant
from everruns.registry.keys import ApiKeys
from everruns.settings import Settings
from tests.api.credentials import Headers, bearer, key_headers, signed
from tests.desk import consented
from tests.oauth_server import OAuthServer

PUBLIC_URL = "https://agents.example.com"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        auth="api_keys",
        allow_private_addresses=True,
        public_url=f"{PUBLIC_URL}/",
        allowed_hosts=("agents.example.com",),
    )


@pytest.fixture
async def owner(keys: ApiKeys) -> Headers:
    return (await key_headers(keys))[1]


@pytest.fixture
async def desk(guarded: httpx.AsyncClient, owner: Headers) -> AsyncIterator[str]:
    """The path of the authorizations at a server that wants OAuth."""
    async with OAuthServer() as oauth:
        entry = {"name": "desk", "url": oauth.url, "auth": {"acts_as": "user"}}
        made = await guarded.post("/v1/mcp-servers", json=entry, headers=owner)
        assert made.status_code == 201, made.text
        assert made.json()["auth"] == {"type": "oauth", "acts_as": "user"}
        yield f"/v1/mcp-servers/{made.json()['id']}/authorizations"


async def agent_of(client: httpx.AsyncClient, owner: Headers) -> str:
    made = await client.post("/v1/agents", json={"name": "clerk"}, headers=owner)
    return made.json()["id"]


async def connect(client: httpx.AsyncClient, path: str, headers: Headers, **wanted: Any) -> Any:
    begun = await client.post(path, json=wanted, headers=headers)
    assert begun.status_code == 201, begun.text
    location = await consented(begun.json()["authorization_url"])
    assert location.startswith(f"{PUBLIC_URL}{CALLBACK_PATH}?")
    # Browsers show no credential here, and name the address of the deployment.
    page = await client.get(location, headers={"Sec-Fetch-Site": "none"})
    assert page.status_code == 200, page.text
    return begun.json()


async def users(client: httpx.AsyncClient, path: str, headers: Headers) -> list[str | None]:
    found = await client.get(path, headers=headers)
    assert found.status_code == 200, found.text
    return [one.get("end_user") for one in found.json()["data"]]


async def test_an_operator_connects_the_application_and_users_and_disconnects_them(
    guarded: httpx.AsyncClient, owner: Headers, desk: str
):
    agent_id = await agent_of(guarded, owner)
    begun = await connect(guarded, desk, owner, agent_id=agent_id, end_user="ada")
    assert begun.keys() == {"authorization_url", "expires_at", "agent_id", "end_user"}
    await connect(guarded, desk, owner)
    assert await users(guarded, desk, owner) == [None, "ada"]
    (shown, _) = (await guarded.get(desk, headers=owner)).json()["data"][::-1]
    assert shown.keys() == {
        *("id", "mcp_server_id", "acts_as", "agent_id", "end_user", "scope", "status"),
        *("created_at", "updated_at"),
    }
    gone = await guarded.delete(f"{desk}/{shown['id']}", headers=owner)
    assert gone.status_code == 204
    again = await guarded.delete(f"{desk}/{shown['id']}", headers=owner)
    assert (again.status_code, again.json()["error"]["code"]) == (
        404,
        "MCP_AUTHORIZATION_NOT_FOUND",
    )
    assert await users(guarded, desk, owner) == [None]


async def test_a_users_token_is_for_this_user_alone(
    guarded: httpx.AsyncClient, owner: Headers, keys: ApiKeys, desk: str
):
    agent_id = await agent_of(guarded, owner)
    key_id, _ = await key_headers(keys)
    await connect(guarded, desk, owner, agent_id=agent_id, end_user="bob")
    grant = Grant(rights=["answer"], agent_ids=[agent_id], end_user="ada")
    ada = bearer(await signed(keys, grant, key_id))
    assert await users(guarded, desk, ada) == []
    for wanted in ({"agent_id": agent_id, "end_user": "bob"}, {"end_user": "bob"}):
        refused = await guarded.post(desk, json=wanted, headers=ada)
        assert refused.status_code == 403, refused.text
    assert (await connect(guarded, desk, ada))["end_user"] == "ada"
    assert await users(guarded, desk, ada) == ["ada"]
    assert await users(guarded, desk, owner) == ["ada", "bob"]
    everybody = (await guarded.get(desk, headers=owner)).json()["data"]
    bobs = next(one["id"] for one in everybody if one["end_user"] == "bob")
    assert (await guarded.delete(f"{desk}/{bobs}", headers=ada)).status_code == 404


@pytest.mark.parametrize(
    ("grant", "wanted"),
    [
        ({"rights": ["answer"], "end_user": ""}, {}),
        ({"rights": ["answer"]}, {}),
        ({"rights": ["answer"]}, {"agent_id": f"agent_{1:032x}", "end_user": "ada"}),
        ({"rights": ["answer"], "session_id": f"session_{1:032x}", "end_user": "ada"}, {}),
        ({"rights": ["read"], "end_user": "ada"}, {}),
    ],
    ids=["application", "nobody", "other agent", "session", "without the right"],
)
async def test_a_sender_with_limits_connects_nobody_else(
    guarded: httpx.AsyncClient,
    owner: Headers,
    keys: ApiKeys,
    desk: str,
    grant: dict[str, Any],
    wanted: dict[str, str],
):
    agent_id = await agent_of(guarded, owner)
    key_id, _ = await key_headers(keys)
    token = await signed(keys, Grant(**{"agent_ids": [agent_id], **grant}), key_id)
    refused = await guarded.post(desk, json=wanted, headers=bearer(token))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")


async def test_authorization_servers_can_read_who_asks_them(guarded: httpx.AsyncClient):
    described = (await guarded.get(CLIENT_PATH)).json()
    assert described["client_id"] == PUBLIC_URL + CLIENT_PATH
    assert described["redirect_uris"] == [PUBLIC_URL + CALLBACK_PATH]


async def test_pages_of_other_sites_cannot_use_the_address_to_come_back_to(
    guarded: httpx.AsyncClient,
):
    fetched = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    refused = await guarded.get(f"{CALLBACK_PATH}?state=s&code=c", headers=fetched)
    assert refused.status_code == 403
    opened = {**fetched, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    page = await guarded.get(f"{CALLBACK_PATH}?state=s&code=c", headers=opened)
    assert (page.status_code, "has expired" in page.text) == (400, True)
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
