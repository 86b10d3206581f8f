"""Direct calls between processes of different nodes: TLS, a pinned certificate, and strangers."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs

from actors.calls import frames, listener, network, socket_files
from actors.calls.certificate import new_certificate
from actors.calls.direct import DirectConnection, DirectServer
from actors.calls.handshake import CHALLENGE_BYTES, PROOF_BYTES
from actors.clusters.ports import free_ports
from everruns.address import Address, Endpoint
from tests.waiting import eventually

HERE, THERE = "this node", "another node"
HOST = "127.0.0.2"
PATIENCE_S = 20


class Server:
    """A server on another node, and what it was asked."""

    def __init__(self, ports: range = network.ANY_PORT) -> None:
        self.asked: list[bytes] = []
        self.direct = DirectServer(self._respond, THERE, HOST, ports)

    async def _respond(self, request: bytes) -> bytes:
        self.asked.append(request)
        return request * 2

    async def endpoint(self) -> Endpoint:
        endpoint = (await self.direct.address(on_network=True)).endpoint
        assert endpoint is not None
        return endpoint


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    await server.direct.close()


Connect = Callable[[Address], Awaitable[DirectConnection]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connects from this node."""
    connections: list[DirectConnection] = []

    async def connect(address: Address) -> DirectConnection:
        connections.append(await DirectConnection.connect(address, HERE))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


async def still_serves(server: Server, connect: Connect) -> bool:
    server.asked.clear()
    connection = await connect(await server.direct.address())
    return await connection.call(b"hello") == b"hellohello" and server.asked == [b"hello"]


def listening() -> set[tuple[str, int]]:
    found = psutil.Process().net_connections("inet")
    return {tuple(one.laddr) for one in found if one.status == psutil.CONN_LISTEN}


# Calls


async def test_calls_from_another_node_go_over_tls(server: Server, connect: Connect):
    connection = await connect(await server.direct.address(on_network=True))
    long = os.urandom(5_000_000)
    both = await asyncio.gather(connection.call(long), connection.call(b"short"))
    assert both == [long * 2, b"shortshort"]
    assert connection.transport.get_extra_info("cipher")[1] == "TLSv1.3"
    assert connection.transport.get_extra_info("peername")[0] == HOST


async def test_calls_on_the_same_node_go_over_the_file(server: Server):
    address = await server.direct.address(on_network=True)
    connection = await DirectConnection.connect(address, THERE)
    assert await connection.call(b"hello") == b"hellohello"
    assert connection.transport.get_extra_info("cipher") is None
    connection.close()


async def test_nothing_listens_on_the_network_before_another_node_asks(
    server: Server, connect: Connect
):
    before = listening()
    address = await server.direct.address()
    assert listening() == before
    assert not server.direct.is_on_network
    with pytest.raises(ConnectionRefusedError, match="not on the network"):
        await connect(address)
    endpoint = await server.endpoint()
    assert server.direct.is_on_network
    assert listening() - before == {(HOST, endpoint.port)}
    await server.direct.close()
    assert listening() == before


async def test_all_who_ask_at_once_get_the_same_address(server: Server):
    asked = [server.direct.address(on_network=True) for _ in range(3)]
    assert len(set(await asyncio.gather(*asked))) == 1


async def test_the_port_is_one_of_those_that_are_configured():
    first, second = free_ports(2)
    ports = range(first, second + 1)
    servers = [Server(ports) for _ in range(3)]
    addresses = [await server.direct.address(on_network=True) for server in servers]
    taken = [address.endpoint.port for address in addresses if address.endpoint]
    assert sorted(taken) == list(ports)
    # The third finds none, and goes on taking calls on its own node.
    last = await DirectConnection.connect(addresses[2], THERE)
    assert await last.call(b"near") == b"nearnear"
    last.close()
    for server in servers:
        await server.direct.close()


async def test_when_the_server_ends_all_its_callers_learn_of_it(server: Server, connect: Connect):
    address = await server.direct.address(on_network=True)
    connection = await connect(address)
    await connection.call(b"hello")
    await server.direct.close()
    await eventually(connection.transport.is_closing)
    with pytest.raises(ConnectionError):
        await connection.call(b"later")
    with pytest.raises(OSError):
        await connect(address)


async def test_secrets_are_not_shown(server: Server):
    address = await server.direct.address(on_network=True)
    assert repr(address.secret) not in repr(address)
    assert "PRIVATE" not in repr(new_certificate())


# Strangers


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


FRAME = frames.HEADER.pack(1, 5) + b"hello"
CLIENT_HELLO = bytes.fromhex("16030100a5010000a10303")


@pytest.mark.parametrize("said", [FRAME, b"GET / HTTP/1.1\r\n\r\n", b"neither"])
async def test_what_is_no_tls_is_hung_up_on(server: Server, connect: Connect, said: bytes):
    with stranger_to(await server.endpoint()) as stranger:
        assert await is_hung_up_on(stranger, said * 100)
    assert server.asked == []
    assert await still_serves(server, connect)


async def test_strangers_do_not_fill_the_log(server: Server, capfd: pytest.CaptureFixture[str]):
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
    monkeypatch.setattr(listener, "HANDSHAKE_TIMEOUT_S", 1.0)
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
    monkeypatch.setattr(listener, "HANDSHAKE_TIMEOUT_S", 0.5)
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
    endpoint = await server.endpoint()
    assert await still_serves(server, connect)
    open_before = psutil.Process().num_fds()
    with ExitStack() as stack:
        strangers = [stack.enter_context(closing(stranger_to(endpoint))) for _ in range(50)]
        assert await still_serves(server, connect)
        # Of those who wait, only the newest are still there.
        assert all([await is_hung_up_on(stranger) for stranger in strangers[:47]])
        for stranger in strangers[48:]:
            with pytest.raises(BlockingIOError):
                stranger.recv(1)
    await eventually(lambda: psutil.Process().num_fds() <= open_before + 2)


# Those who were let in


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port from which nothing comes back, as from a machine that has vanished."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind((HOST, 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        # The system drops what comes once so many wait to be accepted.
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((HOST, port))
        yield port


async def test_a_machine_that_is_silent_is_told_from_a_process_that_is_gone(deaf: int):
    (nobody,) = free_ports(1)

    with pytest.raises(network.MachineSilentError):
        await network.connect(Endpoint(HOST, deaf, bytes(32)))
    with pytest.raises(ConnectionRefusedError):
        await network.connect(Endpoint(HOST, nobody, bytes(32)))


async def test_a_message_that_is_too_long_ends_the_connection_before_it_is_held(
    server: Server, connect: Connect
):
    connection = await connect(await server.direct.address(on_network=True))
    connection.transport.write(frames.HEADER.pack(2, frames.MAX_FRAME_BYTES + 1))
    await eventually(connection.transport.is_closing)
    assert server.asked == []


async def test_a_slow_caller_holds_up_no_other(server: Server, connect: Connect):
    slow = await connect(await server.direct.address(on_network=True))
    for byte in FRAME[:-1]:
        slow.transport.write(bytes([byte]))
        await asyncio.sleep(0)
    assert await still_serves(server, connect)
    slow.transport.write(FRAME[-1:])
    await eventually(lambda: len(server.asked) == 2)


async def test_a_connection_is_watched_for_silence(server: Server, connect: Connect):
    connection = await connect(await server.direct.address(on_network=True))
    far: Any = next(iter(server.direct._connections))
    for end in (connection, far):
        open_socket = end.transport.get_extra_info("socket")
        options = {
            name: open_socket.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_NODELAY", "TCP_KEEPIDLE", "TCP_USER_TIMEOUT")
        }
        assert options == {"TCP_NODELAY": 1, "TCP_KEEPIDLE": 5, "TCP_USER_TIMEOUT": 10_000}
        assert open_socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


async def test_the_key_of_the_certificate_is_left_in_no_file(server: Server, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    await server.endpoint()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(autouse=True, scope="module")
def nothing_left_behind():
    yield
    socket_files.remove_left_behind()
