"""Direct calls: requests to an actor over a connection of its own, past Ray.

A call through Ray costs both processes together more than a millisecond of CPU and the same
latency; over a connection it costs a tenth. Ray locates and restarts the actor; the requests of
every turn bypass Ray.

Callers on the same node come over a socket that is a file (``actors.calls.socket_files``), callers
on other nodes over TLS (``actors.calls.network``). Both prove that they know a secret
(``actors.calls.handshake``), and only then is anything decoded.
This module does not use Ray, so that a command without a cluster can call an actor too.
"""

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from errno import ECONNREFUSED
from functools import partial
from ssl import SSLContext
from weakref import WeakSet

import structlog

from actors.calls import network, socket_files
from actors.calls.certificate import new_certificate
from actors.calls.frames import Frames
from actors.calls.greeting import Greeting
from actors.calls.handshake import authenticate_client, authenticate_server, new_secret
from actors.calls.listener import BACKLOG, HANDSHAKE_TIMEOUT_S, Listener
from everruns.address import Address, Endpoint
from everruns.log import error_kind

MAX_WAITING = 10_000

Respond = Callable[[bytes], Awaitable[bytes]]

log = structlog.get_logger(__name__)


class DirectServer:
    """Takes requests from processes that know its secret.

    It listens on the network only when somebody needs it.

    Args:
        respond: Returns the answer to a request; may not raise.
        node: The name of its node.
        host: The IP address of its node.
        ports: The ports of which it may take one on the network.
    """

    def __init__(
        self,
        respond: Respond,
        node: str = "",
        host: str = "127.0.0.1",
        ports: range = network.ANY_PORT,
    ) -> None:
        self._respond = respond
        self._node = node
        self._host = host
        self._ports = ports
        self._address: Address | None = None
        self._listeners: list[Listener] = []
        self._refused = ""
        self._opening = asyncio.Lock()
        self._is_closed = False
        self._connections: WeakSet[ServerConnection] = WeakSet()

    @property
    def is_on_network(self) -> bool:
        """Whether it listens on the network."""
        return self._address is not None and self._address.endpoint is not None

    async def address(self, *, on_network: bool = False) -> Address:
        """Start to listen and return the address.

        A caller that is cancelled does not end the opening: nobody could close what it opens.

        Args:
            on_network: Whether callers on other nodes need it. If it cannot listen on the network,
                the address has no endpoint.

        Raises:
            OSError: The socket on this node cannot be created, or the server was closed before it
                had an address.
        """
        return await asyncio.shield(asyncio.ensure_future(self._opened(on_network)))

    async def _opened(self, on_network: bool) -> Address:
        async with self._opening:
            if self._is_closed:
                if self._address is None:
                    raise OSError("This server is closed.")
                return self._address
            if self._address is None:
                listening, path = await asyncio.to_thread(socket_files.listen, BACKLOG)
                self._address = Address(path, new_secret(), self._node)
                self._listeners.append(Listener(listening, self._admit_near))
            if on_network and self._address.endpoint is None:
                try:
                    self._address = replace(self._address, endpoint=await self._open_network())
                except OSError as error:
                    self._warn_once(error_kind(error))
        return self._address

    def _warn_once(self, refused: str) -> None:
        """Say why it is not on the network; it is asked again and again."""
        if refused != self._refused:
            log.warning("not on the network", host=self._host, error=refused)
            self._refused = refused

    async def _open_network(self) -> Endpoint:
        certificate = await asyncio.to_thread(new_certificate)
        tls = network.server_tls(certificate)
        listening = network.listen(self._host, self._ports, BACKLOG)
        port: int = listening.getsockname()[1]
        self._listeners.append(Listener(listening, partial(self._admit_far, tls)))
        return Endpoint(self._host, port, certificate.fingerprint)

    async def close(self) -> None:
        """Accept no more connections, and close the existing ones."""
        async with self._opening:
            self._is_closed = True
            if self._address is None:
                return
            for listener in self._listeners:
                await listener.close()
            self._listeners.clear()
            for connection in self._connections:
                connection.transport.abort()
            await asyncio.sleep(0)  # The event loop closes their sockets in its next round.
            socket_files.remove(self._address.path)

    async def _admit_near(self, client: socket.socket) -> None:
        socket_files.refuse_other_user(client)
        await self._admit(client, None)

    async def _admit_far(self, tls: SSLContext, client: socket.socket) -> None:
        network.bound_silence(client)
        await self._admit(client, tls)

    async def _admit(self, client: socket.socket, tls: SSLContext | None) -> None:
        assert self._address is not None  # noqa: S101
        greeting = Greeting()
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: greeting, client, ssl=tls)
        try:
            await authenticate_client(greeting, self._address.secret)
            connection = ServerConnection(self._respond)
            greeting.hand_over(connection)
        except BaseException:
            greeting.transport.abort()
            raise
        self._connections.add(connection)


class ServerConnection(Frames):
    """The server's end of one connection."""

    def __init__(self, respond: Respond) -> None:
        super().__init__()
        self._respond = respond
        self._tasks: set[asyncio.Task[None]] = set()

    def message_received(self, number: int, content: bytes) -> None:
        """Carry out a request; stop reading while too many are running."""
        task = asyncio.create_task(self._carry_out(number, content))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        if len(self._tasks) >= MAX_WAITING:
            self.transport.pause_reading()

    async def _carry_out(self, number: int, request: bytes) -> None:
        try:
            answer = await self._respond(request)
            # The request is carried out even if the caller has disconnected.
            if not self.transport.is_closing():
                await self.send(number, answer)
        except Exception:
            # The caller must learn that there will be no answer.
            log.exception("direct call not answered")
            self.transport.abort()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if len(self._tasks) < MAX_WAITING and not self.transport.is_closing():
            self.transport.resume_reading()


class DirectConnection(Frames):
    """A connection to a ``DirectServer``, for any number of requests at once.

    Made by ``connect``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}

    @classmethod
    async def connect(cls, address: Address, node: str = "") -> "DirectConnection":
        """Connect to the server at this address.

        Args:
            address: The address.
            node: The caller's node.

        Raises:
            OSError: The server does not exist, belongs to another user, does not know the secret,
                is too busy to answer, or is on another node and not on the network.
        """
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            greeting = await _reach(address, node)
            try:
                await authenticate_server(greeting, address.secret)
                connection = cls()
                greeting.hand_over(connection)
            except BaseException:
                greeting.transport.abort()
                raise
        _open.add(connection)
        return connection

    async def call(self, request: bytes) -> bytes:
        """Return the answer to a request.

        Raises:
            ConnectionError: The other process has ended. The request's outcome is unknown.
            ValueError: The request is too long to be sent.
        """
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self.send(number, request)
            return await answer
        finally:
            del self._waiting[number]

    def close(self) -> None:
        """Hang up; pending calls fail."""
        self.transport.abort()

    def message_received(self, number: int, content: bytes) -> None:
        """Deliver an answer to its pending call, whose caller may have given up."""
        answer = self._waiting.get(number)
        if answer is not None and not answer.done():
            answer.set_result(content)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail all pending calls."""
        super().connection_lost(exc)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("The process at the other end is gone."))


async def _reach(address: Address, node: str) -> Greeting:
    if address.node == node:
        greeting = Greeting()
        server = socket_files.connect(address.path)
        try:
            socket_files.refuse_other_user(server)
            loop = asyncio.get_running_loop()
            await loop.create_unix_connection(lambda: greeting, sock=server)
        except BaseException:
            server.close()
            raise
        return greeting
    if address.endpoint is None:
        raise ConnectionRefusedError(
            ECONNREFUSED, "The process is on another node, and not on the network."
        )
    return await network.connect(address.endpoint)


_open: WeakSet[DirectConnection] = WeakSet()


async def hang_up() -> None:
    """Close every connection that was made on the running event loop, before that ends."""
    loop = asyncio.get_running_loop()
    for connection in [connection for connection in _open if connection.loop is loop]:
        connection.close()
    await asyncio.sleep(0)  # The event loop closes their sockets in its next round.
