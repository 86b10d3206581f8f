"""What the API measures of its requests and streams."""

from collections.abc import Awaitable

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everruns.api.http.errors import ERROR_CODE
from everruns.api.http.sse import OpenStreams
from everruns.errors import CapacityExhausted, Overloaded, StoreOverloaded
from everruns.telemetry.labels import error_label, method_label
from everruns.telemetry.meters import OTHER, Meters
from everruns.telemetry.metrics import HTTP_ERRORS, HTTP_REQUESTS, STREAMS_OPEN

STATUS = "everruns.status"
"""Where the status of an answer that has begun is noted in its request's scope."""


class Measuring:
    """Counts answers when they begin, and notes their status: a stream may last for hours.

    Args:
        app: The layers below.
        meters: Take what is measured.
    """

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters
        for error in (Overloaded, StoreOverloaded, CapacityExhausted):
            meters.begin(HTTP_ERRORS, error.code)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        def counting_send(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                scope[STATUS] = message["status"]
                self._count(scope, message["status"])
            return send(message)

        await self._app(scope, receive, counting_send)

    def _count(self, scope: Scope, status: int) -> None:
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
