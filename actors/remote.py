"""Objects that live in actors, used as if they were here."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ray.actor import ActorHandle
from ray.exceptions import RayError, RayTaskError

from everruns.errors import EverrunsError, HostLost
from everruns.tools.base import ToolError

CALL_TIMEOUT_S = 60.0
RETRY_S = 0.1


class Remote:
    """Stands for an object in an actor: awaiting one of its methods is one actor call.

    Cast to the class it stands for, it gives callers that class's interface; they cannot tell it
    from the object itself but for ``HostLost``. Errors of the product come back as they were
    raised.

    Args:
        find: Returns the actor, or raises ``ValueError``; it answers
            ``call(room, method, args, kwargs)``. Asked again when the actor does not answer:
            another one may have its name by then.
        room: Which of the actor's objects is meant.
        patience_s: Seconds for which calls that do no harm when repeated are repeated while the
            actor is being restarted.
        timeout_s: Seconds after which a call is given up and its outcome unknown.
    """

    def __init__(
        self,
        find: "Callable[[], ActorHandle[Any]]",
        room: str,
        patience_s: float = 0,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self._find = find
        self._handle: ActorHandle[Any] | None = find()
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

    async def _call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        while True:
            try:
                reference = self._actor().call.remote(self._room, method, args, kwargs)
                return await asyncio.wait_for(reference, self._timeout_s)
            except RayTaskError as error:
                cause: object = getattr(error, "cause", None)
                if isinstance(cause, EverrunsError | ToolError):
                    raise cause from None
                raise
            except (RayError, TimeoutError, HostLost) as error:
                self._handle = None
                if loop.time() >= deadline or not _harmless_twice(method, args):
                    raise HostLost(
                        "A part of the cluster is being restarted. Try again shortly.", None, 1.0
                    ) from error
                await asyncio.sleep(RETRY_S)

    def _actor(self) -> "ActorHandle[Any]":
        if self._handle is None:
            try:
                self._handle = self._find()
            except ValueError as error:
                raise HostLost(str(error)) from error
        return self._handle


def _harmless_twice(method: str, args: tuple[Any, ...]) -> bool:
    """Tell whether a call whose outcome is unknown may be made again.

    All may but those that create something under a new id, unless an idempotency key tells a
    repeated one.
    """
    return method not in {"create", "add"} or (len(args) > 1 and args[1] is not None)


async def answer(
    rooms: Mapping[str, object],
    room: str,
    method: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Carry out, in the actor, what a ``Remote`` asked of one of its objects."""
    return await getattr(rooms[room], method)(*args, **kwargs)
