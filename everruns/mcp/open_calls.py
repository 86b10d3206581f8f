"""The calls that are open on one connection, and which of them a server's question belongs to.

A question comes on the stream of its call over streamable HTTP, and the library runs what handles
it in the context of whoever sent the call. Over standard streams and the older SSE nothing says
which call asks.

Source: docs/mcp.md, "Questions".
"""

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from everruns.mcp.call import Call

MAX_QUESTIONS = 10
CANCEL: Mapping[str, Any] = {"action": "cancel"}
"""The answer that says that nobody has decided anything."""

_calling: ContextVar["OpenCall | None"] = ContextVar("mcp_call", default=None)


class OpenCall:
    """A call that the server has not answered yet.

    Args:
        call: The call.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self._timeouts: list[asyncio.Timeout] = []
        self._left_s: list[float | None] = []
        self._asks: dict[asyncio.Task[Mapping[str, Any]], str | None] = {}
        self._done: set[asyncio.Task[Mapping[str, Any]]] = set()
        self._asked = 0

    def ends_with(self, timeout: asyncio.Timeout) -> None:
        """Note a time limit of the call that stands still while somebody is asked."""
        self._timeouts.append(timeout)

    @property
    def is_asking(self) -> bool:
        """Whether somebody is being asked."""
        return bool(self._asks)

    async def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask what the server wants to know; return the response, also if the call ends meanwhile.

        Args:
            request: The server's request, as the protocol's JSON.
        """
        self._asked += 1
        if self.call.ask is None or self._asked > MAX_QUESTIONS:
            return CANCEL
        asking = asyncio.create_task(self.call.ask(request))
        self._stand_still()
        self._asks[asking] = request["params"].get("elicitationId")
        try:
            await asyncio.wait({asking})
        finally:
            asking.cancel()
            self._asks.pop(asking, None)
            self._go_on()
        if asking in self._done:
            return {"action": "accept"}
        return CANCEL if asking.cancelled() else asking.result()

    def has_been_done(self, elicitation_id: str) -> None:
        """Stop asking for something that the server says was done elsewhere."""
        for asking, identity in self._asks.items():
            if identity == elicitation_id:
                self._done.add(asking)
                asking.cancel()

    def end(self) -> None:
        """Stop asking: the call has ended."""
        self._timeouts.clear()
        for asking in self._asks:
            asking.cancel()

    def _stand_still(self) -> None:
        if not self._asks:
            now = asyncio.get_running_loop().time()
            whens = [timeout.when() for timeout in self._timeouts]
            self._left_s = [None if when is None else when - now for when in whens]
            for timeout in self._timeouts:
                timeout.reschedule(None)

    def _go_on(self) -> None:
        if not self._asks:
            now = asyncio.get_running_loop().time()
            for timeout, left_s in zip(self._timeouts, self._left_s, strict=False):
                timeout.reschedule(None if left_s is None else now + left_s)


class OpenCalls:
    """The calls that are open on a connection.

    Args:
        unrelated: Told once a question cannot be related to its call by the way on which it came.

    Attributes:
        has_left: Whether a call was given up that the server may still be working on.
    """

    def __init__(self, unrelated: Callable[[], None]) -> None:
        self._unrelated = unrelated
        self._calls: list[OpenCall] = []
        self.has_left = False

    @contextmanager
    def open(self, call: Call) -> Generator[OpenCall]:
        """Keep a call open in the context, so that questions that come meanwhile find it."""
        opened = OpenCall(call)
        self._calls.append(opened)
        token = _calling.set(opened)
        try:
            yield opened
        except (asyncio.CancelledError, TimeoutError):
            self.has_left = True
            raise
        finally:
            _calling.reset(token)
            self._calls.remove(opened)
            opened.end()

    async def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask the person whose call the server's question belongs to; return the response."""
        asking = _calling.get()
        if asking is None:
            self._unrelated()
            is_certain = len(self._calls) == 1 and not self.has_left
            asking = self._calls[0] if is_certain else None
        if asking is None or asking not in self._calls:
            return CANCEL
        return await asking.ask(request)

    def has_been_done(self, elicitation_id: str) -> None:
        """Stop asking for something that the server says was done elsewhere."""
        for opened in self._calls:
            opened.has_been_done(elicitation_id)
