"""From errors to responses: the only place that knows HTTP statuses.

Every error response has the same shape, whatever failed and wherever.

Source: docs/contract.md, "Errors".
"""

import math
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everruns.domain.problems import words_of
from everruns.errors import (
    Conflict,
    EverrunsError,
    Forbidden,
    InvalidCursor,
    InvalidId,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    NotImplementedHere,
    Overloaded,
    PreconditionFailed,
    RequestTimedOut,
    RouteNotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from everruns.ids import is_id
from everruns.log import current_ids

STATUSES: Mapping[type[EverrunsError], int] = {
    InvalidRequest: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    RequestTimedOut: 408,
    Conflict: 409,
    PreconditionFailed: 412,
    TooLarge: 413,
    Overloaded: 429,
    EverrunsError: 500,
    NotImplementedHere: 501,
    Unavailable: 503,
}
# Where an answer that reports an error leaves its code in the scope of its request.
ERROR_CODE = "everruns.error_code"
RETRY_STATUSES = frozenset({429, 503})
DEFAULT_RETRY_AFTER_S = 1.0
SHOWN_PROBLEMS = 5
PLACES = {"since_id", "after_sequence", "around", "from_ts", "to_ts"}
LONGEST_MESSAGE = 2000
# Capability ids can have any form.
ID_PARAMETERS = frozenset(
    {
        "agent_id",
        "budget_id",
        "harness_id",
        "key_id",
        "mcpserver_id",
        "provider_id",
        "session_id",
        "workspace_id",
    }
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def status_of(error: type[EverrunsError]) -> int:
    """Return the HTTP status of a class of errors: that of its nearest ancestor in the table."""
    return next(STATUSES[parent] for parent in error.__mro__ if parent in STATUSES)


def error_answer(error: EverrunsError, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response that reports an error."""
    status = status_of(type(error))
    answer_headers = dict(headers or {})
    if status in RETRY_STATUSES:
        seconds = error.retry_after_s or DEFAULT_RETRY_AFTER_S
        answer_headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    if status == 401:
        answer_headers["WWW-Authenticate"] = "Bearer"
    return ErrorAnswer(error, status, answer_headers)


class ErrorAnswer(Response):
    """A response that reports an error, and leaves its code in the request's scope."""

    def __init__(self, error: EverrunsError, status: int, headers: Mapping[str, str]) -> None:
        body = {"error": {"message": error.message[:LONGEST_MESSAGE], "code": error.code}}
        super().__init__(orjson.dumps(body), status, headers, media_type="application/json")
        self._code = error.code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        scope[ERROR_CODE] = self._code
        await super().__call__(scope, receive, send)


async def answer_error(request: Request, error: Exception) -> Response:
    """Respond to what a route raised: our own error, a validation error or the framework's."""
    if isinstance(error, RequestValidationError):
        return error_answer(_parameters_answer(error))
    if isinstance(error, HTTPException):
        return _framework_answer(request, error)
    return error_answer(cast("EverrunsError", error))


def _framework_answer(request: Request, error: HTTPException) -> Response:
    # FastAPI wraps whatever reading a body raises.
    if isinstance(error.__cause__, EverrunsError):
        return error_answer(error.__cause__)
    path = request.scope["path"]
    match error.status_code:
        case 404:
            hint = ". The API begins at /v1." if path == "/" else ""
            return error_answer(RouteNotFound(f"There is no route {path}{hint}"))
        case 405:
            return _method_answer(request, path)
        case status if 400 <= status < 500:
            return error_answer(InvalidRequest(str(error.detail)))
        case _:
            return error_answer(EverrunsError(str(error.detail)))


def _method_answer(request: Request, path: str) -> Response:
    allowed = sorted(_allowed_methods(request.app.router.routes, path))
    if not allowed:
        return error_answer(RouteNotFound(f"There is no route {request.method} {path}"))
    methods = ", ".join(allowed)
    message = f"{request.method} is not allowed on {path}. Allowed: {methods}"
    return error_answer(MethodNotAllowed(message), {"Allow": methods})


def _allowed_methods(routes: Sequence[BaseRoute], path: str) -> Iterator[str]:
    """Yield the methods with which a path can succeed."""
    seen: set[str] = set()
    for route in routes:
        if not isinstance(route, Route) or route.methods is None:
            continue
        match = route.path_regex.match(path)
        # The API's undocumented routes refuse every request.
        if match is None or (isinstance(route, APIRoute) and not route.include_in_schema):
            continue
        if all(_can_be(name, value) for name, value in match.groupdict().items()):
            seen |= route.methods
    yield from seen | {"HEAD"} if "GET" in seen else seen


def _can_be(parameter: str, value: str) -> bool:
    """Tell whether a path parameter has the form that its route requires."""
    return parameter not in ID_PARAMETERS or is_id(value, parameter.removesuffix("_id"))


def invalid_request(place: str, problems: Iterable[tuple[str, str]]) -> InvalidRequest:
    """Name each invalid field and the reason.

    Args:
        place: Where the fields are: ``body``, ``query``, ``path`` or ``header``.
        problems: The path of each field, empty for the whole, and what is wrong with it.
    """
    shown = list(islice(problems, SHOWN_PROBLEMS))
    message = "; ".join(f"{field or place}: {words}" for field, words in shown)
    if place == "path":
        return InvalidId(message)
    if place == "query" and shown[0][0] in PLACES:
        return InvalidCursor(message)
    return InvalidRequest(message)


def _parameters_answer(error: RequestValidationError) -> InvalidRequest:
    problems: Sequence[Any] = error.errors()
    place = str(problems[0]["loc"][0])
    named = ((".".join(map(str, problem["loc"][1:])), words_of(problem)) for problem in problems)
    return invalid_request(place, named)


class ErrorBoundary:
    """Reports every failure in our shape.

    It handles what the layers around the routes raise, and every unexpected exception.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        def watched_send(message: Message) -> Awaitable[None]:
            nonlocal has_begun
            has_begun = True
            return send(message)

        try:
            await self._app(scope, receive, watched_send)
        except ClientDisconnect:
            return
        except EverrunsError as error:
            if has_begun:
                raise
            await error_answer(error)(scope, receive, send)
        except Exception:
            request_id = current_ids()["request_id"]
            log.exception("request failed")
            if has_begun:
                raise
            unforeseen = EverrunsError(
                f"The server failed unexpectedly. Its log has the details under {request_id}."
            )
            await error_answer(unforeseen)(scope, receive, send)
