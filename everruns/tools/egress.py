"""The one way out: requests to addresses that a model, a tool's server or a page may have named.

Every client that speaks to such an address does it through ``PinnedTransport``, so that the same
rules hold for pages, for servers of the Model Context Protocol and for their authorization.
"""

import ssl
import zlib
from functools import cache

import httpx2

from everruns.tools.addresses import Resolve, resolve, resolve_public

MAX_ADDRESSES = 3


class PinnedTransport(httpx2.AsyncBaseTransport):
    """Connects to the address that was checked, even if the name resolves differently later.

    Each request is checked, and so is each redirect. One transport is for one purpose: hosts that
    share an address also share its connections.

    Args:
        allow_private: Whether every address is allowed.
        inner: Sends the request. Its URL contains the address, its ``Host`` header and TLS server
            name the host.
        resolver: Looks names up.
    """

    def __init__(
        self,
        allow_private: bool,
        inner: httpx2.AsyncBaseTransport | None = None,
        resolver: Resolve = resolve,
    ) -> None:
        self._allow_private = allow_private
        self._inner = inner or httpx2.AsyncHTTPTransport(verify=_tls())
        self._resolver = resolver

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the first address of its host that accepts the connection.

        Raises:
            ToolError: The address is not allowed, or the name has none.
            httpx2.HTTPError: The request failed.
        """
        host = request.url.raw_host.decode("ascii")
        if self._allow_private:
            addresses = await self._resolver(host)
        else:
            addresses = await resolve_public(host, self._resolver)
        failure: httpx2.ConnectError | httpx2.ConnectTimeout | None = None
        for address in addresses[:MAX_ADDRESSES]:
            pinned = httpx2.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await self._inner.handle_async_request(pinned)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
        raise failure or httpx2.ConnectError("no address", request=request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def decompressed(body: bytes, headers: httpx2.Headers, max_bytes: int) -> tuple[bytes, bool]:
    """Decompress gzip without ever producing more than ``max_bytes``.

    Returns:
        The content, and whether there was more of it.

    Raises:
        httpx2.DecodingError: The body is in another encoding or damaged.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"identity", ""}:
        return body[:max_bytes], len(body) > max_bytes
    if encoding not in {"gzip", "x-gzip"}:
        raise httpx2.DecodingError(f"unknown content encoding {encoding[:40]}")
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = decoder.decompress(body, max_bytes)
    except zlib.error:
        raise httpx2.DecodingError("the body is not valid gzip") from None
    return content, bool(decoder.unconsumed_tail)


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()
