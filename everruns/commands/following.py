"""Following a session's events: each durable one exactly once, across lost connections.

Source: docs/contract.md, "Stream rules".
"""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, cast

from everruns.commands.server import Server
from everruns.errors import EverrunsError, Overloaded, Unavailable
from everruns.providers.event_stream import EventSplitter

# A server sends a heartbeat every ten seconds by default.
SILENCE_S = 60.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
LARGEST_EVENT_BYTES = 64 * 1024 * 1024


def _ignore(_reason: str = "") -> None:
    pass


async def follow(
    server: Server,
    session_id: str,
    after: int | None = None,
    types: Sequence[str] = (),
    exclude: Sequence[str] = (),
    interrupted: Callable[[str], None] = _ignore,
    connected: Callable[[], None] = _ignore,
) -> AsyncGenerator[dict[str, Any]]:
    """Yield a session's events as they come, until the session is deleted.

    While the server cannot be reached, it is tried again and again. Deltas can come again after
    that, from the beginning of their message: ``text = text[:offset] + delta``.

    Args:
        server: The session's server.
        session_id: The session.
        after: The sequence of the last event that was seen; 0 for all events; ``None`` to begin at
            the newest message of the user.
        types: Only events of these types.
        exclude: No events of these types.
        interrupted: Told why, each time that the connection is lost.
        connected: Told each time that the server has begun to answer.

    Yields:
        The events as the server sends them; those without ``sequence`` are not stored.

    Raises:
        NotFound: There is no such session, or it was deleted.
        EverrunsError: The server refuses. What may pass by itself is not raised.
    """
    seen, pause_s = after, FIRST_PAUSE_S
    while True:
        try:
            connection = _connect(server, session_id, seen, types, exclude, connected)
            async with aclosing(connection) as events:
                async for event in events:
                    pause_s = FIRST_PAUSE_S
                    sequence: int | None = event.get("sequence")
                    if sequence is not None:
                        if seen is not None and sequence <= seen:
                            continue
                        seen = sequence
                    yield event
        except (Unavailable, Overloaded) as error:
            interrupted(error.message)
        # At its own time: the other readers of a server that starts again come back as well.
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _connect(
    server: Server,
    session_id: str,
    after: int | None,
    types: Sequence[str],
    exclude: Sequence[str],
    connected: Callable[[], None],
) -> AsyncGenerator[dict[str, Any]]:
    """Yield what one connection brings; it ends when the server asks to connect again."""
    splitter = EventSplitter()
    async with server.stream(
        "GET",
        f"/v1/sessions/{session_id}/events",
        query={
            "after_sequence": after,
            "types": ",".join(types) or None,
            "exclude": ",".join(exclude) or None,
        },
        headers={"Accept": "text/event-stream"},
        silence_s=SILENCE_S,
    ) as answer:
        connected()
        async for piece in answer.aiter_bytes():
            for data in splitter.feed(piece):
                event = _event_of(data)
                if event is not None:
                    yield event
            if splitter.unfinished_bytes > LARGEST_EVENT_BYTES:
                raise EverrunsError(f"{server.address} sends an event larger than 64 MB.")


def _event_of(data: bytes) -> dict[str, Any] | None:
    """Return an event; ``None`` for what the server says about the connection."""
    try:
        read: Any = json.loads(data)
    except ValueError:
        raise Unavailable("The server's stream cannot be read.") from None
    if isinstance(read, dict) and "type" in read:
        return cast("dict[str, Any]", read)
    return None
