"""Unread bodies: a response that does not need the body does not wait for it."""

import asyncio
from collections.abc import Awaitable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Enough for a client that sends as fast as it can, so that its connection stays usable.
PATIENCE_S = 1.0


class UnreadBodies:
    """Closes a connection whose request was answered before its body arrived.

    Otherwise the server and the proxy in front would wait for the rest, however slow it is.

    Args:
        app: The application that responds.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers: dict[bytes, bytes] = dict(scope["headers"]) if scope["type"] == "http" else {}
        if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        body = _Body(receive)
        # A client that waits for "100 Continue" is not asked for a body that nobody reads.
        patience_s = 0.0 if b"expect" in headers else PATIENCE_S

        async def close_if_unread(message: Message) -> None:
            if not await body.is_read(patience_s):
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        def send_and_close(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start" and not body.has_ended:
                return close_if_unread(message)
            return send(message)

        await self._app(scope, body.receive, send_and_close)


class _Body:
    """How much of a request's body has arrived.

    Attributes:
        has_ended: Whether all of it has.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.has_ended = False

    async def receive(self) -> Message:
        """Return the next message, and note the last one of the body."""
        message = await self._receive()
        self.has_ended |= not message.get("more_body", False)
        return message

    async def is_read(self, patience_s: float) -> bool:
        """Tell whether the whole body arrives within this time, discarding it."""
        if patience_s and not self.has_ended:
            try:
                async with asyncio.timeout(patience_s):
                    while not self.has_ended:
                        await self.receive()
            except TimeoutError:
                pass
        return self.has_ended
