"""Request bodies: bounded, and parsed as strict JSON regardless of their content type.

Source: docs/contract.md, "Errors".
"""

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import cached_property
from typing import Any, cast, get_type_hints

from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from everruns.api.http.input import RouteInput
from everruns.api.http.reads import Reads
from everruns.domain.base import MAX_DEPTH, MAX_VALUES
from everruns.errors import InvalidJson, InvalidRequest, RequestTimedOut, TooLarge
from everruns.settings import Settings

MAX_INTEGER = 2**63 - 1
# What clients send to say nothing, such as the SDK's to cancel, with spaces around it.
EMPTY_BODIES = (b"", b"{}")
LONGEST_EMPTY_BODY = 64


def parse_json(body: bytes) -> Any:
    """Read a JSON text.

    Raises:
        InvalidJson: It is malformed, contains values that cannot be stored exactly (NUL characters,
            lone surrogates, numbers beyond 64 bits, NaN), is nested too deeply or has too many
            values.
    """
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidJson(f"The body is not valid JSON: {error}") from None
    check_storable(value)
    return value


def check_storable(root: Any) -> None:
    """Check a value level by level, which bounds both its depth and its number of values.

    Raises:
        InvalidJson: It is nested too deeply, has too many values, or contains values that cannot be
            stored exactly: NUL characters and numbers beyond 64 bits.
    """
    level: Sequence[Any] = [root]
    seen = depth = 0
    while level:
        depth += 1
        seen += len(level)
        if seen > MAX_VALUES:
            raise InvalidJson(f"The body holds more than {MAX_VALUES} values.")
        below: list[Any] = []
        for value in level:
            if depth > MAX_DEPTH and isinstance(value, dict | list):
                raise InvalidJson(f"The body is nested more than {MAX_DEPTH} levels deep.")
            if isinstance(value, str):
                if "\0" in value:
                    raise InvalidJson("The body holds a NUL character (\\u0000) in a string.")
            elif isinstance(value, dict):
                fields = cast("dict[str, Any]", value)
                below.extend(fields)
                below.extend(fields.values())
            elif isinstance(value, list):
                below.extend(cast("list[Any]", value))
            elif not _is_storable(value):
                raise InvalidJson("The body holds a number beyond 64 bits.")
        level = below


def _is_storable(value: float | bool | None) -> bool:
    return value is None or (
        abs(value) <= MAX_INTEGER if isinstance(value, int) else math.isfinite(value)
    )


class JsonRequest(Request):
    """A request whose body is JSON and no longer than the deployment allows."""

    async def body(self) -> bytes:
        """Return the body.

        Raises:
            TooLarge: It is over the limit; the rest was not read.
            RequestTimedOut: It did not arrive in time, however steadily data came in.
        """
        if not hasattr(self, "_body"):
            settings: Settings = self.app.state.settings
            self._body = await self._read_in_time(settings.max_body_bytes)
        return self._body

    async def has_body(self) -> bool:
        """Tell whether the body says anything, reading no more of it than an empty object has.

        Raises:
            RequestTimedOut: It did not arrive in time.
        """
        headers = self.headers
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            return False
        try:
            return (await self._read_in_time(LONGEST_EMPTY_BODY)).strip() not in EMPTY_BODIES
        except TooLarge:
            return True

    async def _read_in_time(self, limit: int) -> bytes:
        settings: Settings = self.app.state.settings
        try:
            async with asyncio.timeout(settings.body_timeout_s):
                return await self._read(limit)
        except TimeoutError:
            raise RequestTimedOut(
                f"The body has not come within {settings.body_timeout_s:g} s. Send it faster, "
                "or let the server wait longer (body_timeout_s)."
            ) from None

    async def _read(self, limit: int) -> bytes:
        length = self.headers.get("content-length", "0")
        chunks = bytearray()
        if not length.isdigit() or int(length) <= limit:
            async for chunk in self.stream():
                chunks += chunk
                if len(chunks) > limit:
                    break
        if len(chunks) > limit or (length.isdigit() and int(length) > limit):
            raise TooLarge(f"The body is longer than {limit} bytes.")
        return bytes(chunks)

    async def json(self) -> Any:
        """Return the body as a value.

        Raises:
            TooLarge: It is over the limit.
            RequestTimedOut: It did not arrive in time.
            InvalidJson: It is not JSON that this server accepts.
        """
        if not hasattr(self, "_json"):
            self._json = parse_json(await self.body())
        return self._json


class JsonRoute(APIRoute):
    """A route that reads its body as strict JSON and writes answers without nulls.

    A route that takes GET also takes HEAD. HEAD is not in ``methods``, since each of those is
    documented as an operation of its own.

    Attributes:
        is_strict: Whether it refuses fields, query parameters and bodies that it does not know.
        reads: What its handler reads of a request by itself.
    """

    def __init__(
        self, *args: Any, is_strict: bool = False, reads: Reads | None = None, **kwargs: Any
    ) -> None:
        self.is_strict = is_strict
        self.reads = reads
        described = reads.described() if reads else None
        super().__init__(*args, response_model_exclude_none=True, openapi_extra=described, **kwargs)
        if self.is_by_hand:
            self.app = _served(self.get_route_handler())

    @cached_property
    def is_by_hand(self) -> bool:
        """Whether its function takes just the request and returns the response.

        The framework then has nothing to resolve, and its layers for that are left out.
        """
        takes = self.dependant
        returned = get_type_hints(self.endpoint).get("return")
        return (
            isinstance(returned, type)
            and issubclass(returned, Response)
            and takes.request_param_name is not None
            and not (
                takes.path_params
                or takes.query_params
                or takes.header_params
                or takes.cookie_params
                or takes.body_params
                or takes.dependencies
            )
        )

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a request is for this route."""
        return super().matches({**scope, "method": "GET"} if _is_head(scope) else scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; for HEAD, the server sends only the headers of the response."""
        if _is_head(scope) and "GET" in (self.methods or ()):
            await self.app(scope, receive, send)
        else:
            await super().handle(scope, receive, send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that serves one request."""
        route_input = RouteInput.of(self, self.reads, is_strict=self.is_strict)

        async def check(request: JsonRequest) -> None:
            _refuse_nul(request.scope)
            if not route_input.takes_body and await request.has_body():
                raise InvalidRequest("body: this route takes none")
            await route_input.check(request)

        async def handle_request(request: Request) -> Response:
            assert isinstance(request, JsonRequest)  # noqa: S101 - see ``_served``
            await check(request)
            return await self.endpoint(request)

        if self.is_by_hand:
            return handle_request
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            json_request = JsonRequest(_as_json(request.scope), request.receive)
            await check(json_request)
            return await handle(json_request)

        return handle_json


def _served(handle: Callable[[Request], Coroutine[Any, Any, Response]]) -> ASGIApp:
    """Serve requests with a function, without the framework's layers for dependencies."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await handle(JsonRequest(scope, receive))
        await response(scope, receive, send)

    return app


def _is_head(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "HEAD"


def _refuse_nul(scope: Scope) -> None:
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise InvalidRequest("The URL holds a NUL character (%00).")


def _as_json(scope: Scope) -> Scope:
    """Declare the body as JSON: ``curl -d`` declares a form, other clients nothing."""
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    others = [header for header in headers if header[0] != b"content-type"]
    return {**scope, "headers": [*others, (b"content-type", b"application/json")]}
