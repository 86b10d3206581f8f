"""What the drivers that speak HTTP share: connections, event streams, and their limits.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast
from weakref import WeakKeyDictionary

import httpx
import orjson
from pydantic import SecretStr

from everruns.errors import (
    ModelFailure,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from everruns.providers.failures import failure_of, read_retry_after_s, unavailable

CONNECT_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 60.0
DRAIN_TIMEOUT_S = 0.1
MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_STREAM_BYTES = 256 * 1024 * 1024
MAX_BODY_BYTES = 4 * 1024 * 1024

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def shared_client() -> httpx.AsyncClient:
    """Return the running event loop's HTTP client, whose connections all drivers share."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None or client.is_closed:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        client = _clients[loop] = httpx.AsyncClient(verify=_tls(), limits=limits)
    return client


async def close_shared_client() -> None:
    """Close the running event loop's connections. Only at the end of a process or test."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


@dataclass(frozen=True)
class Wire:
    """One provider's address and how requests prove themselves to it.

    Attributes:
        name: The provider's name, for messages.
        base_url: Prefix of every path.
        silence_s: Seconds the provider may send nothing.
        api_key: The key, if there is one.
        key_required: Whether the provider cannot be asked without a key.
        key_header: Header that carries the key.
        key_prefix: What stands before the key in it.
        headers: Further headers.
        query: Parameters of every URL.
        client: Instead of the shared one.
    """

    name: str
    base_url: str
    silence_s: float
    api_key: SecretStr | None = None
    key_required: bool = True
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def post(self, path: str, body: dict[str, Any]) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Send a request whose answer is an event stream.

        Leaving the block ends the request and its connection.

        Yields:
            The ``data`` of each event.

        Raises:
            ModelFailure: Also from within the block, when the stream fails while it is read.
        """
        async with self._send("POST", path, orjson.dumps(body)) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                answer = _json(await self._read(response))
                if "error" in answer:
                    raise self.failure(answer["error"])
                raise self._unavailable("answered with something that is not an event stream")
            async with aclosing(self._payloads(response)) as payloads:
                yield payloads

    async def get(self, path: str) -> dict[str, Any]:
        """Ask for a JSON object.

        Raises:
            ModelFailure: There was no answer, or an error.
        """
        async with self._send("GET", path, None) as response:
            return self.decode(await self._read(response))

    def decode(self, payload: bytes) -> dict[str, Any]:
        """Read a payload as the JSON object it should be.

        Raises:
            ProviderUnavailable: It is none.
        """
        try:
            value = orjson.loads(payload)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise self._unavailable("sent something that is not a JSON object")
        return cast("dict[str, Any]", value)

    def broken_off(self) -> ProviderUnavailable:
        """Return the failure of a stream that ended before its answer did."""
        return self._unavailable("broke off in the middle of its answer")

    def malformed(self) -> ProviderUnavailable:
        """Return the failure of a stream in which something makes no sense."""
        return self._unavailable("sent something that makes no sense in an answer")

    def failure(
        self, error: Any, status: int | None = None, retry_after_s: float | None = None
    ) -> ModelFailure:
        """Translate a provider's error.

        Args:
            error: Its ``error`` value, in whatever form.
            status: The HTTP status, unless the error came within a stream.
            retry_after_s: Seconds the provider asks to wait.
        """
        return failure_of(self.name, error, status, retry_after_s, self.api_key)

    def _unavailable(self, what: str) -> ProviderUnavailable:
        return unavailable(self.name, what)

    def _authorized_headers(self) -> dict[str, str]:
        headers = {
            "accept-encoding": "identity",
            "content-type": "application/json",
            **self.headers,
        }
        key = self.api_key.get_secret_value().strip() if self.api_key else ""
        if not key:
            if self.key_required:
                raise ProviderUnauthorized(f"Provider {self.name} has no API key. Set its api_key.")
            return headers
        # The HTTP library would quote the whole header in its own error.
        if not (key.isascii() and key.isprintable()):
            raise ProviderUnauthorized(
                f"The api_key of provider {self.name} holds characters no key has. Set it anew."
            )
        return {**headers, self.key_header: self.key_prefix + key}

    @asynccontextmanager
    async def _send(
        self, method: str, path: str, content: bytes | None
    ) -> AsyncGenerator[httpx.Response]:
        client = self.client or shared_client()
        timeout = httpx.Timeout(self.silence_s, connect=CONNECT_TIMEOUT_S, write=WRITE_TIMEOUT_S)
        try:
            async with client.stream(
                method,
                self.base_url + path,
                params=self.query or None,
                content=content,
                headers=self._authorized_headers(),
                timeout=timeout,
            ) as response:
                if response.status_code != 200:
                    raise await self._refusal(response)
                yield response
        except httpx.ConnectTimeout:
            raise self._unavailable(f"could not be reached in {CONNECT_TIMEOUT_S:g} s") from None
        except httpx.TimeoutException:
            raise self._unavailable(f"was silent for {self.silence_s:g} s") from None
        except httpx.ConnectError as error:
            raise self._unavailable("could not be reached") from error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise ProviderRejected(
                f"The base_url of provider {self.name} is not a valid address. Set it anew."
            ) from None
        except httpx.HTTPError as error:
            raise self.broken_off() from error

    async def _refusal(self, response: httpx.Response) -> ModelFailure:
        answer = _json(await self._read(response))
        return self.failure(
            answer.get("error") or answer,
            response.status_code,
            read_retry_after_s(response.headers),
        )

    async def _read(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise self._unavailable(f"sent a body of more than {MAX_BODY_BYTES} bytes")
        return bytes(body)

    async def _payloads(self, response: httpx.Response) -> AsyncGenerator[bytes]:
        """Split an event stream; only ``data`` fields matter on these wires."""
        rest = bytearray()
        data: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if len(rest) > MAX_LINE_BYTES or size > MAX_STREAM_BYTES:
                raise self._unavailable("sent an answer larger than any answer should be")
            rest += chunk
            if b"\n" not in chunk:
                continue
            *lines, tail = bytes(rest).split(b"\n")
            rest = bytearray(tail)
            for line in lines:
                if line.startswith(b"data:"):
                    data.append(line[5:].strip())
                elif line in {b"", b"\r"} and data:
                    yield data[0] if len(data) == 1 else b"\n".join(data)
                    data = []
        if rest.startswith(b"data:"):
            data.append(bytes(rest[5:]).strip())
        # Some servers forget the blank line after the last event.
        if data:
            yield b"\n".join(data)


async def drain(payloads: AsyncIterator[bytes]) -> None:
    """Read what follows the end of an answer, so that its connection can serve the next call.

    There should be nothing but the end of the body. It is not worth waiting for, nor failing.
    """
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            async for _ in payloads:
                pass


def _json(body: bytes) -> dict[str, Any]:
    """Read an error's body, which may be anything."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
