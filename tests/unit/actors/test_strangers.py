"""Strangers on the network of a cluster: they are hung up on, and keep nobody else out."""

import asyncio
import socket
import ssl
from contextlib import ExitStack, closing
from dataclasses import replace

import psutil
import pytest
from structlog.testing import capture_logs

from actors.calls import frames, listener, network
from actors.calls.certificate import new_certificate
from actors.calls.handshake import CHALLENGE_BYTES, PROOF_BYTES
from everruns.address import Endpoint
from tests.unit.actors.another_node import FRAME, HOST, Connect, Server, still_serves
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


async def test_whoever_does_not_know_the_secret_is_not_let_in(server: Server, connect: Connect):
    address = await server.direct.address(on_network=True)
    with pytest.raises(ConnectionError):
        await connect(replace(address, secret=bytes(32)))
    assert server.asked == []
    assert await still_serves(server, connect)


async def test_a_caller_says_nothing_to_a_server_with_another_certificate(
    server: Server, connect: Connect
):
    """Somebody else has got the server's port, or sits in between."""
    endpoint = await server.endpoint()
    heard: list[bytes] = []
    impostor = await asyncio.start_server(
        lambda reader, writer: listen_to(reader, writer, heard),
        HOST,
        ssl=network.server_tls(new_certificate()),
    )
    port = impostor.sockets[0].getsockname()[1]
    address = await server.direct.address()
    with pytest.raises(ConnectionRefusedError, match="another certificate"):
        await connect(replace(address, endpoint=replace(endpoint, port=port)))
    # The next caller is heard after it.
    _, writer = await over_tls(replace(endpoint, port=port))
    writer.write(b"bye")
    await eventually(lambda: b"bye" in heard)
    writer.transport.abort()
    assert set(heard) <= {b"", b"bye"}
    impostor.close()


async def listen_to(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: list[bytes]
) -> None:
    """Challenge a caller as the real server does, and take what it says."""
    writer.write(bytes(CHALLENGE_BYTES))
    try:
        heard.append(await reader.read(1000))
    except ConnectionError:
        heard.append(b"")
    writer.transport.abort()


def stranger_to(endpoint: Endpoint) -> socket.socket:
    stranger = socket.create_connection((endpoint.host, endpoint.port), PATIENCE_S)
    stranger.setblocking(False)
    return stranger


async def hears(stranger: socket.socket, sent: bytes = b"") -> bytes:
    """What a stranger hears after it has said something."""
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(stranger, sent)
        async with asyncio.timeout(PATIENCE_S):
            return await loop.sock_recv(stranger, 1000)
    except ConnectionError:
        return b""


async def is_hung_up_on(stranger: socket.socket, sent: bytes = b"") -> bool:
    heard = await hears(stranger, sent)
    while heard:  # An alert of TLS, perhaps.
        heard = await hears(stranger)
    return True


CLIENT_HELLO = bytes.fromhex("16030100a5010000a10303")


@pytest.mark.parametrize("said", [FRAME, b"GET / HTTP/1.1\r\n\r\n", b"neither"])
async def test_what_is_no_tls_is_hung_up_on(server: Server, connect: Connect, said: bytes):
    with stranger_to(await server.endpoint()) as stranger:
        assert await is_hung_up_on(stranger, said * 100)
    assert server.asked == []
    assert await still_serves(server, connect)


async def test_strangers_do_not_fill_the_log(
    server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(listener, "LOG_EVERY_S", 10 * PATIENCE_S)
    for _ in range(20):
        with stranger_to(await server.endpoint()) as stranger:
            assert await is_hung_up_on(stranger, FRAME)

    assert "".join(capfd.readouterr()).count("connection refused") == 1


@pytest.mark.parametrize("said", [b"", CLIENT_HELLO], ids=["silence", "half a greeting"])
async def test_whoever_does_not_finish_the_handshake_is_hung_up_on(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch, said: bytes
):
    monkeypatch.setattr(listener, "HANDSHAKE_TIMEOUT_S", 0.2)
    with stranger_to(await server.endpoint()) as stranger:
        assert await is_hung_up_on(stranger, said)
    monkeypatch.undo()
    assert await still_serves(server, connect)


async def over_tls(endpoint: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stranger who speaks TLS, but does not know the secret."""
    reader, writer = await asyncio.open_connection(
        endpoint.host, endpoint.port, ssl=network._client_tls()
    )
    assert len(await reader.readexactly(CHALLENGE_BYTES)) == CHALLENGE_BYTES
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        try:
            return await reader.read(1000) == b""
        except (ConnectionError, ssl.SSLError):
            return True


@pytest.mark.parametrize(
    "said",
    [FRAME * 10, frames.HEADER.pack(1, 2**32 - 1), bytes(1_000_000)],
    ids=["frames", "a huge length", "a flood"],
)
async def test_a_request_before_the_handshake_is_not_read(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch, said: bytes
):
    monkeypatch.setattr(listener, "HANDSHAKE_TIMEOUT_S", 2.0)
    reader, writer = await over_tls(await server.endpoint())
    writer.write(said)
    assert await ended(reader)
    writer.transport.abort()
    assert server.asked == []
    monkeypatch.undo()
    assert await still_serves(server, connect)


async def test_the_log_says_why_somebody_was_refused(server: Server):
    with capture_logs() as lines:
        reader, writer = await over_tls(await server.endpoint())
        writer.write(bytes(CHALLENGE_BYTES + PROOF_BYTES))
        assert await ended(reader)
    writer.transport.abort()
    (line,) = lines
    assert line["error"] == (
        "ConnectionRefusedError: The process at the other end does not know the secret."
    )


async def test_whoever_says_nothing_over_tls_is_hung_up_on(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listener, "HANDSHAKE_TIMEOUT_S", 2.0)
    reader, writer = await over_tls(await server.endpoint())
    assert await ended(reader)
    writer.transport.abort()


async def test_older_forms_of_tls_are_refused(server: Server):
    older = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    older.check_hostname = False
    older.verify_mode = ssl.CERT_NONE
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    endpoint = await server.endpoint()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection(endpoint.host, endpoint.port, ssl=older)


async def test_strangers_keep_nobody_out(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listener, "MAX_UNAUTHENTICATED", 3)
    monkeypatch.setattr(listener, "HANDSHAKE_TIMEOUT_S", PATIENCE_S)
    endpoint = await server.endpoint()
    assert await still_serves(server, connect)
    with ExitStack() as stack:
        strangers = [stack.enter_context(closing(stranger_to(endpoint))) for _ in range(50)]
        assert await still_serves(server, connect)
        # Of those who wait, only the newest are still there.
        assert all([await is_hung_up_on(stranger) for stranger in strangers[:47]])
        for stranger in strangers[48:]:
            with pytest.raises(BlockingIOError):
                stranger.recv(1)
    # Only those who were let in, twice, are left.
    await eventually(lambda: accepted_at(endpoint) <= 2, 2 * PATIENCE_S)


def accepted_at(endpoint: Endpoint) -> int:
    """Return how many connections there are that this process has accepted at an endpoint."""
    return sum(
        connection.laddr.port == endpoint.port and connection.status != psutil.CONN_LISTEN
        for connection in psutil.Process().net_connections("tcp")
    )
