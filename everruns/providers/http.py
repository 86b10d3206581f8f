"""The shared part of HTTP drivers: requests, limits on responses, translation of failures."""

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import aiohttp
import orjson
from pydantic import SecretStr

from everruns.domain.trace_context import TRACEPARENT
from everruns.providers.connections import CONNECT_TIMEOUT_S, Connections
from everruns.providers.error_bodies import error_in, error_of_text
from everruns.providers.event_stream import EventSplitter
from everruns.providers.failures import failure_of, malformed, read_retry_after_s, unavailable
from everruns.providers.pace import AnswerPace
from everruns.providers.proxies import UnusableProxy
from everruns.turn_failures import (
    ModelFailure,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)

EVENT_STREAM = "text/event-stream"
MAX_EVENT_BYTES = 4 * 1024 * 1024
MAX_STREAM_BYTES = 256 * 1024 * 1024
MAX_BODY_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Wire:
    """One provider's address and credentials.

    Attributes:
        name: The provider's name, for messages.
        base_url: Prefix of every path.
        silence_s: Seconds without data after which a call fails.
        connections: The pool of its connections.
        api_key: The key, if any.
        key_required: Whether the provider requires a key.
        key_header: Header that carries the key.
        key_prefix: Text before the key in the header.
        headers: Additional headers, which may hold secrets.
        secrets: What to mask in the provider's texts besides the key.
        query: Parameters of every URL.
    """

    name: str
    base_url: str
    silence_s: float
    connections: Connections
    api_key: SecretStr | None = None
    key_required: bool = True
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    secrets: Sequence[SecretStr] = field(default=(), repr=False)
    query: Mapping[str, str] = field(default_factory=dict[str, str])

    async def post(
        self,
        path: str,
        body: dict[str, Any],
        pace: AnswerPace | None = None,
        traceparent: str | None = None,
    ) -> AsyncGenerator[bytes]:
        """Send a request whose response is an event stream.

        A JSON document in its place counts as one event. Closing the iterator (``aclose``) ends the
        request, and its connection too unless the answer was read to its end.

        Args:
            path: Appended to the base URL.
            body: The request, as JSON.
            pace: When to read on; without it, as data comes.
            traceparent: The trace context to send along, if any.

        Yields:
            The ``data`` of each event, as it came.

        Raises:
            ModelFailure: The call failed; also raised while the stream is read.
        """
        with self._failures():
            traced = {TRACEPARENT: traceparent} if traceparent else {}
            async with self._request("POST", path, orjson.dumps(body), traced) as response:
                await self._accept(response)
                splitter = EventSplitter()
                size = 0
                is_stream = response.headers.get("content-type", "").startswith(EVENT_STREAM)
                while piece := await response.content.readany():
                    size += len(piece)
                    if splitter.unfinished_bytes > MAX_EVENT_BYTES or size > MAX_STREAM_BYTES:
                        raise self._malformed("sent an answer larger than the limit")
                    for data in splitter.feed(piece):
                        is_stream = True
                        yield data
                    if pace is not None:
                        pace.pause(response)
                for data in splitter.end():
                    is_stream = True
                    yield data
                if not is_stream:
                    raise self._malformed("answered with something that is not an event stream")

    async def get(self, path: str) -> Any:
        """Request a JSON value.

        Raises:
            ModelFailure: There was no response, or an error.
        """
        with self._failures():
            async with self._request("GET", path, None) as response:
                await self._accept(response)
                try:
                    value = orjson.loads(await self._read(response))
                except orjson.JSONDecodeError:
                    raise self._malformed("sent something that is not JSON") from None
                if error := error_in(value):
                    raise self.failure(error)
                return value

    def broken_off(self) -> ProviderUnavailable:
        """Return the failure of a stream that ended prematurely."""
        return self._unavailable("broke off in the middle of its answer")

    def empty(self) -> ModelFailure:
        """Return the failure of a stream that ended properly, with nothing in it."""
        return self._malformed("ended its stream without an answer")

    def malformed(self) -> ModelFailure:
        """Return the failure of a stream with invalid data."""
        return self._malformed("sent invalid data in its answer")

    def failure(
        self, error: Any, status: int | None = None, retry_after_s: float | None = None
    ) -> ModelFailure:
        """Translate a provider's error.

        Args:
            error: Its ``error`` value, in whatever form.
            status: The HTTP status, unless the error came within a stream.
            retry_after_s: The delay that the provider asks for, in seconds.
        """
        return failure_of(self.name, error, status, retry_after_s, self.api_key, self.secrets)

    def _malformed(self, what: str) -> ModelFailure:
        return malformed(self.name, what)

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
                f"The api_key of provider {self.name} has characters that no key has. Set it again."
            )
        return {**headers, self.key_header: self.key_prefix + key}

    def _request(
        self,
        method: str,
        path: str,
        content: bytes | None,
        traced: Mapping[str, str] = MappingProxyType({}),
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self.connections.request(
            method,
            self.base_url + path,
            # What the provider's account says comes first.
            headers={**traced, **self._authorized_headers()},
            query=self.query,
            content=content,
            silence_s=self.silence_s,
        )

    @contextmanager
    def _failures(self) -> Generator[None]:
        """Translate connection errors into our failures."""
        try:
            yield
        except UnusableProxy:
            raise ProviderRejected(
                f"The proxy for provider {self.name} is not an HTTP proxy. Name an HTTP proxy in "
                "model_proxy or the environment, or exempt the provider."
            ) from None
        # The last is what names of impossible length become when they are looked up.
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, UnicodeError):
            raise ProviderRejected(
                f"The base_url of provider {self.name} is not a valid address. Set it again."
            ) from None
        except aiohttp.ConnectionTimeoutError:
            raise self._unavailable(f"could not be reached in {CONNECT_TIMEOUT_S:g} s") from None
        except TimeoutError:
            raise self._unavailable(f"was silent for {self.silence_s:g} s") from None
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError) as error:
            raise self._unavailable("could not be reached") from error
        except aiohttp.ClientError as error:
            raise self.broken_off() from error

    async def _accept(self, response: aiohttp.ClientResponse) -> None:
        if 200 <= response.status < 300:
            return
        body = await self._read(response)
        try:
            error = orjson.loads(body)
        except orjson.JSONDecodeError:
            error = error_of_text(body)
        if 300 <= response.status < 400:
            error = f"it redirects to {response.headers.get('location', 'nowhere')}"
        raise self.failure(error, response.status, read_retry_after_s(response.headers))

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        while piece := await response.content.readany():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise self._malformed(f"sent a body of more than {MAX_BODY_BYTES} bytes")
        return bytes(body)
