"""Actors whose objects other processes call through stubs, and the channels to them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
import structlog
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.calls.channels import Connection, ReconnectingChannel
from actors.calls.direct import Address, DirectConnection, DirectServer
from actors.calls.dispatch import dispatch

log = structlog.get_logger(__name__)


class RpcActor(ABC):
    """An actor with objects whose methods other processes call through stubs: its targets."""

    def __init__(self) -> None:
        self._server = DirectServer(self._respond)

    @abstractmethod
    async def targets(self) -> Mapping[str, object]:
        """Return the objects by name. An exception becomes the answer to the call."""

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
        """Carry out a stub's call to one of the objects."""
        return await self._respond(request)

    async def _respond(self, request: bytes) -> bytes:
        return await dispatch(self.targets, request)


def channel_to(
    find: "Callable[[], ActorHandle[Any]]", patience_s: float = 0
) -> ReconnectingChannel:
    """Return a channel to an actor: direct if it is on this machine, otherwise through Ray.

    Args:
        find: Returns the actor, or raises ``ValueError``. Called for each connection, because
            another actor may have the name by then.
        patience_s: See ``ReconnectingChannel``.
    """
    return ReconnectingChannel(lambda: _connect(find), patience_s)


async def _connect(find: "Callable[[], ActorHandle[Any]]") -> Connection:
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
    return RayConnection(handle)


class RayConnection:
    """The connection to one life of an actor on another machine."""

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
