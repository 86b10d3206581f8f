"""The log of requests: an id for each, and one line when it has been answered."""

import re
import time
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from everruns.api.http.auth import principal_of
from everruns.api.http.measuring import STATUS
from everruns.ids import is_id, new_id
from everruns.log import working_on

# Serve gives every request an id, in this header, unless its client has; it is on the answer too.
HEADER = b"x-request-id"
# A client may name a request, but not write into the log.
_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
# Asked every second by whoever watches over the process.
_QUIET_PATHS = frozenset({"/health", "/ready"})

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class RequestLog:
    """Gives whatever is logged for a request its id, and logs how the request ended.

    Args:
        app: The application that responds, and notes the status (``Measuring``).
        has_lines: Whether a line is logged for each request.
    """

    def __init__(self, app: ASGIApp, *, has_lines: bool) -> None:
        self._app = app
        self._has_lines = has_lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with working_on({"request_id": request_id(scope)}):
            if self._has_lines:
                await self._serve_and_log(scope, receive, send)
            else:
                await self._app(scope, receive, send)

    async def _serve_and_log(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        finally:
            if scope["path"] not in _QUIET_PATHS or scope.get(STATUS) != 200:
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


def _fields(scope: Scope) -> dict[str, Any]:
    """Return what the line has of the request itself: nothing that its sender has worded."""
    fields = {"method": scope["method"], "route": route_of(scope)}
    if (status := scope.get(STATUS)) is not None:
        fields["status"] = status
    session_id = scope.get("path_params", {}).get("session_id", "")
    if is_id(session_id, "session"):
        fields["session_id"] = session_id
    if (key_id := principal_of(scope).key_id) is not None:
        fields["key_id"] = key_id
    return fields
