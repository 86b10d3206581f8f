"""Calls as bytes, and the proxy of an object in another process.

The transport of the bytes is separate: Ray, a socket, or a test.
"""

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from inspect import signature
from typing import Any, Protocol

import structlog

from actors.calls.direct import MAX_FRAME_BYTES
from everruns.domain.idempotency import Idempotency
from everruns.errors import EverrunsError, HostLost, TooLarge
from everruns.ids import new_id
from everruns.remote import Repeat, declared
from everruns.tools.base import ToolError

CALL_TIMEOUT_S = 60.0

log = structlog.get_logger(__name__)


class Line(Protocol):
    """The way to another process."""

    async def call(self, request: bytes, timeout_s: float) -> bytes:
        """Return the other process's answer.

        Raises:
            HostLost: It is gone or does not answer. The call's outcome is unknown.
        """
        ...


async def answer(room: Callable[[str], Awaitable[object]], request: bytes) -> bytes:
    """Carry out a request and return the answer, which may be an exception.

    Args:
        room: Returns the object of this name. An exception becomes the answer.
        request: The bytes sent by a ``Remote``. Unpickling can run arbitrary code, so they must
            come from a fully trusted process (see ``actors.calls.direct``).
    """
    called = "?"
    try:
        name, method, args, kwargs = pickle.loads(request)  # noqa: S301 - see above
        called = f"{name}.{method}"
        target = await room(name)
        declared(type(target), method)
        return _answer(await getattr(target, method)(*args, **kwargs), None)
    except (EverrunsError, ToolError) as error:
        return _answer(None, error)
    except asyncio.CancelledError:
        # The call's work was cancelled; its caller must not keep waiting.
        lost = HostLost("A part of the cluster is stopping. Try again shortly.", None, 1.0)
        return _answer(None, lost)
    except Exception:
        call_id = new_id("call")
        log.exception("call failed", call=called, call_id=call_id)
        unforeseen = EverrunsError(
            f"A part of the server failed unexpectedly. Its log has the details under {call_id}."
        )
        return _answer(None, unforeseen)


def _answer(value: object, error: Exception | None) -> bytes:
    answered = pickle.dumps((value, error), pickle.HIGHEST_PROTOCOL)
    if len(answered) > MAX_FRAME_BYTES:
        too_large = TooLarge(
            f"The answer has {len(answered):,} bytes, which is too many. Request less at a time."
        )
        return pickle.dumps((None, too_large), pickle.HIGHEST_PROTOCOL)
    return answered


class Remote:
    """Proxy of an object in another process: awaiting one of its methods makes one call.

    Cast to the object's class, it offers the methods that the class declares remote (see
    ``everruns.remote``). Except for ``HostLost`` it behaves like the object itself. Errors of the
    product are re-raised as they are.

    Args:
        line: The way to the process.
        room: The name of the object in that process.
        kind: The class of that object.
        patience_s: Seconds for which calls with an unknown outcome are retried, if their
            method allows it.
        timeout_s: Seconds after which a call times out and its outcome is unknown.
    """

    def __init__(
        self,
        line: Line,
        room: str,
        kind: type,
        patience_s: float = 0,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self._line = line
        self._room = room
        self._kind = kind
        self._patience_s = patience_s
        self._timeout_s = timeout_s

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        repeat = declared(self._kind, method)
        parameters = signature(getattr(self._kind, method))

        async def call(*args: Any, **kwargs: Any) -> Any:
            if repeat is not Repeat.KEYED:
                request = self._request(method, args, kwargs)
                is_repeatable = repeat is Repeat.YES
                return await self._call(request, (lambda: request) if is_repeatable else None)
            given = parameters.bind(self, *args, **kwargs)
            key = given.arguments.get("idempotency") or Idempotency.of_call()
            given.arguments["idempotency"] = key
            first = self._request(method, given.args[1:], given.kwargs)

            def again() -> bytes:
                given.arguments["idempotency"] = replace(key, is_repeated=True)
                return self._request(method, given.args[1:], given.kwargs)

            return await self._call(first, again)

        # Cached, because the same few methods are called all the time.
        self.__dict__[method] = call
        return call

    def _request(self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        request = pickle.dumps((self._room, method, args, kwargs), pickle.HIGHEST_PROTOCOL)
        if len(request) > MAX_FRAME_BYTES:
            raise TooLarge(
                f"The request has {len(request):,} bytes, which is too many. Send less at a time."
            )
        return request

    async def _call(self, request: bytes, again: Callable[[], bytes] | None) -> Any:
        """Make a call; if its outcome is unknown, retry with ``again`` if allowed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        while True:
            try:
                answered = await self._line.call(request, self._timeout_s)
                break
            except HostLost:
                if again is None or loop.time() >= deadline:
                    raise
                request = again()  # The line itself waits until the process is reachable.
        value, error = pickle.loads(answered)  # noqa: S301 - see ``answer``
        if error is not None:
            raise error
        return value
