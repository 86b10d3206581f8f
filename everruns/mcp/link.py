"""The protocol's library at work for one server, in a task that owns it from opening to closing.

The library wants its scopes entered and left by one task, while calls come from the turns of many
sessions. So the owner opens, waits and closes; others only borrow the client.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Generator
from importlib.metadata import version
from typing import Any, Literal, cast

import structlog
from mcp.client import Client, ClientRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import DiscoverResult, ElicitRequestParams, ElicitResult, Implementation, Request
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from everruns.domain.mcp_servers import McpAccount
from everruns.log import error_kind, no_ids
from everruns.mcp.authorized import Obtain
from everruns.mcp.complaints import failure_of
from everruns.mcp.failures import CannotConnect, NotAuthorized, NotDelivered, OutcomeUnknown, said
from everruns.mcp.limits import Limits
from everruns.mcp.messages import CheckedTransport
from everruns.mcp.open_calls import OpenCall
from everruns.mcp.secrets import Secrets
from everruns.mcp.task_messages import AnyResult, TasksExtension
from everruns.mcp.transports import Way

CLOSE_TIMEOUT_S = 8.0
# The message that cancels a call at the server is still on its way when the call has ended here.
LAST_WORDS_S = 0.5

Elicit = Callable[[ElicitRequestParams], Awaitable[ElicitResult]]
Verdict = DiscoverResult | Literal["legacy"]
"""The protocol's era that a server speaks: what it said about itself, or that it has sessions."""

# The library logs what servers send, with whatever secrets that repeats.
logging.getLogger("mcp").setLevel(logging.CRITICAL)
log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Link:
    """A client of one server, opened when it is made.

    Args:
        account: The server.
        allow_private: Whether loopback and private networks are allowed.
        limits: Bounds.
        verdict: Which era the server speaks, if that is known.
        elicit: Answers what the server asks in the middle of a call.
        obtain: Returns what authorizes requests, if headers do not suffice.
        heard: Told of each notification.
        unused_for: Returns the seconds since the last use, 0 during one.
        ended: Called when nothing can be sent any more, perhaps more than once.

    Attributes:
        verdict: Which era the server speaks, once that is known.
        left_out: Why tools of the last list could not be read, by their names.
        owner: The task; done when everything is closed.
    """

    def __init__(
        self,
        account: McpAccount,
        allow_private: bool,
        limits: Limits,
        verdict: Verdict | None,
        elicit: Elicit,
        obtain: Obtain | None,
        *,
        heard: Callable[[Any], None],
        unused_for: Callable[[], float],
        ended: Callable[[], None],
    ) -> None:
        self._account = account
        self._limits = limits
        self._elicit = elicit
        self._on_message = heard
        self._unused_for = unused_for
        self._ended = ended
        self._secrets = Secrets(account)
        self._way = Way(
            account, allow_private, self.masked, self.close, obtain, self._secrets.learn
        )
        self._checked = CheckedTransport(
            self._way.transport(), self._secrets, ended, self._revision
        )
        self._client: Client | None = None
        self._failure: str | None = None
        self._refusal: NotAuthorized | None = None
        self._opened = asyncio.Event()
        self._closing = asyncio.Event()
        self._last_words_s = 0.0
        self.verdict: Verdict | None = verdict
        self.left_out = self._checked.left_out
        self.owner = asyncio.create_task(self._own(), context=no_ids())

    async def send(
        self,
        client: Client,
        request: Request[Any, Any],
        server: str,
        opened: OpenCall | None = None,
    ) -> dict[str, Any]:
        """Send a request, and return what the server answers, unchecked.

        Args:
            client: The client of this link.
            request: The request.
            server: The server's name for whoever asks.
            opened: The call that it is made for; its time stands still while somebody is asked.

        Raises:
            TimeoutError: The server made no progress for a while.
            NotDelivered: The server did not act on it.
            OutcomeUnknown: It may have.
            NotAuthorized: A person has to consent first.
            McpFailure: The server refused.
        """
        loop = asyncio.get_running_loop()
        report = opened.call.progress if opened else None
        async with asyncio.timeout(self._limits.silence_s) as silence:
            if opened:
                opened.ends_with(silence)

            async def progressed(progress: float, total: float | None, message: str | None) -> None:
                is_still = opened is not None and opened.is_asking
                if not silence.expired() and not is_still:
                    silence.reschedule(loop.time() + self._limits.silence_s)
                if report:
                    report(progress, total, message)

            with self.complaints(server):
                answer = await client.session.send_request(
                    request, AnyResult, progress_callback=progressed
                )
                return answer.model_extra or {}

    @contextlib.contextmanager
    def complaints(self, server: str) -> Generator[None]:
        """Turn the library's errors into failures, and end a link that they break."""
        try:
            yield
        except MCPError as error:
            failure = failure_of(server, error, self.masked, self.cause)
            if isinstance(failure, NotDelivered | OutcomeUnknown):
                # Perhaps the server was replaced by one that speaks another era.
                self.verdict = None
                self._ended()
            raise failure from None
        except ValidationError:
            what = "its answer is not what the protocol wants"
            raise OutcomeUnknown(server, what) from None

    @property
    def cause(self) -> str | None:
        """Why the connection ended, where the way knows better than the library."""
        failure = self._way.failure if self._way.speaks_sse else None
        return self.masked(failure) if failure else None

    async def client(self, server: str) -> Client:
        """Return the client once it is connected.

        Args:
            server: The server's name for whoever asks.

        Raises:
            CannotConnect: It could not be.
            NotAuthorized: A person has to consent first.
            NotDelivered: It is closed.
        """
        await self._opened.wait()
        if self._refusal is not None:
            raise self._refusal
        if self._failure is not None:
            raise CannotConnect(f"The MCP server {server} cannot be used: {self._failure}.")
        if self._client is None or self._closing.is_set():
            raise NotDelivered(f"The connection to the MCP server {server} was closed.")
        return self._client

    def close(self, last_words: bool = False) -> None:
        """Begin to close; ``last_words`` leaves a moment to send what is on its way."""
        if last_words:
            self._last_words_s = LAST_WORDS_S
        self._closing.set()
        self._ended()

    def masked(self, text: str) -> str:
        """Return a text without the server's secrets."""
        return self._secrets.masked(text)

    async def _own(self) -> None:
        """Open the client, keep it open while it is used, and close it."""
        try:
            async with contextlib.AsyncExitStack() as stack:
                client = self._new_client()
                async with asyncio.timeout(self._limits.connect_s):
                    await stack.enter_async_context(client)
                self.verdict = client.session.discover_result or "legacy"
                self._client = client
                self._opened.set()
                await self._until_unused()
                self._ended()
                await asyncio.sleep(self._last_words_s)
                await _close(stack)
        except TimeoutError as error:
            self._fail(error, f"it did not answer within {self._limits.connect_s:g} seconds")
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - transports raise what they like
            self._fail(error, _words(error) or self._way.failure or "it broke the connection")
        finally:
            self._client = None
            self._opened.set()
            self.close()

    async def _until_unused(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.unused_s):
                    await self._closing.wait()
            if self._unused_for() >= self._limits.unused_s:
                return

    def _fail(self, error: BaseException, what: str) -> None:
        log.info(
            "mcp connection failed", server=self._account.name, error=error_kind(_first(error))
        )
        if not self._opened.is_set():
            self.verdict = None
            self._failure = self.masked(what)
            self._refusal = self._way.refusal

    def _new_client(self) -> Client:
        known = self.verdict if isinstance(self.verdict, DiscoverResult) else None
        is_legacy = self._way.speaks_sse or self.verdict == "legacy"
        mode = "legacy" if is_legacy else _newest(known) if known else "auto"
        return Client(
            self._checked,
            mode=mode,
            prior_discover=known,
            client_info=Implementation(name="everruns", version=version("everruns")),
            elicitation_callback=self._answer,
            extensions=[TasksExtension()],
            message_handler=self._heard,
            cache=None,
        )

    async def _answer(
        self,
        context: ClientRequestContext,  # noqa: ARG002 - the library's signature
        params: ElicitRequestParams,
    ) -> ElicitResult:
        return await self._elicit(params)

    async def _heard(self, message: Any) -> None:
        self._on_message(message)

    def _revision(self) -> str | None:
        return self._client.session.protocol_version if self._client else None


def _newest(discovered: DiscoverResult) -> str:
    """Return the newest revision that both sides know."""
    return max(set(MODERN_PROTOCOL_VERSIONS) & set(discovered.supported_versions))


async def _close(stack: contextlib.AsyncExitStack) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await stack.aclose()


def _words(error: BaseException) -> str | None:
    """Return what an error says, if it is meant for people."""
    error = _first(error)
    is_meant = isinstance(error, MCPError | OSError)
    return said(str(error)).rstrip(".") if is_meant else None


def _first(error: BaseException) -> BaseException:
    """Return an error or, of a group of them, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
