"""Proxies of objects in Ray's actors."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import ray
import structlog
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.calls.direct import Address, DirectConnection, DirectServer
from actors.calls.lines import Channel, ReconnectingLine
from actors.calls.stub import answer

log = structlog.get_logger(__name__)


class Callee(ABC):
    """An actor with rooms: objects whose methods other processes call through ``Remote``."""

    def __init__(self) -> None:
        self._server = DirectServer(self._answer)

    @abstractmethod
    async def room(self, name: str) -> object:
        """Return one of the objects. An exception becomes the answer to the call."""

    @ray.method
    async def address(self) -> tuple[str, Address | None]:
        """Return this actor's node and the address of its direct calls.

        Ray authenticates the caller, so nobody else learns the secret.
        """
        node = ray.get_runtime_context().get_node_id()
        try:
            return node, await self._server.address()
        except OSError as error:
            log.warning("no direct calls", error=str(error))
            return node, None

    @ray.method
    async def call(self, request: bytes) -> bytes:
        """Carry out a ``Remote``'s call to one of the objects."""
        return await self._answer(request)

    async def _answer(self, request: bytes) -> bytes:
        return await answer(self.room, request)


def line_to(find: "Callable[[], ActorHandle[Any]]", patience_s: float = 0) -> ReconnectingLine:
    """Return a line to an actor: direct if it is on this machine, otherwise through Ray.

    Args:
        find: Returns the actor, or raises ``ValueError``. Called for each connection, because
            another actor may have the name by then.
        patience_s: See ``ReconnectingLine``.
    """
    return ReconnectingLine(lambda: _connect(find), patience_s)


async def _connect(find: "Callable[[], ActorHandle[Any]]") -> Channel:
    with _losses():
        # Ray's look-up asks another process and waits for it.
        handle = await asyncio.to_thread(find)
        where: Any = handle.address.remote()
        node, address = await where
        is_near = node == ray.get_runtime_context().get_node_id()
    if address is not None and is_near:
        try:
            return await DirectConnection.connect(address)
        except (ConnectionError, TimeoutError, BlockingIOError) as error:
            # It is ending or overloaded: retry.
            raise ConnectionResetError(str(error)) from error
        except OSError as error:
            # Its socket is unreachable, as on a cluster that another user has started.
            log.warning("no direct connection", error=str(error))
    return ThroughRay(handle)


class ThroughRay:
    """The channel to one life of an actor on another machine."""

    def __init__(self, handle: "ActorHandle[Any]") -> None:
        self._handle = handle

    async def call(self, request: bytes) -> bytes:
        """Return the answer to a request; see ``Channel.call``."""
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
