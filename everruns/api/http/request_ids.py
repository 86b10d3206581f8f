"""The outermost layer of the application, which gives each request an id."""

import re
import time
from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everruns.api.http.request_records import RequestRecords
from everruns.ids import new_id
from everruns.log import working_on

# Serve gives every request an id, in this header, unless its client has; it is on the answer too.
HEADER = b"x-request-id"
# A client may name a request, but not write into the log.
_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
# Where the status of an answer that has begun is noted in its request's scope.
_STATUS = "everruns.status"


class RequestIds:
    """Gives whatever is logged for a request its id, and notes how the request is answered.

    Args:
        app: The application that responds.
        records: Take note.
    """

    def __init__(self, app: ASGIApp, records: RequestRecords) -> None:
        self._app = app
        self._records = records

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()
        own_id = request_id(scope)

        def noting_send(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                scope[_STATUS] = message["status"]
                self._records.begun(scope, message["status"])
            return send(message)

        with working_on({"request_id": own_id}):
            try:
                await self._app(scope, receive, noting_send)
            finally:
                self._records.ended(own_id, scope, scope.get(_STATUS), began_s)


def request_id(scope: Scope) -> str:
    """Return the id that a request came with, if it looks like one, or a new one."""
    for name, value in scope["headers"]:
        if name == HEADER and _ID.fullmatch(value):
            given: bytes = value
            return given.decode()
    return new_id("request")
