"""The ways to a server: streamable HTTP, the older SSE, and a program's standard streams."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import httpx2
from mcp.client import Transport
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from everruns.domain.mcp_servers import McpAccount
from everruns.mcp.authorized import AuthorizedTransport, Obtain
from everruns.mcp.failures import NotAuthorized
from everruns.mcp.messages import Streams
from everruns.mcp.stdio import program_streams
from everruns.mcp.wire import MAX_MESSAGE_BYTES, BoundedTransport
from everruns.tools.egress import PinnedTransport

CONNECT_TIMEOUT_S = 5.0
# Longer than a server with sessions waits for a person's answer.
READ_TIMEOUT_S = 900.0
_HEADERS = {"User-Agent": "Everruns-MCP/1.0", "Accept-Encoding": "identity"}


class Way:
    """A way to one server.

    Args:
        account: The server.
        allow_private: Whether loopback and private networks are allowed.
        masked: Removes the server's secrets from a text.
        lost: Called when a message could not be sent over a way that does not say so itself.
        obtain: Returns what authorizes requests, if headers do not suffice.
        learn: Told of each token that the server gets.

    Attributes:
        speaks_sse: Whether the way is the older SSE, which knows only the revisions with sessions.
    """

    def __init__(
        self,
        account: McpAccount,
        allow_private: bool,
        masked: Callable[[str], str],
        lost: Callable[[], None],
        obtain: Obtain | None = None,
        learn: Callable[[str], None] = lambda _token: None,
    ) -> None:
        self._account = account
        self._masked = masked
        self._lost = lost
        pinned = PinnedTransport(allow_private)
        self._authorized = AuthorizedTransport(pinned, account, obtain, learn) if obtain else None
        self._http = BoundedTransport(self._authorized or pinned)
        self.speaks_sse = account.type == "sse"

    @property
    def failure(self) -> str | None:
        """What went wrong with the last request that failed in the network."""
        return self._http.failure

    @property
    def refusal(self) -> NotAuthorized | None:
        """That the server wants a person's consent, once it does."""
        return self._authorized.refusal if self._authorized else None

    def transport(self) -> Transport:
        """Return a transport that is not open yet."""
        match self._account.type:
            case "stdio":
                return program_streams(self._account, self._masked)
            case "sse":
                return self._event_streams()
            case "http":
                return self._http_streams()

    @asynccontextmanager
    async def _http_streams(self) -> AsyncGenerator[Streams]:
        async with (
            self._client() as client,
            streamable_http_client(
                self._account.url or "", http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES
            ) as streams,
        ):
            yield streams

    @asynccontextmanager
    async def _event_streams(self) -> AsyncGenerator[Streams]:
        def make_client(
            headers: dict[str, str] | None = None,  # noqa: ARG001 - the library's signature
            timeout: httpx2.Timeout | None = None,  # noqa: ARG001
            auth: httpx2.Auth | None = None,  # noqa: ARG001
        ) -> httpx2.AsyncClient:
            client = self._client()
            client.event_hooks["response"].append(self._check_sent)
            return client

        async with sse_client(self._account.url or "", httpx_client_factory=make_client) as streams:
            yield streams

    async def _check_sent(self, response: httpx2.Response) -> None:
        if response.request.method == "POST" and response.status_code >= 400:
            self._lost()

    def _client(self) -> httpx2.AsyncClient:
        secrets = {name: value.get_secret_value() for name, value in self._account.headers.items()}
        return httpx2.AsyncClient(
            transport=self._http,
            headers={**_HEADERS, **secrets},
            timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            trust_env=False,
        )
