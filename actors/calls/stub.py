"""Stubs: objects in another process, called as if they were in this one."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cache, wraps
from typing import Any, Protocol, TypeVar

from actors.calls.contract import RemoteMethod, contract_of
from everruns.domain.idempotency import Idempotency
from everruns.errors import HostLost
from everruns.remote import Repeat

Target = TypeVar("Target")


class Channel(Protocol):
    """The way to another process."""

    async def call(self, request: bytes, timeout_s: float) -> bytes:
        """Return the other process's answer.

        Raises:
            HostLost: It is gone or does not answer. The call's outcome is unknown.
        """
        ...


def stub(kind: type[Target], channel: Channel, target: str, patience_s: float = 0) -> Target:
    """Return the stub of an object in another process.

    It has the methods that the class declares remote (see ``everruns.remote``), and no others.
    Awaiting one makes one call. Except for ``HostLost``, a call ends as that of the object itself,
    errors of the product included.

    Args:
        kind: The class of the object.
        channel: The way to its process.
        target: Its name in that process.
        patience_s: Seconds for which calls with an unknown outcome are retried, if their
            method allows it.
    """
    # A stub stands in for the object, although its class is not the object's.
    made: Any = _stub_class(kind)(Caller(channel, target, patience_s))
    return made


@dataclass(frozen=True)
class Caller:
    """Makes the calls of a stub; see ``stub`` for the attributes."""

    channel: Channel
    target: str
    patience_s: float

    async def call(
        self, method: RemoteMethod, request: bytes, again: Callable[[], bytes] | None
    ) -> Any:
        """Make a call; if its outcome is unknown, retry with ``again`` if that is allowed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience_s
        while True:
            try:
                answer = await self.channel.call(request, method.declaration.timeout_s)
                break
            except HostLost:
                if again is None or loop.time() >= deadline:
                    raise
                request = again()  # The channel itself waits until the process is reachable.
        return method.decode_answer(answer)


class Stub:
    """The base of all stubs, whose classes are made by ``stub``."""

    def __init__(self, caller: Caller) -> None:
        self.stub_caller = caller


@cache
def _stub_class(kind: type) -> type[Stub]:
    methods = {name: _calling(method) for name, method in contract_of(kind).items()}
    return type(f"{kind.__name__}Stub", (Stub,), methods)


def _calling(method: RemoteMethod) -> Callable[..., Awaitable[Any]]:
    """Return the method of a stub that calls a remote method."""
    repeat = method.declaration.repeat
    if repeat is Repeat.KEYED:
        return _calling_with_key(method)

    @wraps(method.function)
    async def call(self: Stub, *args: Any, **kwargs: Any) -> Any:
        caller = self.stub_caller
        request = method.encode_request(caller.target, args, kwargs)
        return await caller.call(
            method, request, (lambda: request) if repeat is Repeat.YES else None
        )

    return call


def _calling_with_key(method: RemoteMethod) -> Callable[..., Awaitable[Any]]:
    place = method.names.index("idempotency")

    @wraps(method.function)
    async def call(self: Stub, *args: Any, **kwargs: Any) -> Any:
        caller = self.stub_caller
        given = args[place] if len(args) > place else kwargs.get("idempotency")

        def request(key: Idempotency) -> bytes:
            if len(args) > place:
                placed = (*args[:place], key, *args[place + 1 :])
                return method.encode_request(caller.target, placed, kwargs)
            return method.encode_request(caller.target, args, {**kwargs, "idempotency": key})

        key: Idempotency = given or Idempotency.of_call()
        again = replace(key, is_repeated=True)
        return await caller.call(method, request(key), lambda: request(again))

    return call
