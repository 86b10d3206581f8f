"""Objects that live in Ray's actors, used as if they were here."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

import ray
import structlog
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.calls import answer
from actors.direct import Address, DirectConnection, DirectServer
from everruns.errors import HostLost

log = structlog.get_logger(__name__)


class Callee(ABC):
    """An actor with rooms: objects whose methods other processes call through ``Remote``."""

    def __init__(self) -> None:
        self._server = DirectServer(self._answer)

    @abstractmethod
    async def room(self, name: str) -> object:
        """Return one of the objects. What it raises is the answer to the call."""

    @ray.method
    async def address(self) -> tuple[str, Address | None]:
        """Return the node that this actor is on, and where it takes direct calls there.

        Who may call this, Ray decides; so nobody else learns the secret.
        """
        node = ray.get_runtime_context().get_node_id()
        try:
            return node, await self._server.address()
        except OSError as error:
            log.warning("no direct calls", error=str(error))
            return node, None

    @ray.method
    async def call(self, request: bytes) -> bytes:
        """Carry out what a ``Remote`` asks of one of the objects."""
        return await self._answer(request)

    async def _answer(self, request: bytes) -> bytes:
        return await answer(self.room, request)


class ActorLine:
    """The way to an actor: a direct one if it is on this machine, else through Ray.

    Args:
        find: Returns the actor, or raises ``ValueError``. Asked again when the actor has gone:
            another one may have its name by then.
    """

    def __init__(self, find: "Callable[[], ActorHandle[Any]]") -> None:
        self._find = find
        self._handle: ActorHandle[Any] | None = find()
        self._call: Callable[[bytes], Awaitable[bytes]] | None = None
        self._connecting = asyncio.Lock()

    async def call(self, request: bytes, timeout_s: float) -> bytes:
        """Return the actor's answer; see ``actors.calls.Line``."""
        call = self._call
        try:
            async with asyncio.timeout(timeout_s):
                call = call or await self._connect()
                return await call(request)
        except TimeoutError as error:
            raise HostLost("A part of the cluster does not answer.", None, 1.0) from error
        except (RayError, OSError, ValueError) as error:
            if self._call is call:
                self._call = self._handle = None
            raise HostLost(
                "A part of the cluster is being restarted. Try again shortly.", None, 1.0
            ) from error

    async def _connect(self) -> Callable[[bytes], Awaitable[bytes]]:
        async with self._connecting:
            if self._call is None:
                handle = self._handle = self._handle or self._find()
                where: Any = handle.address.remote()
                node, address = await where
                is_near = node == ray.get_runtime_context().get_node_id()
                connection = await _connection(address) if address and is_near else None
                self._call = connection.call if connection else _through_ray(handle)
            return self._call


async def _connection(address: Address) -> DirectConnection | None:
    """Return a direct connection; none where there is only the way through Ray."""
    try:
        return await DirectConnection.connect(address)
    except OSError as error:
        log.warning("no direct connection", error=str(error))
        return None


def _through_ray(handle: "ActorHandle[Any]") -> Callable[[bytes], Awaitable[bytes]]:
    async def call(request: bytes) -> bytes:
        answered: Any = handle.call.remote(request)
        return await answered

    return call
