"""The page of docs/browser.md chats from another origin, in a real browser."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.domain.rights import Grant
from everruns.registry.keys import ApiKeys
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from tests.api.credentials import Headers, key_headers, signed
from tests.chromium import PATIENCE_S, browsing

Serving = Callable[[ASGIApp], AbstractAsyncContextManager[str]]

PAGE = Path(__file__).parents[2] / "docs" / "browser.html"
# Longer than the first token lives.
SLOW = {"tokens": 60, "tokens_per_s": 20}
FIRST_LIFE_MS = 1_500
# A user: types, sends, and watches what appears.
USER = """
<script type="module">
const items = () => [...document.querySelectorAll("#messages li")].map((li) => li.textContent);
const form = document.querySelector("form"), seen = new Set();
const until = async (condition) => {
  while (!await condition()) await new Promise((resolve) => setTimeout(resolve, 20));
};
const say = (text) => {
  document.querySelector("#text").value = text;
  form.requestSubmit();
};
await until(async () => (await fetch("/visits")).text().then((text) => Number(text) > 0));
await new Promise((resolve) => setTimeout(resolve, 100));
say("First");
await until(async () => {
  if (items().length === 2) seen.add(items()[1]);
  return (await fetch("/is-done")).ok;
});
await until(async () => (await fetch("/has-all", {
  method: "POST", body: JSON.stringify(items()),
})).ok);
say("Second");
await until(() => items().length === 4);
await fetch("/report", {method: "POST", body: JSON.stringify({
  items: items(), partial: seen.size, url: location.href,
})});
</script>
"""


class Desk(Starlette):
    """A web site with the page, and the backend that the page calls.

    Attributes:
        report: What the user saw.
        tokens: The access tokens that the page was given.
    """

    def __init__(self, keys: ApiKeys, key_id: str, headers: Headers) -> None:
        super().__init__(
            routes=[
                Route("/", self._show),
                Route("/chat", self._open, methods=["POST"]),
                Route("/visits", self._visits),
                Route("/is-done", self._is_done),
                Route("/has-all", self._has_all, methods=["POST"]),
                Route("/report", self._take, methods=["POST"]),
            ]
        )
        self._keys, self._key_id, self._headers = keys, key_id, headers
        self.api = ""
        self.session = ""
        self.tokens: list[str] = []
        self.report: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.api, headers=self._headers)

    async def _show(self, _request: Request) -> Response:
        return HTMLResponse(PAGE.read_text() + USER)

    async def _open(self, request: Request) -> Response:
        wanted = await request.json()
        async with self._client() as client:
            if "session" not in wanted:
                made = await client.post("/v1/sessions", json={"model_id": "slow/simulated-1"})
                self.session = made.json()["id"]
            # The server makes none that expires within a minute.
            grant = Grant(rights=["read", "send"], session_id=self.session)
            if self.tokens:
                made = await client.post(
                    "/v1/access-tokens",
                    json={"session_id": self.session, "rights": ["read", "send"]},
                )
                token = made.json()["access_token"]
            else:
                token = await signed(self._keys, grant, self._key_id, FIRST_LIFE_MS)
        self.tokens.append(token)
        return JSONResponse({"api": self.api, "session": self.session, "token": token})

    async def _visits(self, _request: Request) -> Response:
        return Response(str(len(self.tokens)))

    async def answers(self) -> list[str]:
        """What was said, by the server."""
        async with self._client() as client:
            page = (await client.get(f"/v1/sessions/{self.session}/messages")).json()
        return [message["content"][0]["text"] for message in page["data"]]

    async def _is_done(self, _request: Request) -> Response:
        return Response(status_code=200 if len(await self.answers()) == 2 else 404)

    async def _has_all(self, request: Request) -> Response:
        return Response(status_code=200 if await request.json() == await self.answers() else 404)

    async def _take(self, request: Request) -> Response:
        if not self.report.done():
            self.report.set_result(await request.json())
        return Response(status_code=204)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "api_keys"})


async def test_a_page_chats_from_another_origin_and_renews_its_token(
    runtime: LocalRuntime,
    settings: Settings,
    listen: Serving,
    serve: Callable[[FastAPI], AbstractAsyncContextManager[str]],
    tmp_path: Path,
):
    key_id, headers = await key_headers(runtime.registry.keys)
    desk = Desk(runtime.registry.keys, key_id, headers)

    async with listen(desk) as origin:
        allowing = settings.model_copy(update={"allowed_origins": (origin,)})
        async with serve(create_app(runtime, allowing, load_capabilities())) as url:
            desk.api = url
            async with httpx.AsyncClient(base_url=url, headers=headers) as client:
                slow = {"name": "slow", "provider_type": "simulated", "settings": SLOW}
                assert (await client.post("/v1/llm-providers", json=slow)).is_success
            async with browsing(f"{origin}/", tmp_path / "profile"), asyncio.timeout(PATIENCE_S):
                seen = await desk.report

    assert seen["items"][::2] == ["First", "Second"]
    assert seen["partial"] > 2  # The answer appeared as it was written.
    assert len(desk.tokens) >= 2  # The first one had expired in the middle of it.
    assert all(token not in seen["url"] for token in desk.tokens)


def test_the_document_shows_the_page():
    assert PAGE.read_text() in (PAGE.parent / "browser.md").read_text()
