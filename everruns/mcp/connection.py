"""One connection to a server: its calls and tasks, and when it is closed.

Importing this module loads the protocol's library, which takes a second: ``connections`` does it
when the first server is used.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from mcp.client import Client
from mcp_types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    DiscoverResult,
    ElicitCompleteNotification,
    ElicitRequestParams,
    ElicitResult,
    InputRequiredResult,
    ToolListChangedNotification,
)
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from pydantic import TypeAdapter

from everruns.domain.mcp_servers import McpAccount
from everruns.domain.trace_context import TRACEPARENT
from everruns.mcp.authorized import Obtain
from everruns.mcp.call import Call, Task, TaskRequest
from everruns.mcp.complaints import input_required
from everruns.mcp.current_listing import CurrentListing
from everruns.mcp.failures import Busy, TimedOut
from everruns.mcp.limits import Limits
from everruns.mcp.link import Elicit, Link, Verdict
from everruns.mcp.offer import Listing
from everruns.mcp.open_calls import OpenCall, OpenCalls
from everruns.mcp.task_messages import message_of, result_in, task_of

_RESULT: TypeAdapter[CallToolResult | InputRequiredResult] = TypeAdapter(
    CallToolResult | InputRequiredResult
)


class Connection:
    """A connection to one server, for all sessions with the same credentials.

    Args:
        account: The server.
        allow_private: Whether loopback and private networks are allowed.
        limits: Bounds.
        verdict: Which era the server speaks, if that is known.
        elicit: Answers what the server asks in the middle of a call, in place of the one who calls.
        obtain: Returns what authorizes requests, if headers do not suffice.
        ended: Called once, when the connection takes no more calls.
        unrelated: Called when the server has asked something that belongs to no known call.
        is_shared: Whether several may call at the same time.
    """

    def __init__(
        self,
        account: McpAccount,
        allow_private: bool,
        limits: Limits,
        verdict: Verdict | None = None,
        elicit: Elicit | None = None,
        obtain: Obtain | None = None,
        ended: Callable[["Connection"], None] = lambda _: None,
        unrelated: Callable[[], None] = lambda: None,
        *,
        is_shared: bool = True,
    ) -> None:
        self._limits = limits
        self._on_end = ended
        self._is_retired = False
        self._gave_up = False
        self._slots = asyncio.Semaphore(limits.calls if is_shared else 1)
        self._is_shared = is_shared
        self._calls = OpenCalls(unrelated)
        self._borrowed = 0
        self._last_used = _now()
        self._link = Link(
            account,
            allow_private,
            limits,
            verdict,
            elicit or self._elicit,
            obtain,
            heard=self._heard,
            unused_for=self._unused_for,
            ended=self.retire,
        )
        self._listing = CurrentListing(self._link, limits, self.retire)

    @property
    def is_busy(self) -> bool:
        """Whether calls use it."""
        return self._borrowed > 0

    @property
    def last_used(self) -> float:
        """When a call last used it, on the loop's clock."""
        return self._last_used

    @property
    def closed(self) -> "asyncio.Task[None]":
        """Done when everything is closed."""
        return self._link.owner

    @property
    def verdict(self) -> Verdict | None:
        """Which era the server speaks, once that is known."""
        return self._link.verdict

    async def listing(self, server: str) -> Listing:
        """Return what the server offers, from the server or from a little while ago.

        Args:
            server: Its name for whoever asks; those who share a connection may have several.

        Raises:
            NotAuthorized: A person has to consent first.
            McpFailure: It cannot be listed.
        """
        async with self._borrow(server) as client:
            return await self._listing.read(client, server)

    async def call(self, call: Call, server: str) -> CallToolResult | Task:
        """Call a tool; return its result, or the task that the server has made of the call.

        Args:
            call: The call.
            server: The server's name for whoever calls.

        Raises:
            NotDelivered: The server did not act on it.
            OutcomeUnknown: It may have.
            InputRequired: The server wants answers first.
            NotAuthorized: A person has to consent first.
            McpFailure: The server refused.
        """
        async with self._borrow(server) as client, self._slots:
            with self._calls.open(call) as opened:
                async with self._in_time(server, self._limits.call_s, opened):
                    answer = await self._send_call(client, opened, server)
            return self._read(client, answer, server)

    async def task(self, request: TaskRequest, server: str) -> Task | None:
        """Send a request about a task; return how it stands, if that was asked.

        Args:
            request: The request.
            server: The server's name for whoever asks.

        Raises:
            NotDelivered: The server did not act on it.
            OutcomeUnknown: It may have.
            NotAuthorized: A person has to consent first.
            McpFailure: The server refused.
        """
        async with (
            self._borrow(server) as client,
            self._slots,
            self._in_time(server, self._limits.task_request_s),
        ):
            answer = await self._link.send(client, message_of(request), server)
            if request.method != "tasks/get":
                return None
            with self._link.complaints(server):
                task = task_of(answer, client.protocol_version or "")
        if client.session.initialize_result and task.status in {"completed", "input_required"}:
            return await self._result_of(task, request, server)
        return task

    async def _result_of(self, task: Task, request: TaskRequest, server: str) -> Task:
        """Fetch the result of a task of revision 2025-11-25, for which the server may ask."""
        fetch = replace(request, method="tasks/result")
        call = Call("", {}, ask=request.ask, asker=request.asker)
        async with self._borrow(server) as client, self._slots:
            with self._calls.open(call) as opened:
                async with self._in_time(server, self._limits.call_s, opened):
                    answer = await self._link.send(client, message_of(fetch), server, opened)
            with self._link.complaints(server):
                return replace(
                    task, status="completed", result=result_in(answer, LATEST_HANDSHAKE_VERSION)
                )

    async def close(self) -> None:
        """Close the connection; calls that still use it fail."""
        self._link.close()
        await asyncio.wait({self._link.owner})

    def retire(self) -> None:
        """Take no more calls, and close once those that run are done."""
        if not self._is_retired:
            self._is_retired = True
            self._on_end(self)
            self._close_if_unused()

    def _close_if_unused(self) -> None:
        if not self._is_shared and self._calls.has_left and not self._is_retired:
            # Whatever that call still asks would be taken for a question of the next one.
            self.retire()
        elif self._is_retired and not self._borrowed:
            self._link.close(last_words=self._gave_up)

    @asynccontextmanager
    async def _borrow(self, server: str) -> AsyncGenerator[Client]:
        if self._borrowed >= self._limits.calls + self._limits.waiting:
            raise Busy(
                f"The MCP server {server} is busy: {self._borrowed} calls are running "
                "or waiting. Try again later."
            )
        self._borrowed += 1
        try:
            yield await self._link.client(server)
        finally:
            self._borrowed -= 1
            self._last_used = _now()
            self._close_if_unused()

    @asynccontextmanager
    async def _in_time(
        self, server: str, limit_s: float, opened: OpenCall | None = None
    ) -> AsyncGenerator[None]:
        """Give up a request that takes too long in all, or shows no sign of progress."""
        whole = asyncio.timeout(limit_s)
        try:
            async with whole:
                if opened:
                    opened.ends_with(whole)
                yield
        except asyncio.CancelledError:
            if opened:
                self._give_up()
            raise
        except TimeoutError as error:
            self._give_up()
            if whole.expired():
                limit = f"finish within {limit_s:g} seconds"
            else:
                limit = f"make progress for {self._limits.silence_s:g} seconds"
            what = f"the tool did not {limit}, so the call was cancelled"
            raise TimedOut(server, what) from error

    def _give_up(self) -> None:
        """Retire, since the server may go on with a request and fill the connection."""
        self._gave_up = self._calls.has_left = True
        self.retire()

    async def _send_call(self, client: Client, opened: OpenCall, server: str) -> dict[str, Any]:
        call = opened.call
        if isinstance(self.verdict, DiscoverResult):
            # The headers of a call repeat arguments that the list of tools names.
            await self._listing.read_once(client, server)
        fields = {
            "name": call.tool,
            "arguments": call.arguments,
            "inputResponses": call.answers,
            "requestState": call.state,
            "task": {"ttl": round(self._limits.task_s * 1000)} if call.needs_task else None,
            # Source: SEP-414. It reaches servers over standard streams too, as a header would not.
            "_meta": {TRACEPARENT: call.traceparent} if call.traceparent else None,
        }
        params = CallToolRequestParams.model_validate(fields)
        return await self._link.send(client, CallToolRequest(params=params), server, opened)

    def _read(self, client: Client, answer: dict[str, Any], server: str) -> CallToolResult | Task:
        with self._link.complaints(server):
            if isinstance(answer.get("task"), dict):
                return task_of(answer["task"], client.protocol_version or "", is_new=True)
            if answer.get("resultType") == "task":
                return task_of(answer, client.protocol_version or "", is_new=True)
            result = _RESULT.validate_python(answer, by_name=False)
        if isinstance(result, InputRequiredResult):
            raise input_required(result)
        return result

    def _heard(self, message: Any) -> None:
        match message:
            case ToolListChangedNotification():
                self._listing.expire()
            case ElicitCompleteNotification(params=params):
                self._calls.has_been_done(params.elicitation_id)
            case _:
                pass

    async def _elicit(self, params: ElicitRequestParams) -> ElicitResult:
        asked = params.model_dump(mode="json", by_alias=True, exclude_none=True)
        request = {"method": "elicitation/create", "params": asked}
        return ElicitResult.model_validate(await self._calls.ask(request))

    def _unused_for(self) -> float:
        return 0.0 if self._borrowed else _now() - self._last_used


def _now() -> float:
    return asyncio.get_running_loop().time()
