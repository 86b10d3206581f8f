"""How the server serves the console: its page at every screen's address, and its files."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from everruns.api import console
from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from tests.api.credentials import client_of

PAGE = '<!doctype html><html lang="en"><script type="module" src="/assets/main-1.js"></script>'
SCRIPT = "export const words = 'of the console';\n" * 100
SESSION = f"session_{'0' * 32}"
ADDRESSES = (
    "/",
    "/sessions",
    "/sessions?status=failed",
    f"/sessions/{SESSION}",
    f"/sessions/{SESSION}?view=timeline",
    "/agents",
    "/agents/new",
    f"/agents/agent_{'0' * 32}",
    "/providers",
    "/capabilities",
    "/usage",
    "/cluster",
    "/sql",
    "/settings",
)
NOWHERE = (
    "/session",
    "/sessions/",
    f"/sessions/{SESSION}/events",
    f"/agents/agent_{'0' * 32}/edit",
    "/providers/openai",
    "/index.html",
    "/assets",
    "/console",
)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
LINK = {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A console as it is built: a page, an icon, and files whose names have their hash."""
    folder = tmp_path / "console"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "assets" / "main-1.js").write_text(SCRIPT)
    (folder / "assets" / "main-1.css").write_text("body { margin: 0 }")
    (folder / "assets" / "notes.txt").write_text("not of the console")
    monkeypatch.setattr(console, "BUILT", folder)
    return folder


@pytest.fixture
async def without(
    runtime: LocalRuntime, settings: Settings, built: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server whose console is switched off."""
    own = settings.model_copy(update={"console": False})
    async with client_of(create_app(runtime, own, load_capabilities())) as client:
        yield client


@pytest.fixture
async def locked(
    runtime: LocalRuntime, settings: Settings, built: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key, of a server that requires one."""
    own = settings.model_copy(update={"auth": "api_keys"})
    async with client_of(create_app(runtime, own, load_capabilities())) as client:
        yield client


def error_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize("address", ADDRESSES)
async def test_every_screen_is_the_page(client: httpx.AsyncClient, built: Path, address: str):
    response = await client.get(address)

    assert response.status_code == 200
    assert response.text == PAGE
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("address", NOWHERE)
async def test_other_addresses_lead_nowhere(client: httpx.AsyncClient, built: Path, address: str):
    assert error_of(await client.get(address)) == (404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize("address", ["/", "/sessions", "/assets/main-1.js", "/icon.svg"])
async def test_what_is_served_can_do_no_more_than_it_must(
    client: httpx.AsyncClient, built: Path, address: str
):
    headers = (await client.get(address)).headers

    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "set-cookie" not in headers


async def test_files_are_kept_for_ever_since_their_names_change(
    client: httpx.AsyncClient, built: Path
):
    script = await client.get("/assets/main-1.js")
    style = await client.get("/assets/main-1.css")

    assert script.text == SCRIPT
    assert script.headers["content-type"].startswith("text/javascript")
    assert style.headers["content-type"].startswith("text/css")
    for response in (script, style):
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_files_are_compressed_for_who_can_read_that(client: httpx.AsyncClient, built: Path):
    request = client.build_request("GET", "/assets/main-1.js")
    response = await client.send(request, stream=True)
    raw = b"".join([part async for part in response.aiter_raw()])
    plain = await client.get("/assets/main-1.js", headers={"Accept-Encoding": "identity"})

    assert response.headers["content-encoding"] == "gzip"
    assert len(raw) < len(SCRIPT) / 4
    assert gzip.decompress(raw).decode() == plain.text == SCRIPT
    assert "content-encoding" not in plain.headers
    assert response.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "name",
    [
        "main-2.js",
        "notes.txt",
        "..%2findex.html",
        "%2e%2e/index.html",
        "..%2f..%2fapi%2fconsole.py",
        "main-1.js%00",
        ".",
    ],
)
async def test_other_files_are_not_served(client: httpx.AsyncClient, built: Path, name: str):
    assert error_of(await client.get(f"/assets/{name}")) == (404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize("address", ["/", "/sessions", "/assets/main-1.js", "/icon.svg"])
async def test_head_has_the_headers_of_get(built: Path, server: httpx.AsyncClient, address: str):
    got = await server.get(address)

    response = await server.head(address)

    assert response.status_code == got.status_code == 200
    assert response.content == b""
    for name in ("content-type", "content-length", "cache-control", "content-security-policy"):
        assert response.headers[name] == got.headers[name]


@pytest.mark.parametrize("address", ["/", "/agents/new", "/assets/main-1.js"])
async def test_the_page_can_only_be_read(client: httpx.AsyncClient, built: Path, address: str):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        response = await client.request(method, address)
        assert error_of(response) == (405, "METHOD_NOT_ALLOWED")
        assert response.headers["allow"] == "GET, HEAD"


async def test_the_page_is_open_where_the_api_needs_a_key(locked: httpx.AsyncClient):
    for address in (*ADDRESSES, "/assets/main-1.js", "/icon.svg"):
        assert (await locked.get(address)).status_code == 200
    for address in ("/v1/agents", "/v1/sessions", "/api/v1/agents", "/sessions/", "/nothing"):
        assert error_of(await locked.get(address)) == (401, "UNAUTHORIZED")


async def test_an_access_token_in_the_page_s_address_is_refused(locked: httpx.AsyncClient):
    response = await locked.get("/sessions?token=evt_x")

    assert error_of(response) == (401, "UNAUTHORIZED")


async def test_without_a_console_the_root_leads_to_the_documentation(without: httpx.AsyncClient):
    response = await without.get("/")

    assert response.is_redirect
    assert response.headers["location"] == "/swagger-ui/"
    for address in ("/sessions", "/assets/main-1.js", "/icon.svg"):
        assert error_of(await without.get(address)) == (404, "ROUTE_NOT_FOUND")


async def test_a_console_that_is_not_built_says_how_to_get_it(
    client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(console, "BUILT", tmp_path / "nothing")

    for address in ("/", "/sessions"):
        response = await client.get(address)
        # HAProxy would replace an error's page.
        assert response.status_code == 200
        assert "make console" in response.text
        assert response.headers["cache-control"] == "no-cache"
    for address in ("/assets/main-1.js", "/icon.svg"):
        assert error_of(await client.get(address)) == (404, "ROUTE_NOT_FOUND")
    assert (await client.get("/v1/agents")).status_code == 200


async def test_a_console_that_is_built_later_is_served_at_once(
    client: httpx.AsyncClient, built: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(console, "BUILT", built / "nothing")
    assert "make console" in (await client.get("/")).text

    monkeypatch.setattr(console, "BUILT", built)

    assert (await client.get("/")).text == PAGE
    assert (await client.get("/assets/main-1.js")).text == SCRIPT


async def test_links_of_other_sites_lead_to_the_page(client: httpx.AsyncClient, built: Path):
    for address in ("/", f"/sessions/{SESSION}?view=events"):
        assert (await client.get(address, headers=LINK)).status_code == 200


@pytest.mark.parametrize(
    "request_headers",
    [
        LINK | {"Sec-Fetch-Dest": "iframe"},
        LINK | {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        LINK | {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        LINK | {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    ],
    ids=["framed", "fetched", "as a script", "posted", "from a sandbox", "of a neighbour"],
)
async def test_other_sites_do_not_get_it_otherwise(
    client: httpx.AsyncClient, built: Path, request_headers: dict[str, str]
):
    for address in ("/", "/sessions", "/assets/main-1.js"):
        response = await client.get(address, headers=request_headers)
        assert error_of(response) == (403, "ORIGIN_NOT_ALLOWED")


async def test_it_answers_to_no_other_name(client: httpx.AsyncClient, built: Path):
    response = await client.get("/", headers={"Host": "evil.example"})

    assert error_of(response) == (403, "HOST_NOT_ALLOWED")
