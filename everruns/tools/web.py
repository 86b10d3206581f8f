"""Web requests on behalf of a model: bounded, and only to allowed addresses."""

import asyncio
import ssl
from dataclasses import dataclass

import httpx2

from everruns.domain.base import KIB
from everruns.tools.addresses import Resolve, resolve
from everruns.tools.base import ToolError
from everruns.tools.egress import MAX_ADDRESSES, PinnedTransport, decompressed

USER_AGENT = "Everruns-WebFetch/1.0"
CONNECT_TIMEOUT_S = 5.0
FIRST_BYTE_TIMEOUT_S = 10.0
BODY_TIMEOUT_S = 30.0
MAX_REDIRECTS = 5
MAX_URL_CHARACTERS = 8 * KIB

_HEADERS = {
    "User-Agent": USER_AGENT,
    "Accept": "text/markdown, text/html;q=0.9, text/*;q=0.8, */*;q=0.5",
    "Accept-Encoding": "gzip",
}


@dataclass(frozen=True)
class Fetched:
    """A server's response.

    Attributes:
        url: The final URL, after redirects.
        status_code: HTTP status.
        headers: The response's headers.
        charset: The text encoding that the server named.
        body: The decompressed body, as far as it was requested and arrived in time.
        is_cut: Whether the body was longer than the limit.
        timed_out: Whether the rest of the body did not arrive in time.
    """

    url: str
    status_code: int
    headers: httpx2.Headers
    charset: str | None
    body: bytes = b""
    is_cut: bool = False
    timed_out: bool = False


async def fetch(
    url: str,
    *,
    method: str,
    max_bytes: int,
    allow_private: bool,
    resolver: Resolve = resolve,
    inner: httpx2.AsyncBaseTransport | None = None,
) -> Fetched:
    """Make one request and follow redirects; each target is checked like the first address.

    Args:
        url: ``http`` or ``https``, without user name or password.
        method: ``GET`` or ``HEAD``.
        max_bytes: Maximum bytes of the body, before and after decompression.
        allow_private: Whether loopback and private networks are allowed.
        resolver: Looks names up.
        inner: Sends requests to the checked addresses.

    Raises:
        ToolError: The address is not allowed, or the server did not answer.
    """
    transport = PinnedTransport(allow_private, inner, resolver)
    timeout = httpx2.Timeout(FIRST_BYTE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    async with httpx2.AsyncClient(
        transport=transport, headers=_HEADERS, timeout=timeout, trust_env=False
    ) as client:
        target = _checked_url(url)
        for _ in range(MAX_REDIRECTS + 1):
            response = await _send(client, method, target)
            try:
                if not response.has_redirect_location:
                    return await _receive(response, method, max_bytes)
                target = _checked_url(response.headers["location"], base=target)
            finally:
                await response.aclose()
    raise ToolError(f"Request failed: more than {MAX_REDIRECTS} redirects")


def _checked_url(text: str, base: httpx2.URL | None = None) -> httpx2.URL:
    if len(text) > MAX_URL_CHARACTERS:
        raise ToolError(f"Invalid URL: longer than {MAX_URL_CHARACTERS} characters")
    try:
        url = base.join(text) if base else httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError):
        raise ToolError("Invalid URL: it cannot be read") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ToolError("Invalid URL: must start with http:// or https://")
    if url.port is not None and not 0 < url.port < 65536:
        raise ToolError("Invalid URL: there is no such port")
    if url.userinfo:
        raise ToolError("Invalid URL: must not contain a user name or password")
    return url


async def _send(client: httpx2.AsyncClient, method: str, url: httpx2.URL) -> httpx2.Response:
    """Return a response whose body is still unread."""
    # Otherwise the client would keep one site's cookies for the next.
    client.cookies.clear()
    try:
        async with asyncio.timeout(MAX_ADDRESSES * CONNECT_TIMEOUT_S + FIRST_BYTE_TIMEOUT_S):
            return await client.send(client.build_request(method, url), stream=True)
    except (httpx2.ConnectError, httpx2.ConnectTimeout):
        raise ToolError("Failed to connect to server") from None
    except (httpx2.TimeoutException, TimeoutError):
        raise ToolError("Request failed: the server did not answer in time") from None
    except (httpx2.HTTPError, ssl.SSLError) as error:
        raise ToolError(f"Request failed: {type(error).__name__}") from None


async def _receive(response: httpx2.Response, method: str, max_bytes: int) -> Fetched:
    """Read the body up to its limits; data before a limit or a broken connection is kept."""
    body = bytearray()
    is_cut = timed_out = False
    if method != "HEAD":
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > max_bytes:
                        is_cut = True
                        break
        except (httpx2.TimeoutException, TimeoutError):
            timed_out = True
        except httpx2.HTTPError as error:
            raise ToolError(f"Request failed: {type(error).__name__}") from None
    try:
        content, was_larger = decompressed(bytes(body), response.headers, max_bytes)
    except httpx2.DecodingError as error:
        raise ToolError(f"Request failed: {error}") from None
    return Fetched(
        url=str(response.url),
        status_code=response.status_code,
        headers=response.headers,
        charset=response.charset_encoding,
        body=content,
        is_cut=is_cut or was_larger,
        timed_out=timed_out,
    )
