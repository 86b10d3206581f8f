"""Direct calls between processes of different nodes, over TLS with a pinned certificate."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psutil
import pytest

from actors.calls import frames, network
from actors.calls.certificate import new_certificate
from actors.calls.direct import DirectConnection
from actors.clusters.ports import free_ports
from everruns.address import Endpoint
from tests.unit.actors.another_node import FRAME, HOST, THERE, Connect, Server, still_serves
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


def listening() -> set[tuple[str, int]]:
    found = psutil.Process().net_connections("inet")
    return {tuple(one.laddr) for one in found if one.status == psutil.CONN_LISTEN}


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
