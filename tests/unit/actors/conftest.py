"""What tests of calls share: event loops, and a server on another node."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest
import uvloop

from actors.calls import socket_files
from actors.calls.direct import DirectConnection
from everruns.address import Address
from tests.unit.actors.another_node import HERE, Connect, Server

OF_CONNECTIONS = {"test_direct.py", "test_handshake.py", "test_network.py", "test_strangers.py"}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Ray's processes use uvloop, and commands do not."""
    if item.path.name in OF_CONNECTIONS:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server on another node."""
    server = Server()
    yield server
    await server.direct.close()


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


@pytest.fixture(scope="module")
def nothing_left_behind() -> Iterator[None]:
    """Remove the sockets that the tests of a module leave on this machine."""
    yield
    socket_files.remove_left_behind()
