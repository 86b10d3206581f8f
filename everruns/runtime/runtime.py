"""The runtime as the edge sees it: send, cancel, delete, stream.

It finds the host that holds a session, asks it, and asks again elsewhere when the session has
moved. Whether hosts are objects in this process or actors on a cluster is decided by what it is
given (see ``everruns.runtime.local`` and ``actors.runtime``).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import structlog

from everruns.domain.events import EventType
from everruns.domain.idempotency import Idempotency
from everruns.domain.messages import Message, SendMessage
from everruns.errors import (
    HostLost,
    PlacedElsewhere,
    SequenceConflict,
    SessionNotFound,
    SessionUnreadable,
    Unavailable,
)
from everruns.registry.registry import Registry
from everruns.runtime.cursor import Cursor
from everruns.runtime.host import SessionHost
from everruns.runtime.streams import Batch, FindHost, Streams
from everruns.runtime.waiting import Given, Taken, not_waiting
from everruns.storage.base import EventQuery

PATIENCE_S = 30.0
RETRY_S = 0.05
# About 200 bytes each.
REMEMBERED_PLACES = 20_000

Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)


class Runtime:
    """Sessions, wherever they are held.

    Args:
        registry: The registry, or what stands for it.
        find_host: Returns a session host by its name.

    Attributes:
        registry: Agents, providers and sessions as resources.
    """

    def __init__(self, registry: Registry, find_host: FindHost) -> None:
        self.registry = registry
        self._find_host = find_host
        self._places: dict[str, str] = {}
        self._streams = Streams(self._place, self._forget, find_host)

    async def send(
        self, session_id: str, sent: SendMessage, idempotency: Idempotency | None = None
    ) -> Message:
        """Store a user message; a turn reads it, the one that runs or a new one.

        Raises:
            SessionNotFound: There is no such session.
            IdempotencyKeyReused: The key came with another body before.
            Overloaded: The running turn has too many messages yet to read.
            CapacityExhausted: Every session actor is full.
            Unavailable: The session's host did not answer in time. Sending again is safe with an
                ``Idempotency-Key``.
        """
        # With a key of our own a send can be repeated when its host was lost in the middle of it.
        keyed = idempotency or Idempotency.of_call()
        return await self._ask(session_id, lambda host, _: host.send(session_id, sent, keyed))

    async def take(self, session_id: str, given: Given) -> Taken:
        """Store what the session's turn waits for: results, answers to questions, or approvals.

        What is stored already is taken again and changes nothing.

        Raises:
            Conflict: Something else is stored in its place.
            NotWaiting: The session does not wait for such.
            InvalidRequest: It does not fit what was asked.
            SessionNotFound: There is no such session.
            Unavailable: The session's host did not answer in time.
        """
        session = await self.registry.sessions.get(session_id)
        if session.status == "started":
            raise not_waiting(session_id, given)
        return await self._ask(
            session_id,
            lambda host, is_repeated: host.take(session_id, given, is_repeated=is_repeated),
        )

    async def cancel(self, session_id: str, reason: str | None = None) -> bool:
        """End the session's turn now; return whether there was one to end.

        Raises:
            SessionNotFound: There is no such session.
            Unavailable: The session's host did not answer in time.
        """
        session = await self.registry.sessions.get(session_id)
        if session.status in {"started", "idle"}:
            return False
        # The turn is named, so that a repeat ends no later one.
        begun = EventQuery(types=(EventType.SESSION_STARTED,), newest_first=True, limit=1)
        (last,) = await self.registry.sessions.events(session_id, begun)
        turn_id = last.data["turn_id"]
        return await self._ask(
            session_id,
            lambda host, is_repeated: host.cancel(
                session_id, turn_id, reason, is_repeated=is_repeated
            ),
        )

    async def delete_session(self, session_id: str) -> None:
        """Delete a session: end its turn and its streams, free all it held.

        Raises:
            SessionNotFound: There is no such session.
            Unavailable: The session's host did not answer in time.
        """
        await self.registry.sessions.get(session_id)
        try:
            if await self.registry.sessions.holder(session_id) is None:
                await self.registry.sessions.delete(session_id)
            else:
                await self._delete_held(session_id)
        except SessionNotFound:
            # It was there a moment ago: deleted meanwhile, perhaps by a call thought lost.
            log.info("session was deleted already", session_id=session_id)
        self._forget(session_id)

    async def _delete_held(self, session_id: str) -> None:
        try:
            await self._ask(session_id, lambda host, _: host.delete(session_id))
        except SessionUnreadable:
            # No host can hold it, so there is nothing to end.
            await self.registry.sessions.delete(session_id)

    async def stream(self, session_id: str, cursor: Cursor) -> AsyncIterator[Batch]:
        """Begin to read a session from a cursor on.

        Returns:
            Batches of events and deltas; it ends only when the session is deleted. Close it
            (``aclose``) when the reader has gone.

        Raises:
            SessionNotFound: There is no such session.
            Unavailable: The session cannot be placed now.
        """
        return await self._streams.open(session_id, cursor)

    async def ready(self) -> None:
        """Return when requests can be served.

        Raises:
            Unavailable: The registry or its store does not answer.
        """
        await self.registry.ready()

    async def _ask(
        self, session_id: str, ask: Callable[[SessionHost, bool], Awaitable[Answer]]
    ) -> Answer:
        """Ask the session's host, and again when it was lost; ``ask`` learns which it is."""
        is_repeated = False
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            try:
                host = await self._find_host(await self._place(session_id))
                return await ask(host, is_repeated)
            except (PlacedElsewhere, HostLost, SequenceConflict) as error:
                is_repeated = is_repeated or isinstance(error, HostLost)
                self._forget(session_id)
                if asyncio.get_running_loop().time() > deadline:
                    raise Unavailable(
                        "The session is moving. Try again shortly.", None, 1.0
                    ) from None
                await asyncio.sleep(RETRY_S)

    async def _place(self, session_id: str) -> str:
        if name := self._places.get(session_id):
            return name
        name = await self.registry.sessions.place(session_id)
        if len(self._places) >= REMEMBERED_PLACES:
            # The oldest alone: all at once would make every session be looked for anew.
            del self._places[next(iter(self._places))]
        self._places[session_id] = name
        return name

    def _forget(self, session_id: str) -> None:
        self._places.pop(session_id, None)
