"""What a caller learns about the deployment and about its own credential."""

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from everruns.domain.rights import RIGHTS, Grant
from everruns.registry.keys import ApiKeys
from everruns.settings import Settings
from tests.api.credentials import bearer, key_headers, signed

AGENT_ID = "agent_" + "0" * 31 + "1"


def guarding(app: FastAPI, **fields: object) -> None:
    """Change what the routes know of the settings."""
    app.state.settings = app.state.settings.model_copy(update=fields)


async def told(client: httpx.AsyncClient, headers: dict[str, str] | None = None) -> dict:
    response = await client.get("/v1/deployment", headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def test_without_authentication_everybody_may_do_everything(client: httpx.AsyncClient):
    deployment = await told(client)

    assert deployment["version"] == (await client.get("/health")).json()["version"]
    assert (deployment["auth"], deployment["docs"]) == ("none", True)
    assert (deployment["usage"], deployment["sql"]) == (True, True)
    assert deployment["caller"] == {
        "kind": "anybody",
        "has_limits": False,
        "rights": list(RIGHTS),
        "agent_ids": [],
    }


async def test_settings_are_those_of_the_deployment_without_secrets(
    app: FastAPI, client: httpx.AsyncClient
):
    guarding(app, openai_api_key=SecretStr("sk-never-shown"), port=9301)

    deployment = await told(client)

    shown = {setting["name"]: setting for setting in deployment["settings"]}
    assert shown.keys() == Settings.model_fields.keys()
    assert (shown["port"]["value"], shown["port"]["is_default"]) == (9301, False)
    assert (shown["host"]["value"], shown["host"]["is_default"]) == ("127.0.0.1", True)
    key = shown["openai_api_key"]
    assert (key["is_secret"], key["is_set"], "value" in key) == (True, True, False)
    assert shown["database_url"]["is_set"] is False
    assert "sk-never-shown" not in str(deployment)


def test_every_secret_is_known_as_one():
    assert Settings.secret_names() == {
        "anthropic_api_key",
        "database_url",
        "encryption_key",
        "mcp_servers",
        "model_proxy",
        "openai_api_key",
        "trace_headers",
    }


async def test_an_open_server_shows_no_settings_and_offers_no_sql(
    app: FastAPI, client: httpx.AsyncClient
):
    guarding(app, host="0.0.0.0")

    deployment = await told(client)

    assert "settings" not in deployment
    assert deployment["sql"] is False


async def test_without_an_archive_there_is_neither_usage_nor_sql(
    app: FastAPI, client: httpx.AsyncClient
):
    guarding(app, archive=False)

    deployment = await told(client)

    assert (deployment["usage"], deployment["sql"]) == (False, False)


class TestWithKeys:
    """With ``auth = api_keys``."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"auth": "api_keys"})

    async def test_a_key_without_limits_learns_which_key_it_is(
        self, guarded: httpx.AsyncClient, keys: ApiKeys
    ):
        key_id, headers = await key_headers(keys)

        deployment = await told(guarded, headers)

        caller = deployment["caller"]
        assert (caller["kind"], caller["has_limits"]) == ("api_key", False)
        assert caller["key"]["id"] == key_id
        assert caller["key"]["name"] == "laptop"
        assert headers["Authorization"].endswith(caller["key"]["last_four"])
        assert deployment["settings"]
        assert headers["Authorization"].removeprefix("Bearer ") not in str(deployment)

    async def test_a_bound_key_learns_its_rights_and_no_settings(
        self, guarded: httpx.AsyncClient, keys: ApiKeys
    ):
        agent = (
            await guarded.post(
                "/v1/agents", json={"name": "clerk"}, headers=(await key_headers(keys))[1]
            )
        ).json()
        _, headers = await key_headers(keys, agent["id"], rights=["send"])

        deployment = await told(guarded, headers)

        caller = deployment["caller"]
        assert (caller["has_limits"], caller["rights"]) == (True, ["send"])
        assert caller["agent_ids"] == [agent["id"]]
        assert (deployment["usage"], deployment["sql"]) == (False, False)
        assert "settings" not in deployment

    async def test_an_access_token_learns_its_scope_and_not_its_key(
        self, guarded: httpx.AsyncClient, keys: ApiKeys
    ):
        key_id, _ = await key_headers(keys)
        grant = Grant(rights=["read"], agent_ids=[AGENT_ID], end_user="alice")

        deployment = await told(guarded, bearer(await signed(keys, grant, key_id)))

        caller = deployment["caller"]
        assert (caller["kind"], caller["end_user"]) == ("access_token", "alice")
        assert caller["expires_at"]
        assert "key" not in caller
        assert key_id not in str(deployment)

    async def test_nobody_learns_anything_without_a_credential(self, guarded: httpx.AsyncClient):
        response = await guarded.get("/v1/deployment")

        assert (response.status_code, response.json()["error"]["code"]) == (401, "UNAUTHORIZED")
