"""What a server sends, checked before the protocol's library reads it.

The library refuses a whole list for one tool that it cannot read, and reads as fast as a server
sends. Here such a tool is taken out and noted, and a flood is slowed down to a bearable pace: the
server's own connection backs up, and nobody else waits.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

import anyio
from mcp.client import Transport
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse
from mcp_types.methods import validate_server_result
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from pydantic import ValidationError

MAX_MESSAGES_PER_SECOND = 500
MAX_LEFT_OUT = 100

Streams = tuple[Any, Any]
"""Where messages come from, and where they go; typed only in the library's private modules."""


class CheckedTransport:
    """A transport whose incoming messages are checked.

    Args:
        inner: The transport.
        ended: Called when nothing more will come.
        revision: Returns the protocol's revision that was agreed on, once it was.

    Attributes:
        left_out: Why tools were taken out of lists, by their names.
    """

    def __init__(
        self, inner: Transport, ended: Callable[[], None], revision: Callable[[], str | None]
    ) -> None:
        self._inner = inner
        self._ended = ended
        self._revision = revision
        self.left_out: dict[str, str] = {}

    async def __aenter__(self) -> Any:
        """Return the two streams of messages."""
        incoming, outgoing = await self._inner.__aenter__()
        return _CheckedStream(incoming, self._checked, self._ended), outgoing

    async def __aexit__(self, *exception: Any) -> bool | None:
        """Close the transport."""
        return await self._inner.__aexit__(*exception)

    def _checked(self, item: SessionMessage | Exception) -> SessionMessage | Exception:
        if not isinstance(item, SessionMessage) or not isinstance(item.message, JSONRPCResponse):
            return item
        tools: Any = item.message.result.get("tools")
        if isinstance(tools, list):
            result = item.message.result
            readable = [
                tool for tool in cast("list[Any]", tools) if self._is_readable(tool, result)
            ]
            item.message.result = {**result, "tools": readable}
        return item

    def _is_readable(self, tool: Any, result: Mapping[str, Any]) -> bool:
        alone = {**result, "tools": [tool]}
        try:
            validate_server_result(
                "tools/list", self._revision() or LATEST_HANDSHAKE_VERSION, alone
            )
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"][2:])
            if len(self.left_out) < MAX_LEFT_OUT:
                name = cast("dict[str, Any]", tool).get("name") if isinstance(tool, dict) else None
                self.left_out[str(name or "without a name")[:100]] = (
                    f"{place or 'it'}: {first['msg']}"
                )
            return False
        return True


class _CheckedStream:
    """A stream of messages that checks each, and is read at a bounded pace."""

    def __init__(
        self,
        inner: Any,
        check: Callable[[SessionMessage | Exception], SessionMessage | Exception],
        ended: Callable[[], None],
    ) -> None:
        self._inner = inner
        self._check = check
        self._ended = ended
        self._second = 0
        self._count = 0

    @property
    def last_context(self) -> Any:
        """The context of the sender of the last message; the library runs its handlers in it."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        await self._keep_pace()
        try:
            return self._check(await self._inner.receive())
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._ended()
            raise

    async def _keep_pace(self) -> None:
        now = asyncio.get_running_loop().time()
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        self._count += 1
        if self._count > MAX_MESSAGES_PER_SECOND:
            await asyncio.sleep(self._second + 1 - now)

    def __aiter__(self) -> "_CheckedStream":
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> "_CheckedStream":
        return self

    async def __aexit__(self, *exception: Any) -> None:
        await self.aclose()
