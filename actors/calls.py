"""Calls as bytes, and what stands for an object that lives in another process.

Nothing here knows how the bytes travel: through Ray, over a socket, or within a test.
"""

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import structlog

from everruns.errors import EverrunsError, HostLost
from everruns.ids import new_id
from everruns.tools.base import ToolError

CALL_TIMEOUT_S = 60.0
RETRY_S = 0.1

log = structlog.get_logger(__name__)


class Line(Protocol):
    """The way to another process."""

    async def call(self, request: bytes, timeout_s: float) -> bytes:
        """Return the other process's answer.

        Raises:
            HostLost: It has gone or does not answer. What became of the call is unknown.
        """
        ...


async def answer(room: Callable[[str], Awaitable[object]], request: bytes) -> bytes:
    """Carry out a request and return the answer; what is raised is part of it.

    Args:
        room: Returns the object of this name. What it raises is the answer to the call.
        request: What a ``Remote`` has sent. Unpickling it can run anything: it must come from a
            process that may do anything here (see ``actors.direct``).
    """
    called = "?"
    try:
        name, method, args, kwargs = pickle.loads(request)  # noqa: S301 - see above
        called = f"{name}.{method}"
        value = await getattr(await room(name), method)(*args, **kwargs)
        return _answer(value, None)
    except (EverrunsError, ToolError) as error:
        return _answer(None, error)
    except asyncio.CancelledError:
        # What the call waited for was broken off; its caller must not wait on.
        lost = HostLost("A part of the cluster is stopping. Try again shortly.", None, 1.0)
        return _answer(None, lost)
    except Exception:
        call_id = new_id("call")
        log.exception("call failed", call=called, call_id=call_id)
        unforeseen = EverrunsError(
            f"Something went wrong in a part of the server. Its log tells more under {call_id}."
        )
        return _answer(None, unforeseen)


def _answer(value: object, error: Exception | None) -> bytes:
    return pickle.dumps((value, error), pickle.HIGHEST_PROTOCOL)


class Remote:
    """Stands for an object in another process: awaiting one of its methods is one call.

    Cast to the class it stands for, it gives callers that class's interface; they cannot tell it
    from the object itself but for ``HostLost``. Errors of the product come back as they were
    raised.

    Args:
        line: The way to the process.
        room: Which of its objects is meant.
        patience_s: Seconds for which calls that do no harm when repeated are repeated while the
            process is being restarted.
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
                answered = await self._line.call(request, self._timeout_s)
                break
            except HostLost:
                if loop.time() >= deadline or not _harmless_twice(method, args):
                    raise
                await asyncio.sleep(RETRY_S)
        value, error = pickle.loads(answered)  # noqa: S301 - see ``answer``
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
