"""Connections of an API replica: little waits in one, and the application can drop one.

Serve's replicas take HTTP with uvicorn, and offer neither as a setting. A client that reads nothing
would otherwise hold megabytes in the kernel for each stream, and keep its connection after its
stream has ended, since uvicorn closes a connection only when the client has taken the rest.
"""

import asyncio
import socket
from functools import wraps
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from everruns.api.http.progress import SLICE_BYTES
from everruns.api.http.sse import ABORT

# The kernel doubles this to make room for its own bookkeeping.
SEND_BUFFER_BYTES = SLICE_BYTES


def bound_connections() -> None:
    """Bound what waits in this process's connections, and let requests abort their own.

    uvicorn has no hook for this, so its methods are wrapped, in this process alone.
    """
    connection_made = HttpToolsProtocol.connection_made
    on_message_begin = HttpToolsProtocol.on_message_begin

    @wraps(connection_made)
    def bounded(self: HttpToolsProtocol, transport: asyncio.Transport) -> None:  # type: ignore[override]
        connection_made(self, transport)
        connected: socket.socket | None = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        transport.set_write_buffer_limits(high=SLICE_BYTES)

    @wraps(on_message_begin)
    def abortable(self: HttpToolsProtocol) -> None:
        on_message_begin(self)
        scope = cast("dict[str, Any]", self.scope)
        scope["extensions"] = {**scope.get("extensions", {}), ABORT: self.transport.abort}

    HttpToolsProtocol.connection_made = bounded
    HttpToolsProtocol.on_message_begin = abortable
