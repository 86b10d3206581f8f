"""Which models are asked through a proxy, and through which."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from pydantic import SecretStr

from everruns.errors import InvalidRequest
from everruns.providers.connections import Connections
from everruns.providers.http import Wire
from everruns.providers.proxies import Proxies
from everruns.settings_loading import load_settings
from everruns.turn_failures import ProviderRejected, ProviderUnavailable
from tests.loopback import WHOLE, answering, listening, without_proxies
from tests.waiting import PATIENCE_S


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)


@asynccontextmanager
async def recording_proxy() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy that answers by itself, and the heads of what it was asked."""
    heads: list[bytes] = []
    async with listening(answering(WHOLE, heads=heads)) as proxy:
        yield proxy, heads


@pytest.fixture
def ask_through():
    """Post to an address under a deployment's rule for proxies, and read the whole stream."""

    async def ask(base_url: str, proxy: str | None, exceptions: str = "") -> list[bytes]:
        connections = Connections(Proxies(SecretStr(proxy) if proxy else None, exceptions))
        wire = Wire("fake", base_url, 5, connections, SecretStr("sk-secret-0001"))
        try:
            async with asyncio.timeout(PATIENCE_S):
                return [payload async for payload in wire.post("/x", {})]
        finally:
            await connections.close()

    return ask


async def test_the_proxy_of_the_settings_is_asked(ask_through):
    async with recording_proxy() as (proxy, heads):
        assert await ask_through("http://fake.test/v1", f"http://user:pass@{proxy}") == [b"x"]

    assert heads[0].startswith(b"POST http://fake.test/v1/x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNz\r\n" in heads[0]
    assert b"Bearer sk-secret-0001" in heads[0]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_a_proxy_of_the_environment_is_asked_where_that_is_meant(
    ask_through, monkeypatch, variable, scheme
):
    async with recording_proxy() as (proxy, heads):
        monkeypatch.setenv(variable, f"{scheme}user:pass@{proxy}")
        assert await ask_through("http://fake.test/v1", "environment") == [b"x"]

    assert heads[0].startswith(b"POST http://fake.test/v1/x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNz\r\n" in heads[0]


async def test_a_proxy_of_the_environment_is_not_asked_by_accident(ask_through, monkeypatch):
    async with recording_proxy() as (proxy, heads):
        monkeypatch.setenv("ALL_PROXY", f"http://{proxy}")
        unreached = pytest.raises(ProviderUnavailable, match="could not be reached")
        with structlog.testing.capture_logs() as logs, unreached:
            await ask_through("http://fake.test/v1", None)

    assert heads == []
    assert "model_proxy" in logs[0]["event"]
    assert proxy not in str(logs)


@pytest.mark.parametrize("rule", ["environment", "http://{proxy}"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_this_machine_is_not_asked_through_a_proxy(ask_through, monkeypatch, rule, host):
    async with recording_proxy() as (proxy, heads), listening(answering(WHOLE)) as address:
        monkeypatch.setenv("ALL_PROXY", f"http://{proxy}")
        port = address.split(":")[1]
        assert await ask_through(f"http://{host}:{port}", rule.format(proxy=proxy)) == [b"x"]

    assert heads == []


async def test_a_proxy_sees_no_key_on_its_way_to_tls(ask_through):
    heads = []

    async with listening(answering(b"HTTP/1.1 403 No\r\n\r\n", heads=heads)) as proxy:
        with pytest.raises(ProviderUnavailable, match="could not be reached"):
            await ask_through("https://fake.test/v1", f"http://{proxy}")

    assert heads[0].startswith(b"CONNECT fake.test:443 HTTP/1.1\r\n")
    assert b"secret" not in heads[0]


@pytest.mark.parametrize("exempt", ["*", "fake.test", "fake.test:8080", "a.test, .fake.test"])
def test_who_is_exempt_is_asked_without_a_proxy(monkeypatch, exempt):
    proxy = "http://127.0.0.1:9"
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", exempt)

    for proxies in (
        Proxies(SecretStr("environment")),
        Proxies(SecretStr(proxy), exempt),
    ):
        assert proxies.find("http", "fake.test", 8080) is None
        assert proxies.find("http", "other.test", 8080) == (None if exempt == "*" else proxy)


@pytest.mark.parametrize(
    "host", ["::1", "::ffff:127.0.0.1", "127.8.8.8", "a.localhost", "LOCALHOST."]
)
def test_every_spelling_of_this_machine_is_known(host):
    assert Proxies(SecretStr("http://proxy.test")).find("http", host, None) is None


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://127.0.0.1:x", "http://"])
async def test_a_proxy_that_cannot_be_used_is_named(ask_through, monkeypatch, proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)

    with pytest.raises(ProviderRejected, match="proxy"):
        await ask_through("http://fake.test/v1", "environment")


@pytest.mark.parametrize("proxy", ["socks5://u:pass@h", "proxy:3128", "http://", "http://h/path"])
def test_a_setting_that_is_not_a_proxy_is_refused_without_quoting_it(proxy):
    with pytest.raises(InvalidRequest, match=r"model_proxy: .*http://proxy:3128") as refused:
        load_settings(model_proxy=proxy)
    assert "pass" not in str(refused.value)
