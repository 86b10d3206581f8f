"""Actors whose objects other processes call through stubs, and the channels to them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

import ray
import structlog
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.calls.channels import Connection, ReconnectingChannel
from actors.calls.direct import DirectConnection, DirectServer
from actors.calls.dispatch import dispatch
from actors.calls.network import ANY_PORT
from everruns.address import Address
from everruns.log import error_kind

# How long a known address is tried before Ray is asked as well.
HEAD_START_S = 0.25
# Ray says nothing until an actor that has ended is up again, and may take long to notice that its
# machine has gone.
AGAIN_WITHIN_S = 3.0
# A caller of a session host that gives up learns sooner from the registry where to go instead. The
# time doubles with each failure, because Ray may be slow to answer for an actor that is there.
HOST_AGAIN_WITHIN_S = 0.2

log = structlog.get_logger(__name__)


class RpcActor(ABC):
    """An actor with objects whose methods other processes call through stubs: its targets.

    Args:
        ports: The ports of which it may take one for calls from other nodes.

    Attributes:
        node: The node that it is on.
    """

    def __init__(self, ports: range = ANY_PORT) -> None:
        self.node = _this_node()
        self._server = DirectServer(self._respond, self.node, ray.util.get_node_ip_address(), ports)

    @abstractmethod
    async def targets(self) -> Mapping[str, object]:
        """Return the objects by name. An exception becomes the answer to the call."""

    @ray.method
    async def address(self, node: str) -> Address | None:
        """Return the address of this actor's direct calls, or ``None`` if it cannot take any.

        Ray authenticates the caller, so nobody else learns the secret.

        Args:
            node: The caller's node. For the first caller on another node than its own, the actor
                begins to listen on the network.
        """
        return await self.own_address(node != self.node)

    async def own_address(self, on_network: bool) -> Address | None:
        """Return the same to a caller in this process; see ``OwnAddress``."""
        try:
            return await self._server.address(on_network=on_network)
        except OSError as error:
            log.warning("no direct calls", error=error_kind(error))
            return None

    @ray.method
    async def call(self, request: bytes) -> bytes:
        """Carry out a stub's call to one of the objects."""
        return await self._respond(request)

    async def _respond(self, request: bytes) -> bytes:
        return await dispatch(self.targets, request)


class ActorChannel(ReconnectingChannel):
    """The channel to an actor, direct if possible.

    Args:
        find: Returns the actor, or raises ``ValueError``. Called whenever the actor is not where it
            was, because another actor may have the name by then.
        patience_s: See ``ReconnectingChannel``.

    Attributes:
        address: Where the actor was last, as Ray or somebody else has said. It is tried first, so
            that an actor can be reached while Ray cannot be asked.
    """

    def __init__(self, find: "Callable[[], ActorHandle[Any]]", patience_s: float = 0) -> None:
        super().__init__(self._find_connection, patience_s)
        self._find = find
        self.address: Address | None = None

    async def _find_connection(self) -> Connection:
        with _losses():
            node = _this_node()
        if self.address is None:
            return await self._connect_as_ray_says(node)
        before = asyncio.create_task(_connect_again(self.address, node))
        # A machine that is silent says nothing: Ray is asked before that is certain.
        await asyncio.wait([before], timeout=HEAD_START_S)
        attempts = [before]
        if not before.done() or before.exception() is not None:
            attempts.append(asyncio.create_task(self._connect_as_ray_says(node)))
        async with asyncio.timeout(self._again_within_s):
            return await first_of(attempts)

    @property
    def _again_within_s(self) -> float:
        if self._patience_s:
            return AGAIN_WITHIN_S
        return min(AGAIN_WITHIN_S, HOST_AGAIN_WITHIN_S * 2.0 ** min(self._failures, 10))

    async def _connect_as_ray_says(self, node: str) -> Connection:
        with _losses():
            # Ray's look-up asks another process and waits for it.
            handle = await asyncio.to_thread(self._find)
            address: Any = handle.address.remote(node)
            self.address = await address
        return await _connect(handle, self.address, node)


async def _connect_again(address: Address, node: str) -> Connection:
    try:
        return await DirectConnection.connect(address, node)
    except OSError as error:
        log.info("actor is not where it was", error=error_kind(error))
        raise ConnectionResetError(str(error)) from error


async def first_of(attempts: Iterable[asyncio.Task[Connection]]) -> Connection:
    """Return the connection that is there first, and give the others up.

    Raises:
        ConnectionError: No attempt succeeds.
    """
    waiting = set(attempts)
    failed: BaseException | None = None
    found: list[Connection] = []
    try:
        while waiting and not found:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            failed = next(filter(None, [task.exception() for task in done]), failed)
            found += [task.result() for task in done if task.exception() is None]
    finally:
        for task in waiting:
            task.cancel()
    for late in found[1:]:
        late.close()
    if not found:
        raise ConnectionResetError("No attempt succeeded.") from failed
    return found[0]


async def _connect(handle: "ActorHandle[Any]", address: Address | None, node: str) -> Connection:
    if address is None:
        return RayConnection(handle)
    try:
        return await DirectConnection.connect(address, node)
    except OSError as error:
        is_passing = isinstance(error, ConnectionError | TimeoutError | BlockingIOError)
        if address.node == node and is_passing:
            # It is ending or overloaded: retry.
            raise ConnectionResetError(str(error)) from error
        # Its socket is unreachable, as on a cluster that another user has started or behind a
        # firewall between the nodes.
        log.warning("no direct connection", error=error_kind(error))
        return RayConnection(handle)


def _this_node() -> str:
    return ray.get_runtime_context().get_node_id()


class RayConnection:
    """The connection, through Ray, to one life of an actor that cannot be reached directly."""

    def __init__(self, handle: "ActorHandle[Any]") -> None:
        self._handle = handle

    async def call(self, request: bytes) -> bytes:
        """Return the answer to a request; see ``Connection.call``."""
        with _losses():
            answered: Any = self._handle.call.remote(request)
            return await answered

    def close(self) -> None:
        """Hold nothing."""


@contextmanager
def _losses() -> Generator[None]:
    """Translate Ray's errors about an unreachable actor.

    Raises:
        ConnectionError: The actor, its node or the cluster is gone or not up yet.
    """
    try:
        yield
    except (RayError, OSError, EOFError, ValueError, RuntimeError) as error:
        # Ray reports a name it does not know as ValueError, and a cluster that was left meanwhile
        # as RuntimeError.
        raise ConnectionResetError(str(error)) from error
