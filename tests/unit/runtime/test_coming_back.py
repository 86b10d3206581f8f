"""What a browser brings back from a page of consent is checked, used once, and never repeated."""

from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from everruns.domain.mcp_authorizations import CALLBACK_PATH
from tests.desk import consented, desk_with
from tests.oauth_server import OAuthServer
from tests.scripts import ScriptedDriver


async def test_an_address_works_once():
    async with OAuthServer() as oauth, desk_with(ScriptedDriver(), oauth) as desk:
        location = await consented(await desk.address())
        assert (await desk.come_back(location)).status_code == 200
        again = await desk.come_back(location)
        assert (again.status_code, "Already used" in again.text) == (400, True)
        assert len(oauth.requests("/token")) == 1


async def test_an_address_expires(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("everruns.registry.mcp_vault.CONSENT_LIFE_S", 0)
    async with OAuthServer() as oauth, desk_with(ScriptedDriver(), oauth) as desk:
        page = await desk.open(await desk.address())
        assert (page.status_code, "has expired" in page.text) == (400, True)
        assert oauth.requests("/token") == []


@pytest.mark.parametrize(
    "change",
    [
        {"state": "somebody-elses"},
        {"iss": "https://evil.example.com"},
        {"code": "<script>alert(1)</script>"},
        {"error": "<b>server_error</b>"},
        {"state": "x" * 200},
    ],
    ids=["state", "issuer", "code", "error", "long"],
)
async def test_what_does_not_fit_connects_nobody_and_is_not_repeated(change: dict[str, str]):
    async with OAuthServer() as oauth, desk_with(ScriptedDriver(), oauth) as desk:
        oauth.answer = change
        page = await desk.open(await desk.address())
        assert page.status_code == 400
        assert not any(value in page.text for value in change.values())
        assert await desk.standing() == []


async def test_a_code_of_another_server_is_not_exchanged_here():
    async with (
        OAuthServer() as other,
        OAuthServer() as oauth,
        desk_with(ScriptedDriver(), oauth) as desk,
    ):
        async with httpx2.AsyncClient() as browser:
            mine = dict(parse_qsl(urlsplit(await desk.address()).query))
            url = f"{other.issuer}/authorize"
            other.clients[mine["client_id"]] = None
            location = (await browser.get(url, params=mine)).headers["location"]
        page = await desk.come_back(location)
        assert "another authorization server" in page.text
        assert oauth.requests("/token") == other.requests("/token") == []


async def test_whoever_comes_back_without_anything_gets_a_page():
    async with OAuthServer() as oauth, desk_with(ScriptedDriver(), oauth) as desk:
        page = await desk.come_back(f"http://localhost{CALLBACK_PATH}?code=x")
        assert (page.status_code, page.headers["content-type"]) == (
            400,
            "text/html; charset=utf-8",
        )


async def test_an_address_of_before_a_disconnection_connects_nobody():
    async with OAuthServer() as oauth, desk_with(ScriptedDriver(), oauth) as desk:
        await desk.connect()
        location = await consented(await desk.address())
        authorization = desk.subject().id_at(desk.server.id)
        await desk.runtime.mcp_authorizations.delete(desk.server.id, authorization)
        assert (await desk.come_back(location)).status_code == 400
        assert await desk.standing() == []
