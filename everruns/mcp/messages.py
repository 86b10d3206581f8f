"""What a server sends, checked before the protocol's library reads it.

The library refuses a whole list for one tool that it cannot read, and reads as fast as a server
sends. Here such a tool is taken out and noted, and a flood is slowed down to a bearable pace: the
server's own connection backs up, and nobody else waits.

Everything that a server says comes through here, so here its secrets are taken out, too.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

import anyio
from mcp.client import Transport
from mcp.shared.message import SessionMessage
from mcp_types import (
    URL_ELICITATION_REQUIRED,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
)
from mcp_types.methods import validate_server_result
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from pydantic import ValidationError

from everruns.mcp.secrets import Secrets
from everruns.mcp.wire import error_of_ours

MAX_MESSAGES_PER_SECOND = 500
MAX_LEFT_OUT = 100
# What a result has if something of it goes back to the server: with a person's answers, or with the
# next request about a task.
_GOES_BACK = {"inputRequests", "requestState", "taskId"}
# What is only read of it.
_READ = {"error", "result"}

Streams = tuple[Any, Any]
"""Where messages come from, and where they go; typed only in the library's private modules."""


class CheckedTransport:
    """A transport whose incoming messages are checked.

    Args:
        inner: The transport.
        secrets: What is taken out.
        ended: Called when nothing more will come.
        revision: Returns the protocol's revision that was agreed on, once it was.

    Attributes:
        left_out: Why tools were taken out of lists, by their names.
    """

    def __init__(
        self,
        inner: Transport,
        secrets: Secrets,
        ended: Callable[[], None],
        revision: Callable[[], str | None],
    ) -> None:
        self._inner = inner
        self._secrets = secrets
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
        if not isinstance(item, SessionMessage):
            return item
        message = item.message
        if isinstance(message, JSONRPCResponse) and isinstance(message.result.get("tools"), list):
            item.message = message.model_copy(update={"result": self._usable(message.result)})
        elif isinstance(message, JSONRPCResponse) and _task_in(message.result):
            # The library knows no tasks of this revision, and refuses a result without content.
            result: dict[str, Any] = {"content": [], **message.result}
            item.message = self._without_secrets(message.model_copy(update={"result": result}))
        elif self._secrets.are_in(_content(message)):
            item.message = self._without_secrets(message)
        return item

    def _without_secrets(self, message: JSONRPCMessage) -> JSONRPCMessage:
        match message:
            case JSONRPCResponse(result=result) if _GOES_BACK.isdisjoint(result) and not _task_in(
                result
            ):
                masked = {name: self._secrets.masked_data(value) for name, value in result.items()}
                return message.model_copy(update={"result": masked})
            case JSONRPCResponse(result=result):
                asked = {
                    **self._secrets.masked_words(result),
                    **{
                        name: self._secrets.masked_data(result[name])
                        for name in _READ & result.keys()
                    },
                }
                return self._unless_in(asked, message.model_copy(update={"result": asked}))
            case JSONRPCError(error=error):
                told = ErrorData(
                    code=error.code,
                    message=self._secrets.masked(error.message),
                    data=self._secrets.masked_words(error.data),
                )
                # Only here are the data of an error for people.
                asked = told.data if error.code == URL_ELICITATION_REQUIRED else None
                return self._unless_in(asked, message.model_copy(update={"error": told}))
            case _:
                params = self._secrets.masked_words(message.params)
                if isinstance(message, JSONRPCRequest) and self._secrets.are_in(params):
                    # A question would be stored. The library refuses one without parameters.
                    params = None
                return message.model_copy(update={"params": params})

    def _unless_in(
        self, asked: Any, message: JSONRPCResponse | JSONRPCError
    ) -> JSONRPCResponse | JSONRPCError:
        """Return a message, or the failure of its call if what it asks still holds a secret."""
        if not self._secrets.are_in(asked):
            return message
        # What goes back is stored in between.
        is_task = "taskId" in asked or _task_in(asked)
        does = "begins a task" if is_task else "asks a question"
        words = f"it {does} that repeats a secret of its headers or environment"
        error = ErrorData.model_validate(error_of_ours(words, "unusable"))
        return JSONRPCError(jsonrpc="2.0", id=message.id, error=error)

    def _usable(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return a list of tools with those that can be used; note why others are left out."""
        # The cursor goes back, and nobody else sees it.
        around = {
            name: value if name == "nextCursor" else self._secrets.masked_data(value)
            for name, value in result.items()
            if name != "tools"
        }
        usable: list[Any] = []
        for tool in result["tools"]:
            masked = self._secrets.masked_words(tool)
            problem = self._problem_with(masked, {**around, "tools": [masked]})
            if problem is None:
                usable.append(masked)
            elif len(self.left_out) < MAX_LEFT_OUT:
                name = cast("dict[str, Any]", tool).get("name") if isinstance(tool, dict) else None
                shown = self._secrets.masked(str(name or "without a name"))
                self.left_out[shown[:100]] = self._secrets.masked(problem)
        return {**around, "tools": usable}

    def _problem_with(self, tool: Any, alone: Mapping[str, Any]) -> str | None:
        if self._secrets.are_in(tool):
            return "it repeats a secret of the server's headers or environment"
        revision = self._revision() or LATEST_HANDSHAKE_VERSION
        try:
            validate_server_result("tools/list", revision, alone)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"][2:])
            return f"{place or 'it'}: {first['msg']}"
        return None


def _task_in(result: Any) -> bool:
    """Tell whether a result names a new task as revision 2025-11-25 does."""
    task = cast("dict[str, Any]", result).get("task") if isinstance(result, dict) else None
    return isinstance(task, dict) and "taskId" in task


def _content(message: JSONRPCMessage) -> Any:
    """Return what a message says, as a JSON value."""
    match message:
        case JSONRPCResponse(result=result):
            return result
        case JSONRPCError(error=error):
            return [error.message, error.data]
        case _:
            return message.params


class Pace:
    """The bounded pace at which what one server sends is read."""

    def __init__(self) -> None:
        self._second = 0
        self._count = 0

    async def keep(self) -> None:
        """Wait until one more may be read."""
        now = asyncio.get_running_loop().time()
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        self._count += 1
        if self._count > MAX_MESSAGES_PER_SECOND:
            await asyncio.sleep(self._second + 1 - now)


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
        self._pace = Pace()

    @property
    def last_context(self) -> Any:
        """The context of the sender of the last message; the library runs its handlers in it."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        await self._pace.keep()
        try:
            return self._check(await self._inner.receive())
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._ended()
            raise

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
