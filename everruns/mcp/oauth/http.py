"""Requests to authorization servers: checked addresses, bounded answers, bounded time.

Their addresses come from servers that nobody here chose, so they are checked as those of pages are.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import httpx2

from everruns.domain.base import KIB
from everruns.errors import McpServerUnavailable
from everruns.tools.base import ToolError
from everruns.tools.egress import PinnedTransport, decompressed

MAX_ANSWER_BYTES = 256 * KIB
MAX_REDIRECTS = 3
TIMEOUT_S = 8.0
_REDIRECTS = {301, 302, 303, 307, 308}
_HEADERS = {
    "User-Agent": "Everruns-MCP/1.0",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}
_TRAVELLING = ("content-encoding", "content-length", "transfer-encoding")


class Http:
    """Sends the requests of one step for one server.

    Args:
        server: The server's name, for messages.
        client: Sends requests to checked addresses.
        allow_private: Whether private networks, and with them plain http, are allowed.
    """

    def __init__(self, server: str, client: httpx2.AsyncClient, *, allow_private: bool) -> None:
        self._server = server
        self._client = client
        self._allow_private = allow_private

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer to a request, whatever its status, with its whole body.

        What is only read is followed to other addresses of the same origin.

        Raises:
            McpServerUnavailable: It gave no usable answer; the message says why.
        """
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send(request)
            followed = _followed(request, response)
            if followed is None:
                return response
            request = followed
        raise self.failure("an address that it names redirects without end")

    def failure(self, what: str) -> McpServerUnavailable:
        """Return the error of an authorization that fails for a reason."""
        return McpServerUnavailable(f"The MCP server {self._server} cannot be authorized: {what}.")

    def checked(self, url: str) -> str:
        """Return an address that secrets may be sent to.

        Raises:
            McpServerUnavailable: It is not encrypted, and private networks are not allowed.
        """
        if not self._allow_private and not url.lower().startswith("https://"):
            raise self.failure(f"{url[:200]} is not https, and tokens would be sent in the open")
        return url

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host[:100]
        for name, value in _HEADERS.items():
            request.headers.setdefault(name, value)
        try:
            response = await self._client.send(request, stream=True)
            try:
                return await self._whole(response)
            finally:
                await response.aclose()
        except ToolError as refusal:
            raise self.failure(str(refusal).rstrip(".")) from None
        except httpx2.TimeoutException:
            raise self.failure(f"{host} did not answer in time") from None
        except (httpx2.TransportError, httpx2.DecodingError, httpx2.InvalidURL):
            raise self.failure(f"{host} cannot be connected to") from None

    async def _whole(self, response: httpx2.Response) -> httpx2.Response:
        body = bytearray()
        async for chunk in cast("httpx2.AsyncByteStream", response.stream):
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise self.failure("an answer is too large")
        content, is_larger = decompressed(bytes(body), response.headers, MAX_ANSWER_BYTES)
        if is_larger:
            raise self.failure("an answer is too large")
        headers = httpx2.Headers(response.headers)
        for name in _TRAVELLING:
            headers.pop(name, None)
        return httpx2.Response(
            response.status_code, headers=headers, content=content, request=response.request
        )


@asynccontextmanager
async def checked_http(server: str, *, allow_private: bool) -> AsyncGenerator[Http]:
    """Open a way to the addresses that one server and its authorization server name."""
    async with httpx2.AsyncClient(
        transport=PinnedTransport(allow_private), timeout=TIMEOUT_S, trust_env=False
    ) as client:
        yield Http(server, client, allow_private=allow_private)


def _followed(request: httpx2.Request, response: httpx2.Response) -> httpx2.Request | None:
    location = response.headers.get("location")
    if request.method != "GET" or response.status_code not in _REDIRECTS or not location:
        return None
    try:
        url = request.url.join(location)
    except httpx2.InvalidURL:
        return None
    before = (request.url.scheme, request.url.host, request.url.port)
    if (url.scheme, url.host, url.port) != before:
        return None
    return httpx2.Request("GET", url, headers=request.headers)
