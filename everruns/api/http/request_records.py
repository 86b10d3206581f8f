"""What is known of requests: how often they are answered and how, in metrics and in lines."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Scope

from everruns.api.http.auth import principal_of
from everruns.api.http.errors import ERROR_CODE
from everruns.api.http.sse import OpenStreams
from everruns.errors import CapacityExhausted, Overloaded, StoreOverloaded
from everruns.gathering import Gathering
from everruns.ids import is_id
from everruns.telemetry.labels import error_label, method_label
from everruns.telemetry.meters import OTHER, Meters
from everruns.telemetry.metrics import HTTP_ERRORS, HTTP_REQUESTS, STREAMS_OPEN

# Asked every second by whoever watches over the process.
_QUIET_PATHS = frozenset({"/health", "/ready"})

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Answered(NamedTuple):
    """A request that was answered, or whose client has gone.

    Attributes:
        request_id: Its id.
        scope: What the application knows of it.
        status: The answer's; ``None`` if none had begun.
        duration_s: How long it took.
    """

    request_id: str
    scope: Scope
    status: int | None
    duration_s: float


class RequestRecords:
    """Counts answers when they begin, since a stream may last for hours, and logs how they ended.

    Args:
        meters: Take what is measured.
        has_lines: Whether a line is logged for each request.
    """

    def __init__(self, meters: Meters, *, has_lines: bool) -> None:
        self._meters = meters
        self._has_lines = has_lines
        self._begun = Gathering[tuple[Scope, int]](self._count)
        self._ended = Gathering[Answered](self._log)
        for error in (Overloaded, StoreOverloaded, CapacityExhausted):
            meters.begin(HTTP_ERRORS, error.code)

    def begun(self, scope: Scope, status: int) -> None:
        """Take note of an answer that begins."""
        self._begun.add((scope, status))

    def ended(self, request_id: str, scope: Scope, status: int | None, began_s: float) -> None:
        """Take note of a request that has ended.

        Args:
            request_id: Its id.
            scope: What the application knows of it.
            status: The answer's; ``None`` if none had begun.
            began_s: When it came, by ``time.perf_counter``.
        """
        if self._has_lines and (status != 200 or scope["path"] not in _QUIET_PATHS):
            duration_s = time.perf_counter() - began_s
            self._ended.add(Answered(request_id, scope, status, duration_s))

    def settle(self) -> None:
        """Count and log what has happened up to now."""
        self._begun.settle()
        self._ended.settle()

    def _count(self, begun: Sequence[tuple[Scope, int]]) -> None:
        for scope, status in begun:
            route = scope.get("route")
            # What is refused before it is routed has no template, and its path is the client's.
            template = route.path if isinstance(route, APIRoute) else OTHER
            method = method_label(scope["method"])
            self._meters.add(HTTP_REQUESTS, template, method, f"{status // 100}xx")
            if (code := scope.get(ERROR_CODE)) is not None:
                self._meters.add(HTTP_ERRORS, error_label(code))

    def _log(self, ended: Sequence[Answered]) -> None:
        for answered in ended:
            log.info("request", **_fields(answered))


def _fields(answered: Answered) -> dict[str, Any]:
    """Return what the line has of a request: nothing that its sender has worded."""
    scope = answered.scope
    fields = {
        "request_id": answered.request_id,
        "method": scope["method"],
        # With names for what varies in the path.
        "route": getattr(scope.get("route"), "path", None),
        "duration_ms": round(answered.duration_s * 1000, 1),
    }
    if answered.status is not None:
        fields["status"] = answered.status
    session_id = scope.get("path_params", {}).get("session_id", "")
    if is_id(session_id, "session"):
        fields["session_id"] = session_id
    if (key_id := principal_of(scope).key_id) is not None:
        fields["key_id"] = key_id
    return fields


def refresh_meters(app: FastAPI) -> None:
    """Bring the meters of an application up to date, before somebody takes what they have."""
    requests: RequestRecords = app.state.requests
    requests.settle()
    meters: Meters = app.state.meters
    open_streams: OpenStreams = app.state.open_streams
    meters.set(STREAMS_OPEN, len(open_streams))
