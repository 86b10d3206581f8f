"""The log of requests: an id for each, a count when its answer begins, and a line when it ends."""

import re
import time
from collections.abc import Awaitable, Mapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everruns.api.http.auth import principal_of
from everruns.api.http.measuring import AnswerMeters
from everruns.ids import is_id, new_id
from everruns.log import working_on
from everruns.telemetry.meters import Meters

# Serve gives every request an id, in this header, unless its client has; it is on the answer too.
HEADER = b"x-request-id"
# A client may name a request, but not write into the log.
_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
# Where the status of an answer that has begun is noted in its request's scope.
_STATUS = "everruns.status"
# Asked every second by whoever watches over the process.
_QUIET_PATHS = frozenset({"/health", "/ready"})

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class RequestLog:
    """Gives whatever is logged for a request its id, counts its answer, and logs how it ended.

    All three are in one layer, since each layer of an application costs every request.

    Args:
        app: The application that responds.
        meters: Take what is measured.
        has_lines: Whether a line is logged for each request.
    """

    def __init__(self, app: ASGIApp, meters: Meters, *, has_lines: bool) -> None:
        self._app = app
        self._answers = AnswerMeters(meters)
        self._has_lines = has_lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        def noting_send(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                scope[_STATUS] = message["status"]
                self._answers.count(scope, message["status"])
            return send(message)

        with working_on({"request_id": request_id(scope)}):
            try:
                await self._app(scope, receive, noting_send)
            finally:
                if self._has_lines and not _is_quiet(scope):
                    duration_ms = round((time.perf_counter() - began) * 1000, 1)
                    log.info("request", **_fields(scope), duration_ms=duration_ms)


def request_id(scope: Scope) -> str:
    """Return the id that a request came with, if it looks like one, or a new one."""
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    given = headers.get(HEADER, b"")
    return given.decode() if _ID.fullmatch(given) else new_id("request")


def route_of(scope: Scope) -> str | None:
    """Return the path of the route that serves a request, with names for what varies in it."""
    return getattr(scope.get("route"), "path", None)


def _is_quiet(scope: Scope) -> bool:
    return scope["path"] in _QUIET_PATHS and scope.get(_STATUS) == 200


def _fields(scope: Scope) -> dict[str, Any]:
    """Return what the line has of the request itself: nothing that its sender has worded."""
    fields = {"method": scope["method"], "route": route_of(scope)}
    if (status := scope.get(_STATUS)) is not None:
        fields["status"] = status
    session_id = scope.get("path_params", {}).get("session_id", "")
    if is_id(session_id, "session"):
        fields["session_id"] = session_id
    if (key_id := principal_of(scope).key_id) is not None:
        fields["key_id"] = key_id
    return fields
