"""What can go wrong between us and a model, against servers on the loopback."""

import asyncio
import gzip
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from everruns.errors import InvalidRequest
from everruns.providers import connections as room
from everruns.providers.connections import Connections
from everruns.providers.http import Wire
from everruns.providers.proxies import Proxies
from everruns.settings_loading import load_settings
from everruns.tools.addresses import resolve
from everruns.turn_failures import ContextTooLong, ProviderRejected, ProviderUnavailable
from tests.waiting import PATIENCE_S, eventually

EVENT = b"data: x\n\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
WHOLE = HEAD + b"content-length: %d\r\n\r\n" % len(EVENT) + EVENT
HALF = HEAD + b"content-length: 1000\r\n\r\n" + EVENT
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler, tls: SSLContext | None = None) -> AsyncIterator[str]:
    """Serve each connection with a function, and yield the address without its scheme."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        # The client may leave at any time, and so may the test.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.transport.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving)


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """Read one request, and return its head."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
    await reader.readexactly(int(fields.get(b"content-length", 0)))
    return head


def answering(*answers: bytes, heads: list[bytes] | None = None) -> Handler:
    """Give one answer to each request of a connection, then close it."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            head = await request_of(reader)
            if heads is not None:
                heads.append(head)
            writer.write(answer)

    return handler


async def stand_still(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Take everything and say nothing."""
    while await reader.read(65536):
        pass


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    connections = Connections()
    yield connections
    await connections.close()


@pytest.fixture
def ask(connections: Connections) -> Callable[..., Awaitable[list[bytes]]]:
    """Post to an address, and read the whole stream."""

    async def ask(base_url: str, silence_s: float = 5, body: object = None) -> list[bytes]:
        wire = Wire("fake", base_url, silence_s, connections, SecretStr("sk-secret-0001"))
        async with asyncio.timeout(PATIENCE_S):
            return [payload async for payload in wire.post("/x", {"body": body})]

    return ask


# Faults


async def test_a_closed_port_could_not_be_reached(ask):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))

        with pytest.raises(ProviderUnavailable, match="could not be reached"):
            await ask(f"http://127.0.0.1:{unused.getsockname()[1]}")


async def test_names_that_tools_look_up_do_not_hold_up_models(ask, monkeypatch):
    """However many names of black-holed domains are being looked up."""
    over = threading.Event()
    real = socket.getaddrinfo
    begun = []

    def black_hole(host, *args, **kwargs):
        if host.endswith(".lost"):
            begun.append(host)
            over.wait(PATIENCE_S)
            raise socket.gaierror
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", black_hole)
    lost = [asyncio.create_task(resolve(f"{number}.lost")) for number in range(50)]
    try:
        await eventually(lambda: len(begun) >= 8)
        async with listening(answering(WHOLE)) as address:
            port = address.split(":")[1]
            assert await ask(f"http://localhost:{port}") == [b"x"]
        assert not any(task.done() for task in lost)
    finally:
        over.set()
        await asyncio.gather(*lost, return_exceptions=True)


async def test_a_connection_that_does_not_come_about_is_given_up(ask, monkeypatch):
    monkeypatch.setattr(room, "CONNECT_TIMEOUT_S", 0.05)

    async with listening(stand_still) as address:
        with pytest.raises(ProviderUnavailable, match="could not be reached in"):
            await ask(f"https://{address}")


@pytest.mark.parametrize("said", [b"", HALF])
async def test_a_model_that_goes_silent_is_given_up(ask, said):
    async def handler(reader, writer):
        await request_of(reader)
        writer.write(said)
        await stand_still(reader, writer)

    async with listening(handler) as address:
        with pytest.raises(ProviderUnavailable, match=r"silent for 0\.05 s"):
            await ask(f"http://{address}", silence_s=0.05)


async def test_a_server_that_does_not_take_the_request_is_given_up(ask, monkeypatch):
    monkeypatch.setattr(room, "WRITE_TIMEOUT_S", 0.05)

    large = "x" * 2**25
    given_up = asyncio.Event()
    taken: list[bytes] = []

    async def take_nothing(reader, writer):
        writer.transport.pause_reading()
        await given_up.wait()
        writer.transport.resume_reading()
        taken.append(await reader.read())

    async with listening(take_nothing) as address:
        with pytest.raises(ProviderUnavailable, match="silent"):
            await ask(f"http://{address}", body=large)
        given_up.set()
        await eventually(lambda: taken)

    # What the system had not sent by then was dropped.
    assert len(taken[0]) < len(large)


@pytest.mark.parametrize("answer", [b"", b"what?\r\n\r\n", HALF, HEAD[:-2]])
async def test_an_answer_that_breaks_off_is_unavailable(ask, answer):
    async with listening(answering(answer)) as address:
        with pytest.raises(ProviderUnavailable, match="broke off"):
            await ask(f"http://{address}")


async def test_what_came_before_the_break_is_given(connections):
    async with listening(answering(HALF)) as address:
        wire = Wire("fake", f"http://{address}", 5, connections, SecretStr("sk-secret-0001"))
        payloads = wire.post("/x", {})

        assert await anext(payloads) == b"x"
        with pytest.raises(ProviderUnavailable, match="broke off"):
            await anext(payloads)


async def test_a_refusal_counts_although_the_request_was_not_taken_to_its_end(ask):
    refusal = b"HTTP/1.1 413 \r\ncontent-length: 2\r\n\r\n{}"

    async def handler(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        await writer.drain()
        await stand_still(reader, writer)

    async with listening(handler) as address:
        with pytest.raises(ContextTooLong):
            await ask(f"http://{address}", body="x" * 2**24)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://",
        "ftp://127.0.0.1",
        "127.0.0.1:80",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://a..b",
        f"http://{'a' * 300}",
    ],
)
async def test_an_impossible_address_is_rejected(ask, base_url):
    with pytest.raises(ProviderRejected, match="base_url"):
        await ask(base_url)


# Connections


async def test_answers_read_to_their_end_share_a_connection(ask):
    async with listening(answering(WHOLE, WHOLE, WHOLE)) as address:
        for _ in range(3):
            assert await ask(f"http://{address}") == [b"x"]


async def test_a_connection_that_was_closed_meanwhile_is_not_used(ask):
    closed = asyncio.Event()

    async def answer_once(reader, writer):
        await answering(WHOLE)(reader, writer)
        writer.write_eof()
        await stand_still(reader, writer)
        closed.set()

    async with listening(answer_once) as address:
        await ask(f"http://{address}")
        async with asyncio.timeout(PATIENCE_S):
            await closed.wait()

        assert await ask(f"http://{address}") == [b"x"]


async def test_a_request_on_a_connection_that_closes_is_not_sent_twice(ask):
    heads = []
    async with listening(answering(WHOLE, b"", heads=heads)) as address:
        await ask(f"http://{address}")

        with pytest.raises(ProviderUnavailable) as raised:
            await ask(f"http://{address}")

    assert len(heads) == 2
    assert raised.value.retryable


async def test_a_redirect_is_not_followed(ask):
    heads = []
    redirect = b"HTTP/1.1 307 \r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"

    async with listening(answering(redirect, heads=heads)) as address:
        with pytest.raises(ProviderRejected, match="307"):
            await ask(f"http://{address}")

    assert len(heads) == 1


async def test_a_cookie_is_not_kept(ask):
    heads = []
    cookie = WHOLE.replace(b"OK\r\n", b"OK\r\nset-cookie: id=1\r\n")

    async with listening(answering(cookie, WHOLE, heads=heads)) as address:
        for _ in range(2):
            await ask(f"http://{address}")

    assert b"cookie" not in heads[1].lower()


async def test_a_long_header_is_taken(ask):
    policy = WHOLE.replace(b"OK\r\n", b"OK\r\npolicy: " + b"x" * 50_000 + b"\r\n")

    async with listening(answering(policy)) as address:
        assert await ask(f"http://{address}") == [b"x"]


async def test_compression_is_not_asked_for_but_understood(ask):
    heads = []
    packed = gzip.compress(EVENT)
    answer = HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed

    async with listening(answering(answer, heads=heads)) as address:
        assert await ask(f"http://{address}") == [b"x"]

    assert b"accept-encoding: identity" in heads[0].lower()


async def test_credentials_in_the_address_go_before_the_key(ask):
    heads = []

    async with listening(answering(WHOLE, heads=heads)) as address:
        await ask(f"http://user:pass@{address}")

    assert b"Authorization: Basic dXNlcjpwYXNz\r\n" in heads[0]
    assert b"secret" not in heads[0]


# Whom to trust


def self_signed(folder) -> tuple[str, SSLContext]:
    """Return the file of a new certificate for 127.0.0.1, and a server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path = folder / "key.pem"
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key_path)
    return str(path), context


@pytest.fixture
def roots_read_anew():
    room._tls.cache_clear()
    yield
    room._tls.cache_clear()


@pytest.mark.usefixtures("roots_read_anew")
async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(ask, tmp_path):
    _, context = self_signed(tmp_path)

    async with listening(answering(WHOLE), context) as address:
        with pytest.raises(ProviderUnavailable, match="could not be reached"):
            await ask(f"https://{address}")


@pytest.mark.usefixtures("roots_read_anew")
async def test_a_certificate_named_in_the_environment_is_trusted(ask, tmp_path, monkeypatch):
    path, context = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", path)

    async with listening(answering(WHOLE), context) as address:
        assert await ask(f"https://{address}") == [b"x"]


# Proxies


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


async def test_credentials_of_home_directories_are_not_used(ask, monkeypatch, tmp_path):
    heads = []
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine")
    monkeypatch.setenv("NETRC", str(netrc))

    async with listening(answering(WHOLE, heads=heads)) as address:
        await ask(f"http://{address}")

    assert b"Bearer sk-secret-0001" in heads[0]


async def test_closing_closes_all_connections(connections, ask):
    ended = asyncio.Event()

    async def handler(reader, writer):
        await answering(WHOLE)(reader, writer)
        await stand_still(reader, writer)
        ended.set()

    async with listening(handler) as address:
        await ask(f"http://{address}")
        await connections.close()

        await eventually(ended.is_set)
