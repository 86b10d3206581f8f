"""Objects that live in actors, used as if they were here."""

import asyncio
import pickle
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import ray
import structlog
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.direct import DirectConnection, DirectServer
from everruns.errors import EverrunsError, HostLost
from everruns.ids import new_id
from everruns.tools.base import ToolError

CALL_TIMEOUT_S = 60.0
RETRY_S = 0.1

log = structlog.get_logger(__name__)


class Callee(ABC):
    """An actor with rooms: objects whose methods other processes call through ``Remote``."""

    def __init__(self) -> None:
        self._server = DirectServer(self._answer)

    @abstractmethod
    async def room(self, name: str) -> object:
        """Return one of the objects. What it raises is the answer to the call."""

    @ray.method
    async def address(self) -> tuple[str, str | None]:
        """Return the node that this actor is on, and where it takes direct calls there."""
        return ray.get_runtime_context().get_node_id(), await self._server.address()

    @ray.method
    async def call(self, request: bytes) -> bytes:
        """Carry out what a ``Remote`` asks of one of the objects."""
        return await self._answer(request)

    async def _answer(self, request: bytes) -> bytes:
        # Pickled here and not by Ray, whose own way takes a fifth of the whole call.
        called = "?"
        try:
            name, method, args, kwargs = pickle.loads(request)  # noqa: S301 - see actors.direct
            called = f"{name}.{method}"
            value = await getattr(await self.room(name), method)(*args, **kwargs)
            return pickle.dumps((value, None), pickle.HIGHEST_PROTOCOL)
        except (EverrunsError, ToolError) as error:
            return pickle.dumps((None, error), pickle.HIGHEST_PROTOCOL)
        except asyncio.CancelledError:
            # What the call waited for was broken off; whoever called must not wait for it.
            lost = HostLost("A part of the cluster is stopping. Try again shortly.", None, 1.0)
            return pickle.dumps((None, lost), pickle.HIGHEST_PROTOCOL)
        except Exception:
            call_id = new_id("call")
            log.exception("call failed", call=called, call_id=call_id)
            unforeseen = EverrunsError(
                f"Something went wrong in a part of the server. Its log tells more under {call_id}."
            )
            return pickle.dumps((None, unforeseen), pickle.HIGHEST_PROTOCOL)


class Line:
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
        """Return the actor's answer.

        Raises:
            HostLost: The actor has gone or does not answer. What became of the call is unknown.
        """
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


async def _connection(address: str) -> DirectConnection | None:
    """Return a direct connection; none where there is only the way through Ray."""
    try:
        return await DirectConnection.connect(address)
    except OSError as error:
        log.warning("no direct connection", error=str(error))
        return None


def _through_ray(handle: "ActorHandle[Any]") -> Callable[[bytes], Awaitable[bytes]]:
    async def call(request: bytes) -> bytes:
        answer: Any = handle.call.remote(request)
        return await answer

    return call


class Remote:
    """Stands for an object in an actor: awaiting one of its methods is one call of the actor.

    Cast to the class it stands for, it gives callers that class's interface; they cannot tell it
    from the object itself but for ``HostLost``. Errors of the product come back as they were
    raised.

    Args:
        line: The way to the actor.
        room: Which of the actor's objects is meant.
        patience_s: Seconds for which calls that do no harm when repeated are repeated while the
            actor is being restarted.
        timeout_s: Seconds after which a call is given up and its outcome unknown.
    """

    def __init__(
        self, line: Line, room: str, patience_s: float = 0, timeout_s: float = CALL_TIMEOUT_S
    ) -> None:
        self._line = line
        self._room = room
        self._patience_s = patience_s
        self._timeout_s = timeout_s

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        if method.startswith("_"):
            raise AttributeError(method)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._call(method, args, kwargs)

        # Found directly from now on: the same few methods are called all the time.
        self.__dict__[method] = call
        return call

    async def _call(self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        request = pickle.dumps((self._room, method, args, kwargs), pickle.HIGHEST_PROTOCOL)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        while True:
            try:
                answer = await self._line.call(request, self._timeout_s)
                break
            except HostLost:
                if loop.time() >= deadline or not _harmless_twice(method, args):
                    raise
                await asyncio.sleep(RETRY_S)
        value, error = pickle.loads(answer)  # noqa: S301 - see actors.direct
        if error is not None:
            raise error
        return value


def _harmless_twice(method: str, args: tuple[Any, ...]) -> bool:
    """Tell whether a call whose outcome is unknown may be made again.

    All may but those that create or add something under a new id, unless an idempotency key tells
    a repeated one, and those that need something not to be there that they have put there.
    """
    if method in {"create_file", "move_file", "copy_file", "top_up"}:
        return False
    return method not in {"create", "add"} or (len(args) > 1 and args[1] is not None)
