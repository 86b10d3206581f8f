"""One connection to a server, owned by a task of its own from opening to closing.

The protocol's library wants its scopes entered and left by one task, while calls come from the
turns of many sessions. So the owner opens, waits and closes; calls only borrow.

Importing this module loads the library, which takes a second: ``connections`` does it when the
first server is used.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Literal, cast

import httpx2
import structlog
from mcp.client import Client, ClientRequestContext
from mcp.client.auth import OAuthFlowError
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    DiscoverResult,
    ElicitRequestParams,
    ElicitResult,
    Implementation,
    InputRequiredResult,
    ToolListChangedNotification,
)
from pydantic import TypeAdapter, ValidationError

from everruns.domain.mcp_servers import McpAccount
from everruns.mcp.call import Call
from everruns.mcp.complaints import failure_of, input_required
from everruns.mcp.failures import McpFailure, NotDelivered, OutcomeUnknown, said
from everruns.mcp.limits import Limits
from everruns.mcp.listing import list_tools
from everruns.mcp.messages import CheckedTransport
from everruns.mcp.offer import Listing
from everruns.mcp.secrets import masked
from everruns.mcp.transports import Way

CLOSE_TIMEOUT_S = 8.0
# What cancels a call at the server is on its way when the call has ended here.
LAST_WORDS_S = 0.5

Elicit = Callable[[ElicitRequestParams], Awaitable[ElicitResult]]
Verdict = DiscoverResult | Literal["legacy"]
"""The protocol's era that a server speaks: what it said of itself, or that it has sessions."""

_RESULT: TypeAdapter[CallToolResult | InputRequiredResult] = TypeAdapter(
    CallToolResult | InputRequiredResult
)
# The library logs what servers send, with whatever secrets that repeats.
logging.getLogger("mcp").setLevel(logging.CRITICAL)
log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Connection:
    """A connection to one server, for all sessions with the same credentials.

    Args:
        account: The server.
        allow_private: Whether loopback and private networks are allowed.
        limits: Bounds.
        verdict: Which era the server speaks, if that is known.
        elicit: Answers what the server asks in the middle of a call; by default nobody can be
            asked, so it is declined.
        authorization: Authorizes the requests, if headers do not.
        ended: Called once, when the connection takes no more calls.
    """

    def __init__(
        self,
        account: McpAccount,
        allow_private: bool,
        limits: Limits,
        verdict: Verdict | None = None,
        elicit: Elicit | None = None,
        authorization: httpx2.Auth | None = None,
        ended: Callable[["Connection"], None] = lambda _: None,
    ) -> None:
        self._account = account
        self._limits = limits
        self._verdict: Verdict | None = verdict
        self._elicit = elicit
        self._on_end = ended
        self._way = Way(account, allow_private, self._masked, self._cut, authorization)
        self._checked = CheckedTransport(self._way.transport(), self.retire, self._revision)
        self._client: Client | None = None
        self._failure: McpFailure | None = None
        self._opened = asyncio.Event()
        self._closing = asyncio.Event()
        self._retired = False
        self._gave_up = False
        self._slots = asyncio.Semaphore(limits.calls)
        self._borrowed = 0
        self._last_used = _now()
        self._listing: Listing | None = None
        self._listed_until = 0.0
        self._listing_lock = asyncio.Lock()
        self._owner = asyncio.create_task(self._own())

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
        return self._owner

    @property
    def verdict(self) -> Verdict | None:
        """Which era the server speaks, once that is known."""
        return self._verdict

    async def listing(self) -> Listing:
        """Return what the server offers, from the server or from a little while ago.

        Raises:
            McpFailure: It cannot be listed.
        """
        async with self._borrow() as client, self._listing_lock:
            if self._listing is None or _now() > self._listed_until:
                self._listing = await self._list(client)
            return self._listing

    async def call(self, call: Call) -> CallToolResult:
        """Call a tool.

        Raises:
            NotDelivered: The server did not act on it.
            OutcomeUnknown: It may have.
            InputRequired: The server wants answers first.
            McpFailure: The server refused.
        """
        whole = asyncio.timeout(self._limits.call_s)
        async with self._borrow() as client, self._slots:
            try:
                async with whole:
                    result = await self._send(client, call)
            except TimeoutError as error:
                # A request that was given up may go on at the server and fill the connection.
                self._gave_up = True
                self.retire()
                if whole.expired():
                    limit = f"finish within {self._limits.call_s:g} seconds"
                else:
                    limit = f"make progress for {self._limits.silence_s:g} seconds"
                raise self._unknown(
                    f"the tool did not {limit}, so the call was cancelled"
                ) from error
        if isinstance(result, InputRequiredResult):
            raise input_required(result)
        return result

    async def close(self) -> None:
        """Close the connection; calls that still use it fail."""
        self._cut()
        await asyncio.wait({self._owner})

    def retire(self) -> None:
        """Take no more calls, and close once those that run are done."""
        if not self._retired:
            self._retired = True
            self._on_end(self)
        if not self._borrowed:
            self._closing.set()

    def _cut(self) -> None:
        self.retire()
        self._closing.set()

    @asynccontextmanager
    async def _borrow(self) -> AsyncGenerator[Client]:
        if self._borrowed >= self._limits.calls + self._limits.waiting:
            raise NotDelivered(
                f"The MCP server {self._account.name} is busy: {self._borrowed} calls are running "
                "or waiting. Try again later."
            )
        self._borrowed += 1
        try:
            await self._opened.wait()
            if self._client is None or self._closing.is_set():
                raise self._failure or NotDelivered(
                    f"The connection to the MCP server {self._account.name} was closed."
                )
            yield self._client
        finally:
            self._borrowed -= 1
            self._last_used = _now()
            if self._retired:
                self.retire()

    async def _send(self, client: Client, call: Call) -> CallToolResult | InputRequiredResult:
        if isinstance(self._verdict, DiscoverResult) and self._listing is None:
            # The headers of a call repeat arguments that the list of tools names.
            async with self._listing_lock:
                self._listing = await self._list(client)
        request = CallToolRequest(
            params=CallToolRequestParams.model_validate(
                {
                    "name": call.tool,
                    "arguments": call.arguments,
                    "inputResponses": call.answers,
                    "requestState": call.state,
                }
            )
        )
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._limits.silence_s) as silence:

            async def progressed(progress: float, total: float | None, message: str | None) -> None:
                if not silence.expired():
                    silence.reschedule(loop.time() + self._limits.silence_s)
                if call.progress:
                    call.progress(progress, total, message)

            with self._complaints():
                return await client.session.send_request(
                    request, _RESULT, progress_callback=progressed
                )

    async def _list(self, client: Client) -> Listing:
        self._checked.left_out.clear()
        try:
            async with asyncio.timeout(self._limits.list_s):
                with self._complaints():
                    listing, ttl_s = await list_tools(client, self._checked.left_out)
        except TimeoutError:
            self.retire()
            raise NotDelivered(
                f"The MCP server {self._account.name} did not list its tools within "
                f"{self._limits.list_s:g} seconds."
            ) from None
        ttl_s = self._limits.list_ttl_s if ttl_s is None else min(ttl_s, self._limits.list_ttl_s)
        self._listed_until = _now() + max(ttl_s, self._limits.least_list_ttl_s)
        return listing

    @contextlib.contextmanager
    def _complaints(self) -> Any:
        """Turn the library's errors into failures, and retire a connection that they end."""
        try:
            yield
        except MCPError as error:
            cause = self._way.failure if self._way.speaks_sse else None
            failure = failure_of(self._account.name, error, self._masked, cause)
            if isinstance(failure, NotDelivered | OutcomeUnknown):
                self.retire()
            raise failure from None
        except ValidationError:
            raise self._unknown("its answer is not what the protocol wants") from None

    def _unknown(self, what: str) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"The MCP server {self._account.name}: {what}. It is unknown whether the call took "
            "effect."
        )

    async def _own(self) -> None:
        """Open the connection, keep it open while it is used, and close it."""
        try:
            async with contextlib.AsyncExitStack() as stack:
                client = self._new_client()
                async with asyncio.timeout(self._limits.connect_s):
                    await stack.enter_async_context(client)
                self._verdict = client.session.discover_result or "legacy"
                self._client = client
                self._opened.set()
                await self._until_unused()
                self.retire()
                await asyncio.sleep(LAST_WORDS_S if self._gave_up else 0)
                await _bounded_close(stack)
        except TimeoutError:
            self._fail(f"it did not answer within {self._limits.connect_s:g} seconds")
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - the library's transports raise what they like
            self._fail(_words(error) or self._way.failure or "it broke the connection")
        finally:
            self._client = None
            self._opened.set()
            self._cut()

    def _fail(self, what: str) -> None:
        log.info("mcp connection failed", server=self._account.name, reason=self._masked(what))
        if not self._opened.is_set():
            self._verdict = None
            self._failure = NotDelivered(
                f"The MCP server {self._account.name} cannot be used: {self._masked(what)}."
            )

    def _new_client(self) -> Client:
        verdict = "legacy" if self._way.speaks_sse else self._verdict
        known = verdict if isinstance(verdict, DiscoverResult) else None
        mode = "legacy" if verdict == "legacy" else _newest(known) if known else "auto"
        return Client(
            self._checked,
            mode=mode,
            prior_discover=known,
            client_info=Implementation(name="everruns", version=version("everruns")),
            elicitation_callback=self._answer,
            message_handler=self._heard,
            cache=None,
        )

    async def _answer(
        self,
        context: ClientRequestContext,  # noqa: ARG002 - the library's signature
        params: ElicitRequestParams,
    ) -> ElicitResult:
        return await self._elicit(params) if self._elicit else ElicitResult(action="decline")

    async def _heard(self, message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._listed_until = 0.0

    async def _until_unused(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.unused_s):
                    await self._closing.wait()
            if not self._borrowed and _now() - self._last_used >= self._limits.unused_s:
                return

    def _revision(self) -> str | None:
        return self._client.session.protocol_version if self._client else None

    def _masked(self, text: str) -> str:
        return masked(text, self._account)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _newest(discovered: DiscoverResult) -> str:
    return max(discovered.supported_versions)


async def _bounded_close(stack: contextlib.AsyncExitStack) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await stack.aclose()


def _words(error: BaseException) -> str | None:
    """Return what an error says, if it is meant for people."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    is_meant = isinstance(error, MCPError | OAuthFlowError | OSError)
    return said(str(error)).rstrip(".") if is_meant else None
