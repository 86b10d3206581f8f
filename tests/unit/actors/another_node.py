"""A server on another node, for tests of calls over the network."""

from collections.abc import Awaitable, Callable

from actors.calls import frames, network
from actors.calls.direct import DirectConnection, DirectServer
from everruns.address import Address, Endpoint

HERE, THERE = "this node", "another node"
HOST = "127.0.0.2"
FRAME = frames.HEADER.pack(1, 5) + b"hello"

Connect = Callable[[Address], Awaitable[DirectConnection]]


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


async def still_serves(server: Server, connect: Connect) -> bool:
    """Tell whether a caller that may call is answered."""
    server.asked.clear()
    connection = await connect(await server.direct.address())
    return await connection.call(b"hello") == b"hellohello" and server.asked == [b"hello"]
