"""Which requests come in: by the host they name, and by the page that sends them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.domain.keys import new_api_key
from everruns.errors import HostLost
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings

Clients = Callable[..., Awaitable[httpx.AsyncClient]]

# One of each kind: both faces, health, documentation, console, and a route that is not there.
PATHS = (
    "/v1/agents",
    "/api/v1/agents",
    "/health",
    "/ready",
    "/swagger-ui/",
    "/swagger-ui/start.js",
    "/api-doc/openapi.json",
    "/sessions",
    "/nothing",
)
FRIEND = "http://localhost:3000"
STRANGER = "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST"}
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
async def clients(runtime: LocalRuntime, settings: Settings) -> AsyncIterator[Clients]:
    """Makes clients of servers with settings of their own."""
    async with AsyncExitStack() as opened:

        async def client(**changes: Any) -> httpx.AsyncClient:
            own = Settings(**{**settings.public(), **changes})
            app = create_app(runtime, own, load_capabilities())
            await opened.enter_async_context(app.router.lifespan_context(app))
            return await opened.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(app), base_url="http://localhost:9300"
                )
            )

        yield client


async def create_key(runtime: LocalRuntime) -> str:
    """Create an API key; return its secret."""
    key, secret = new_api_key("page")
    await runtime.registry.keys.add(key)
    return secret


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


FOREIGN_HOST, FOREIGN_ORIGIN = (403, "HOST_NOT_ALLOWED"), (403, "ORIGIN_NOT_ALLOWED")


async def test_a_name_that_somebody_pointed_here_is_refused(client: httpx.AsyncClient):
    for path in PATHS:
        response = await client.get(path, headers={"Host": "evil.example"})
        assert refusal(response) == FOREIGN_HOST


@pytest.mark.parametrize("listening", ["127.0.0.1", "0.0.0.0", "192.168.1.2"])
async def test_loopback_is_always_a_name_of_the_server(clients: Clients, listening: str):
    client = await clients(host=listening)

    for host in ("localhost:9300", "LOCALHOST.", "127.0.0.1", "[::1]:80"):
        assert (await client.get("/health", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    ("listening", "allowed", "refused"),
    [
        ("127.0.0.1", [], ["192.168.1.2", "box.lan", "0.0.0.0"]),
        ("192.168.1.2", ["192.168.1.2:9300"], ["192.168.1.3", "box.lan"]),
        ("Box.lan", ["box.LAN:9300"], ["192.168.1.2", "other.lan"]),
        ("0.0.0.0", ["192.168.1.2", "[fd00::1]:9300", "10.0.0.1"], ["box.lan"]),
        ("::", ["192.168.1.2", "[fd00::1]"], ["box.lan"]),
    ],
)
async def test_a_server_is_known_by_the_address_it_listens_on(
    clients: Clients, listening: str, allowed: list[str], refused: list[str]
):
    client = await clients(host=listening)

    for host in allowed:
        assert (await client.get("/health", headers={"Host": host})).status_code == 200
    for host in refused:
        assert refusal(await client.get("/health", headers={"Host": host})) == FOREIGN_HOST


async def test_a_setting_allows_further_hosts(clients: Clients):
    client = await clients(allowed_hosts="box.lan,*.example.com")

    for host in ("box.lan", "Box.Lan.:8443", "api.example.com"):
        assert (await client.get("/health", headers={"Host": host})).status_code == 200
    for host in ("example.com", "box.lan.evil.example"):
        assert refusal(await client.get("/health", headers={"Host": host})) == FOREIGN_HOST


async def test_a_refused_host_is_told_what_to_set(clients: Clients):
    client = await clients(host="0.0.0.0")
    refused = await client.get("/v1/agents", headers={"Host": "Box.lan:9300"})
    setting = refused.json()["error"]["message"].partition("EVERRUNS_ALLOWED_HOSTS=")[2].split()[0]

    advised = await clients(host="0.0.0.0", allowed_hosts=setting)

    assert (await advised.get("/v1/agents", headers={"Host": "Box.lan:9300"})).status_code == 200


async def test_a_host_that_is_none_is_a_bad_request(client: httpx.AsyncClient):
    for host in (b"", b"a b", b"user@localhost", b"localhost/x", b"[::1", b"l\xf6calhost"):
        response = await client.get("/health", headers={"Host": host})
        assert refusal(response) == (400, "INVALID_REQUEST")


async def test_a_header_that_must_be_single_is_refused_twice(client: httpx.AsyncClient):
    names = ["Host", "Origin", "Authorization", "Idempotency-Key", "Last-Event-ID", "End-User"]
    for name in names:
        host = [] if name == "Host" else [("Host", "localhost")]
        twice = httpx.Headers([*host, (name, "localhost"), (name, "localhost")])

        response = await client.get("/v1/agents", headers=twice)

        assert refusal(response) == (400, "INVALID_REQUEST")
        assert name.lower() in response.json()["error"]["message"].lower()


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_a_page_of_another_origin_is_refused(client: httpx.AsyncClient, method: str):
    neighbours = ("http://localhost:3000", "https://localhost:9300", "http://127.0.0.1")
    for origin in (STRANGER, *neighbours, "null", "ftp://localhost", "nonsense"):
        for path in PATHS:
            response = await client.request(method, path, headers={"Origin": origin})
            assert refusal(response) == FOREIGN_ORIGIN


async def test_nothing_is_done_for_a_page_of_another_origin(clients: Clients):
    client = await clients()
    body = '{"name": "stolen", "provider_type": "simulated", "base_url": "http://evil.example"}'
    headers = {"Origin": STRANGER, "Content-Type": "text/plain"}

    refused = await client.post("/v1/llm-providers", content=body, headers=headers)

    assert refusal(refused) == FOREIGN_ORIGIN
    assert "stolen" not in (await client.get("/v1/llm-providers")).text


async def test_pages_of_the_server_may_use_it(clients: Clients):
    client = await clients(allowed_hosts="box.lan")

    for host, origin in (
        ("localhost:9300", "http://localhost:9300"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("[::1]:9300", "http://[::1]:9300"),
        # Behind a proxy that ends TLS.
        ("box.lan", "https://box.lan"),
        ("Box.lan:8443", "https://box.lan:8443"),
    ):
        headers = {"Host": host, "Origin": origin, "Sec-Fetch-Site": "same-origin"}
        response = await client.post("/v1/agents", json={"name": "clerk"}, headers=headers)
        assert response.status_code == 201
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(("mode", "destination"), [("no-cors", "image"), ("navigate", "iframe")])
async def test_pages_of_other_sites_cannot_embed_anything(
    client: httpx.AsyncClient, mode: str, destination: str
):
    for site in ("cross-site", "same-site", "something-new"):
        embedding = {
            "Sec-Fetch-Site": site,
            "Sec-Fetch-Mode": mode,
            "Sec-Fetch-Dest": destination,
        }
        for path in PATHS:
            assert refusal(await client.get(path, headers=embedding)) == FOREIGN_ORIGIN


async def test_whoever_types_the_address_comes_in(client: httpx.AsyncClient):
    for site in ("same-origin", "none"):
        headers = {"Sec-Fetch-Site": site, **NAVIGATION}
        assert (await client.get("/v1/agents", headers=headers)).status_code == 200


async def test_a_link_to_the_documentation_works_from_anywhere(client: httpx.AsyncClient):
    headers = {"Sec-Fetch-Site": "cross-site", **NAVIGATION}

    for path in ("/swagger-ui/", "/api-doc/openapi.json"):
        assert (await client.get(path, headers=headers)).status_code == 200
    for method, path in (("GET", "/v1/agents"), ("GET", "/ready"), ("POST", "/swagger-ui/")):
        assert refusal(await client.request(method, path, headers=headers)) == FOREIGN_ORIGIN


async def test_an_allowed_page_is_answered_before_it_asks(clients: Clients):
    client = await clients(auth="api_keys", allowed_origins=FRIEND)
    wanted = "authorization, content-type, end-user, idempotency-key, last-event-id"
    asking = {"Origin": FRIEND, **PREFLIGHT, "Access-Control-Request-Headers": wanted}

    for path in PATHS:
        response = await client.options(path, headers=asking)

        assert response.status_code == 204
        headers = response.headers
        assert headers["access-control-allow-origin"] == FRIEND
        allowed = headers["access-control-allow-headers"].lower().split(", ")
        assert set(wanted.split(", ")) <= set(allowed)
        methods = headers["access-control-allow-methods"].split(", ")
        assert {"GET", "POST", "PUT", "PATCH", "DELETE"} <= set(methods)
        assert "access-control-allow-credentials" not in headers
        assert "access-control-allow-private-network" not in headers


async def test_an_allowed_page_may_reach_into_a_private_network(clients: Clients):
    asking = {"Origin": FRIEND, **PREFLIGHT, "Access-Control-Request-Private-Network": "true"}

    allowed = await (await clients(allowed_origins=FRIEND)).options("/v1/agents", headers=asking)
    refused = await (await clients()).options("/v1/agents", headers=asking)

    assert allowed.headers["access-control-allow-private-network"] == "true"
    assert refusal(refused) == FOREIGN_ORIGIN


async def test_an_allowed_page_reads_answers_and_errors(
    clients: Clients, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
):
    secret = await create_key(runtime)
    client = await clients(auth="api_keys", allowed_origins=f"{FRIEND},https://app.example.com")
    friend = {"Origin": FRIEND, "Sec-Fetch-Site": "same-site"}
    bearer = {**friend, "Authorization": f"Bearer {secret}"}

    async def fail(*_: Any) -> None:
        raise HostLost("lost")

    answers = [
        await client.get("/v1/agents", headers=bearer),
        await client.get("/nothing", headers=bearer),
        await client.get("/v1/agents", headers=friend),
        await client.get("/v1/agents", headers={**bearer, "Host": "evil.example"}),
    ]
    monkeypatch.setattr(runtime.registry.agents, "list", fail)
    answers.append(await client.get("/v1/agents", headers=bearer))
    monkeypatch.setattr(runtime.registry.agents, "list", None)
    answers.append(await client.get("/v1/agents", headers=bearer))

    assert [answer.status_code for answer in answers] == [200, 404, 401, 403, 503, 500]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == FRIEND
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"
        assert "cross-origin-resource-policy" not in answer.headers


async def test_other_pages_get_no_cors_where_some_are_allowed(clients: Clients):
    client = await clients(allowed_origins=FRIEND)

    for headers in ({"Origin": STRANGER}, {"Origin": STRANGER, **PREFLIGHT}, {"Origin": "null"}):
        refused = await client.options("/v1/agents", headers=headers)
        assert refusal(refused) == FOREIGN_ORIGIN
        assert "access-control-allow-origin" not in refused.headers
        assert refused.headers["vary"] == "Origin"


async def test_a_refused_page_is_told_what_to_set(clients: Clients):
    refused = await (await clients()).get("/v1/agents", headers={"Origin": STRANGER})
    message = refused.json()["error"]["message"]
    setting = message.partition("EVERRUNS_ALLOWED_ORIGINS=")[2].split()[0]

    advised = await clients(allowed_origins=setting)

    assert (await advised.get("/v1/agents", headers={"Origin": STRANGER})).status_code == 200


async def test_every_page_may_use_a_server_that_says_so(clients: Clients, runtime: LocalRuntime):
    secret = await create_key(runtime)
    client = await clients(auth="api_keys", allowed_origins="*")
    headers = {"Origin": STRANGER, "Authorization": secret}

    response = await client.get("/v1/agents", headers=headers)

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == STRANGER


@pytest.mark.parametrize("headers", [{}, {"Host": "evil.example"}, {"Origin": STRANGER}])
async def test_every_answer_tells_browsers_to_be_careful(
    client: httpx.AsyncClient, headers: dict[str, str]
):
    for path in PATHS:
        answer = (await client.get(path, headers=headers)).headers
        assert answer["x-content-type-options"] == "nosniff"
        assert answer["x-frame-options"] == "DENY"
        assert answer["referrer-policy"] == "no-referrer"
        assert answer["cross-origin-resource-policy"] == "same-origin"
        assert "default-src 'none'" in answer["content-security-policy"]
        assert "frame-ancestors 'none'" in answer["content-security-policy"]


async def test_the_documentation_cannot_be_turned_against_its_reader(client: httpx.AsyncClient):
    page = (await client.get("/swagger-ui/")).headers

    for rule in ("base-uri 'none'", "form-action 'none'", "script-src 'self'"):
        assert rule in page["content-security-policy"]
    assert page["cross-origin-opener-policy"] == "same-origin"
