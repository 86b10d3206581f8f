"""What can go wrong between us and a model, against servers on the loopback."""

import asyncio
import gzip
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from everruns.providers import connections as room
from everruns.providers.connections import Connections
from everruns.providers.http import Wire
from everruns.tools.addresses import resolve
from everruns.turn_failures import ContextTooLong, ProviderRejected, ProviderUnavailable
from tests.loopback import (
    EVENT,
    HALF,
    HEAD,
    WHOLE,
    answering,
    listening,
    request_of,
    stand_still,
    without_proxies,
)
from tests.waiting import PATIENCE_S, eventually


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)


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
