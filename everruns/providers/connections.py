"""The HTTP connections to models: their pool, their limits, TLS and proxies."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache, lru_cache
from socket import AF_INET, AI_NUMERICHOST, AddressFamily
from typing import cast
from urllib.parse import urlsplit

import httpx
from aiohttp import (
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    Payload,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, AbstractStreamWriter, ResolveResult
from aiohttp.http import StreamWriter

from everruns.providers.pace import Pace
from everruns.providers.proxies import Proxies
from everruns.tools.names import Names

CONNECT_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 60.0
# Common servers close a connection that was idle for 5 s. A close while a request is being
# sent costs a retry, so we close ours earlier.
KEEP_ALIVE_S = 4.0
MAX_HEADER_BYTES = 100 * 1024
REMEMBERED_SERVERS = 1000
LOOK_UPS = 16


class Connections:
    """Connections of one event loop, opened on demand.

    There is no limit to how many are in use. Idle ones are closed after ``KEEP_ALIVE_S``.

    Args:
        proxies: Chooses the proxy of a server; without it, no proxy is used. Not left to
            aiohttp, which would read the environment and ``~/.netrc`` at each request, in threads.
    """

    def __init__(self, proxies: Proxies | None = None) -> None:
        self._session: ClientSession | None = None
        self.pace = Pace()
        self._find_proxy = lru_cache(REMEMBERED_SERVERS)((proxies or Proxies()).find)

    def request(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        content: bytes | None,
        silence_s: float,
    ) -> AbstractAsyncContextManager[ClientResponse]:
        """Send a request; leaving the block ends it.

        A connection is reused if the response was read to its end, and closed if not. Redirects
        are not followed. A POST is never retried. Credentials in the URL override an
        ``authorization`` header.

        Raises:
            UnusableProxy: The proxy for the address is not an HTTP proxy.
            aiohttp.InvalidURL: The address is not valid.
            aiohttp.ClientError: There is no connection, or no response. Also raised within the
            block.
            TimeoutError: Connecting took ``CONNECT_TIMEOUT_S``, sending ``WRITE_TIMEOUT_S``, or
                nothing came for ``silence_s``. Also raised within the block.
        """
        try:
            parts = urlsplit(address)
            proxy = self._find_proxy(parts.scheme, parts.hostname or "", parts.port)
        except ValueError:
            raise InvalidURL(address) from None
        if parts.username is not None:
            headers = {name: text for name, text in headers.items() if name != "authorization"}
        return self._open_session().request(
            method,
            address,
            params=query or None,
            data=None if content is None else _Body(content),
            headers=headers,
            proxy=proxy,
            timeout=ClientTimeout(connect=CONNECT_TIMEOUT_S, sock_read=silence_s),
            allow_redirects=False,
        )

    async def close(self) -> None:
        """Close all connections, including those in use."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open_session(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(
                    limit=0, keepalive_timeout=KEEP_ALIVE_S, ssl=_tls(), resolver=_Resolver()
                ),
                cookie_jar=DummyCookieJar(),
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
            )
        return self._session


class _Resolver(AbstractResolver):
    """Resolves the names of model servers, in threads of their own."""

    def __init__(self) -> None:
        self._names = Names("model", LOOK_UPS, CONNECT_TIMEOUT_S)

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=address_family,
                proto=0,
                flags=AI_NUMERICHOST,
            )
            for address_family, address in await self._names.addresses(host, family)
        ]

    async def close(self) -> None:
        pass


class _Body(Payload):
    """The body of a request, which the server must accept in time."""

    _value: bytes
    _autoclose = True

    def __init__(self, content: bytes) -> None:
        super().__init__(content, content_type="application/json")
        self._size = len(content)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await writer.write(self._value)
        except BaseException:
            # A normal close would keep the connection until the rest is sent.
            if transport := cast("StreamWriter", writer).transport:
                transport.abort()
            raise


@cache
def _tls() -> ssl.SSLContext:
    # The trusted roots are those of web_fetch: SSL_CERT_FILE, SSL_CERT_DIR, or certifi's roots.
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
