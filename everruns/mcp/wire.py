"""HTTP to a server: checked addresses, bounded answers, and failures as answers to one request.

The protocol's library ends a whole connection when one request fails in the network. So here a
failure becomes the error that answers the request which failed, and nothing else.

Source: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, cast, get_args

import httpx2
import orjson

from everruns.domain.base import MIB
from everruns.mcp.failures import NotAuthorized
from everruns.tools.base import ToolError
from everruns.tools.egress import decompressed

MAX_MESSAGE_BYTES = 4 * MIB
SESSION_HEADER = "mcp-session-id"

Effect = Literal["not_delivered", "unknown", "refused", "unusable", "unauthorized"]
"""Whether a request may have taken effect.

``unusable`` says that its answer was left aside, ``unauthorized`` that a person has to consent
before it is sent again.
"""

EFFECT = "everruns/effect"
"""Where the data of an error from here says whether the request may have taken effect."""

SCOPE = "everruns/scope"
"""Where the data of an error from here says which scopes an unauthorized request lacked."""

_FAILED = -32050
# A line ends with a line feed, a carriage return or both, and an event with a blank line.
_BLANK_LINES = (b"\n\n", b"\r\r", b"\n\r")
_WORDS = {
    401: "it asks for authorization (HTTP 401); check the headers configured for it",
    403: "it denies access (HTTP 403); check the headers configured for it",
    404: "nothing is at its address (HTTP 404); check the URL",
    405: "its address takes no such requests (HTTP 405); check the URL and the type",
    429: "it takes no more requests for now (HTTP 429)",
    503: "it is unavailable (HTTP 503)",
}
# What the protocol's libraries answer, before they act, to a request without a session that they
# know, though the protocol wants a 404. Other words may come from a tool that has acted.
_NO_SESSION = {
    "Bad Request: No valid session ID provided",
    "Bad Request: Server not initialized",
    "Bad Request: Mcp-Session-Id header is required",
    "Bad Request: Missing session ID",
}


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Sends requests to one server and reads its answers within bounds.

    Args:
        inner: Sends requests to checked addresses.

    Attributes:
        failure: What went wrong with the last request that failed, for people.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.failure: str | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the server's response, or one that stands for a failure."""
        try:
            return await self._answer(request)
        except NotAuthorized as refusal:
            return self._failed(401, "unauthorized", str(refusal), scope=refusal.scope)
        except ToolError as refusal:
            return self._failed(502, "not_delivered", str(refusal))
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            return self._failed(502, "not_delivered", "it cannot be connected to")
        except httpx2.TimeoutException:
            return self._failed(504, "unknown", "it did not answer in time")
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            return self._failed(502, "unknown", f"the connection broke ({type(error).__name__})")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        try:
            if _is_event_stream(response):
                return _bounded_stream(response)
            body = await _body(response)
        except BaseException:
            await response.aclose()
            raise
        await response.aclose()
        if body is None:
            return self._failed(
                502, "unknown", f"its answer is larger than {MAX_MESSAGE_BYTES // MIB} MiB"
            )
        if response.status_code >= 400:
            return self._refused(request, response, body)
        return httpx2.Response(response.status_code, headers=_plain(response.headers), content=body)

    def _refused(
        self, request: httpx2.Request, response: httpx2.Response, body: bytes
    ) -> httpx2.Response:
        status = response.status_code
        said_error = _error_of(body)
        if _wants_new_session(SESSION_HEADER in request.headers, status, said_error):
            return self._failed(status, "not_delivered", "it has forgotten the session")
        headers = _plain(response.headers)
        if said_error is not None and status not in {401, 403}:
            return httpx2.Response(status, headers=headers, content=body)
        words = _WORDS.get(status, f"it answers with HTTP {status}")
        return self._failed(status, _effect_of_status(status, headers), words, headers)

    def _failed(
        self,
        status: int,
        effect: Effect,
        words: str,
        headers: httpx2.Headers | None = None,
        scope: str | None = None,
    ) -> httpx2.Response:
        self.failure = words
        error = error_of_ours(words, effect)
        if scope is not None:
            error["data"][SCOPE] = scope
        content = orjson.dumps({"jsonrpc": "2.0", "id": None, "error": error})
        headers = httpx2.Headers(headers)
        headers["content-type"] = "application/json"
        return httpx2.Response(status, headers=headers, content=content)


def error_of_ours(words: str, effect: Effect) -> dict[str, Any]:
    """Return an error of the protocol that is from here and not from the server."""
    return {"code": _FAILED, "message": words, "data": {EFFECT: effect}}


def effect_of(data: Any) -> Effect | None:
    """Return what an error's data says about the request's effect, if it is from here."""
    if isinstance(data, Mapping):
        effect = cast("Mapping[str, Any]", data).get(EFFECT)
        if effect in get_args(Effect):
            return cast("Effect", effect)
    return None


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # A stream may live as long as its connection, so its events are bounded and not the whole.
        event_bytes = 0
        last = b""
        async for chunk in cast("httpx2.AsyncByteStream", self._response.stream):
            seen = last + chunk
            end = max(seen.rfind(blank) for blank in _BLANK_LINES)
            event_bytes = event_bytes + len(chunk) if end < 0 else len(seen) - end - 2
            if event_bytes > MAX_MESSAGE_BYTES:
                raise httpx2.ReadError("an event of the stream is too long")
            last = seen[-1:]
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


def _is_event_stream(response: httpx2.Response) -> bool:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return response.status_code < 300 and media_type == "text/event-stream"


def _bounded_stream(response: httpx2.Response) -> httpx2.Response:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise httpx2.DecodingError("a compressed stream")
    return httpx2.Response(
        response.status_code, headers=response.headers, stream=_BoundedStream(response)
    )


async def _body(response: httpx2.Response) -> bytes | None:
    """Return the whole body; ``None`` if it is too large."""
    body = bytearray()
    async for chunk in cast("httpx2.AsyncByteStream", response.stream):
        body += chunk
        if len(body) > MAX_MESSAGE_BYTES:
            return None
    content, was_larger = decompressed(bytes(body), response.headers, MAX_MESSAGE_BYTES)
    return None if was_larger else content


def _plain(headers: httpx2.Headers) -> httpx2.Headers:
    """Return headers without those that describe how the body travelled."""
    plain = httpx2.Headers(headers)
    for name in ("content-encoding", "content-length", "transfer-encoding"):
        plain.pop(name, None)
    return plain


def _error_of(body: bytes) -> Mapping[str, Any] | None:
    """Return the protocol's error in a body."""
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    error = answer.get("error") if isinstance(answer, dict) else None  # type: ignore[reportUnknownMemberType]
    if isinstance(error, dict) and isinstance(error.get("code"), int):  # type: ignore[reportUnknownMemberType]
        return cast("dict[str, Any]", error)
    return None


def _wants_new_session(has_session: bool, status: int, error: Mapping[str, Any] | None) -> bool:
    if status == 404:
        return has_session
    return status == 400 and error is not None and error.get("message") in _NO_SESSION


def _effect_of_status(status: int, headers: httpx2.Headers) -> Effect:
    """Return what a status says about a request, if nothing in the protocol's own words does."""
    if status == 503 and "retry-after" in headers:
        return "not_delivered"
    # A server or a proxy that failed may have done so in the middle of the work.
    return "unknown" if status >= 500 else "refused"
