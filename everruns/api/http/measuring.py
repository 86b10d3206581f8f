"""What the API measures of its requests and streams."""

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Scope

from everruns.api.http.errors import ERROR_CODE
from everruns.api.http.sse import OpenStreams
from everruns.errors import CapacityExhausted, Overloaded, StoreOverloaded
from everruns.telemetry.labels import error_label, method_label
from everruns.telemetry.meters import OTHER, Meters
from everruns.telemetry.metrics import HTTP_ERRORS, HTTP_REQUESTS, STREAMS_OPEN


class AnswerMeters:
    """Count answers when they begin: a stream may last for hours.

    Args:
        meters: Take what is measured.
    """

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        for error in (Overloaded, StoreOverloaded, CapacityExhausted):
            meters.begin(HTTP_ERRORS, error.code)

    def count(self, scope: Scope, status: int) -> None:
        """Count the answer to a request, which begins with this status."""
        route = scope.get("route")
        # What is refused before it is routed has no template, and its path is the client's.
        template = route.path if isinstance(route, APIRoute) else OTHER
        method = method_label(scope["method"])
        self._meters.add(HTTP_REQUESTS, template, method, f"{status // 100}xx")
        if (code := scope.get(ERROR_CODE)) is not None:
            self._meters.add(HTTP_ERRORS, error_label(code))


def refresh_gauges(app: FastAPI) -> None:
    """Set the gauges of an application."""
    meters: Meters = app.state.meters
    open_streams: OpenStreams = app.state.open_streams
    meters.set(STREAMS_OPEN, len(open_streams))
