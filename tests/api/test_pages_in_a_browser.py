"""What pages of other origins can do to a server on loopback, in a real browser."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from tests.chromium import Site

Serving = Callable[[ASGIApp], AbstractAsyncContextManager[str]]

PROVIDER = '{"name": "stolen", "provider_type": "simulated", "is_default": true}'
# Each attempt of a page, by what it came to: what it read, or that it was refused.
ATTACK = """
const api = "%s", stolen = '%s', found = {};
const attempt = async (name, run) => {
  try { found[name] = await run(); } catch { found[name] = "refused"; }
};
const embedded = (tag, path) => new Promise((resolve, reject) => {
  const element = document.createElement(tag);
  element.onload = () => resolve("shown");
  element.onerror = reject;
  element.src = api + path;
  document.body.append(element);
});
const post = (mode) => fetch(api + "/v1/llm-providers",
  {method: "POST", mode, headers: {"Content-Type": "text/plain"}, body: stolen});

await attempt("simple post", async () => (await post("cors")).status);
await attempt("post without cors", async () => (await post("no-cors")).status);
await attempt("form", () => new Promise((resolve) => {
  const frame = document.createElement("iframe"), form = document.createElement("form");
  frame.name = "answer";
  form.target = "answer", form.method = "post", form.enctype = "text/plain";
  form.action = api + "/v1/llm-providers";
  form.innerHTML = `<input name='{"provider_type": "simulated", "name": "' value='stolen"}'>`;
  document.body.append(frame, form);
  frame.onload = () => resolve("sent");
  form.submit();
}));
await attempt("read", async () => (await fetch(api + "/v1/agents")).text());
await attempt("change", async () => (await fetch(api + "/v1/agents/x", {method: "DELETE"})).status);
await attempt("events", () => new Promise((resolve, reject) => {
  const events = new EventSource(api + "/v1/sessions/%s/events");
  events.onopen = () => resolve("opened");
  events.onerror = () => { events.close(); reject(); };
}));
await attempt("image", () => embedded("img", "/swagger-ui/favicon.png"));
await attempt("script", () => embedded("script", "/swagger-ui/start.js"));
await attempt("frame", () => embedded("iframe", "/swagger-ui/"));
await report(found);
"""
REFUSED = {"simple post", "post without cors", "read", "change", "events", "image", "script"}

USE = """
const api = "%s", found = {};
const asking = (key) => ({
  "Authorization": "Bearer evr_x", "Content-Type": "application/json", "Idempotency-Key": key,
});
const post = async (path, body, key) =>
  fetch(api + path, {method: "POST", headers: asking(key), body: JSON.stringify(body)});

const made = [await post("/v1/sessions", {}, "a"), await post("/v1/sessions", {}, "a")];
const [session, again] = [await made[0].json(), await made[1].json()];
found["a repeated post"] = [made[0].status, session.id === again.id];
const error = await fetch(api + "/v1/agents/agent_%s", {headers: asking("b")});
found["an error"] = [error.status, (await error.json()).error.code];
const events = `${api}/v1/sessions/${session.id}/events?after_sequence=0`;
await post(`/v1/sessions/${session.id}/messages`, {content: "hi"}, "c");

const stream = await fetch(events, {headers: {...asking("d"), "Last-Event-ID": ""}});
const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
let text = "";
while (!text.includes("event: session.completed")) {
  const {value, done} = await reader.read();
  if (done) break;
  text += value;
}
await reader.cancel();
found["a stream by fetch"] = text.includes("event: session.completed");
found["a stream by EventSource"] = await new Promise((resolve) => {
  const source = new EventSource(events);
  source.addEventListener("session.completed", () => { source.close(); resolve(true); });
  source.onerror = () => { source.close(); resolve(false); };
});
await report(found);
"""


class Answered:
    """An application with the statuses of its answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.statuses: set[tuple[str, int]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses.add((scope["path"], message["status"]))
            await send(message)

        await self._app(scope, receive, noting)


@pytest.fixture
async def session_id(client: httpx.AsyncClient) -> str:
    return (await client.post("/v1/sessions")).json()["id"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_a_page_on_another_port_reads_and_changes_nothing(
    app: FastAPI,
    client: httpx.AsyncClient,
    session_id: str,
    listen: Serving,
    tmp_path: Path,
    name: str,
):
    """The page is on localhost, so the server is another site to it, or the same one."""
    api = Answered(app)
    async with listen(api) as url:
        target = f"http://{name}:{urlsplit(url).port}"
        site = Site()
        site.script = ATTACK % (target, PROVIDER, session_id)
        async with listen(site) as origin:
            page = f"http://localhost:{urlsplit(origin).port}/"
            found = await site.visited(page, tmp_path / "profile")

    assert {what for what, came_to in found.items() if came_to == "refused"} == REFUSED
    assert {status for _, status in api.statuses} == {403}
    for path in ("/v1/llm-providers", "/v1/agents", "/swagger-ui/", "/swagger-ui/favicon.png"):
        assert (path, 403) in api.statuses
    assert "stolen" not in (await client.get("/v1/llm-providers")).text


async def test_a_name_that_was_pointed_here_opens_nothing(
    app: FastAPI, client: httpx.AsyncClient, session_id: str, listen: Serving, tmp_path: Path
):
    """DNS rebinding: to the browser, page and server are of one origin."""
    site, api = Site(), Answered(app)
    site.script = ATTACK % ("", PROVIDER, session_id)

    async def rebound(scope: Scope, receive: Receive, send: Send) -> None:
        of_site = scope["type"] != "http" or scope["path"] in ("/", "/report")
        await (site if of_site else api)(scope, receive, send)

    async with listen(rebound) as url:
        page = f"http://evil.example:{urlsplit(url).port}/"
        rule = "--host-resolver-rules=MAP evil.example 127.0.0.1"
        found = await site.visited(page, tmp_path / "profile", rule)

    assert "HOST_NOT_ALLOWED" in found["read"]
    assert (found["simple post"], found["change"]) == (403, 403)
    assert {status for _, status in api.statuses} == {403}
    assert "stolen" not in (await client.get("/v1/llm-providers")).text


async def test_a_page_of_an_allowed_origin_uses_the_server(
    runtime: LocalRuntime, settings: Settings, listen: Serving, serve: Serving, tmp_path: Path
):
    site = Site()

    async with listen(site) as origin:
        allowing = settings.model_copy(update={"allowed_origins": (origin,)})
        async with serve(create_app(runtime, allowing, load_capabilities())) as url:
            site.script = USE % (url, "0" * 32)
            found = await site.visited(f"{origin}/", tmp_path / "profile")

    assert found == {
        "a repeated post": [201, True],
        "an error": [404, "AGENT_NOT_FOUND"],
        "a stream by fetch": True,
        "a stream by EventSource": True,
    }
