"""Sessions as the edge sees them: stored by the registry, and live on some host."""

from collections.abc import AsyncIterator

import structlog

from everruns.address import MeetHost
from everruns.domain.approvals import OPERATOR, Decider
from everruns.domain.controls import Controls
from everruns.domain.events import EventType
from everruns.domain.idempotency import Idempotency
from everruns.domain.messages import Message, SendMessage
from everruns.domain.model_context import ModelContext
from everruns.domain.retries import RetriedTurn
from everruns.domain.sessions import Session, SessionPatch
from everruns.domain.state import fold
from everruns.domain.waits import ASKING, with_arguments
from everruns.errors import CapacityExhausted, SessionNotFound, SessionUnreadable
from everruns.ids import parse_time
from everruns.registry.logs import LoadedSession
from everruns.registry.registry import Registry
from everruns.runtime.external_input import Accepted
from everruns.runtime.feed.batch import Batch
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.feed.streams import FindHost, Streams
from everruns.runtime.routes import Routes
from everruns.runtime.submission import ExternalInput, not_waiting
from everruns.storage.logs import EventQuery

log = structlog.get_logger(__name__)


class RoutedSessions:
    """Sessions: stored by the registry, and routed to the host that holds them where they live.

    Args:
        registry: The registry or its stub.
        find_host: Returns a session host by its name.
        meet_host: Called with the address of a session host, before that is found by its name.

    Attributes:
        create: Creates a session; see ``registry.sessions.Sessions``, as for the next one.
        list: Returns a page of sessions.
        count_by_agent: Returns how many sessions agents have.
        fork: Creates a session with the history of another one; see ``registry.forks.Forks``.
        get: Returns a session as it is stored; see ``registry.logs.Logs``, as for the next three.
        messages: Returns a page of a session's messages.
        events: Returns events of a session's log.
        superseded: Returns what retries took out of a session's conversation.
    """

    def __init__(
        self, registry: Registry, find_host: FindHost, meet_host: MeetHost | None = None
    ) -> None:
        self.create = registry.sessions.create
        self.fork = registry.forks.create
        self.list = registry.sessions.list
        self.count_by_agent = registry.sessions.count_by_agent
        self.get = registry.logs.get
        self.messages = registry.logs.messages
        self.events = registry.logs.events
        self.superseded = registry.logs.superseded
        self._registry = registry
        self._routes = Routes(registry, find_host, meet_host)
        self._streams = Streams(self._routes.place, self._routes.forget, find_host)

    async def send(
        self,
        session_id: str,
        sent: SendMessage,
        idempotency: Idempotency | None = None,
        traceparent: str | None = None,
    ) -> Message:
        """Store a user message; the running turn or a new one reads it.

        Args:
            session_id: The session.
            sent: The message.
            idempotency: Gives a retry of the call the message of the first attempt.
            traceparent: The trace context of the request, if it had one.

        Raises:
            SessionNotFound: The session does not exist.
            IdempotencyKeyReused: The key was used with a different body.
            InvalidRequest: The model does not take one of the controls, or nobody offers the model
                that they name (``UnknownModel``).
            Overloaded: The running turn has too many unread messages.
            CapacityExhausted: Every session actor is full.
            Unavailable: The session's host did not answer in time. A retry is safe with an
                ``Idempotency-Key``.
        """
        # A key of our own makes a send retryable if its host is lost in the middle of it.
        keyed = idempotency or Idempotency.of_call()
        loaded: LoadedSession | None = None

        async def place() -> str:
            nonlocal loaded
            name, loaded = await self._routes.place_loaded(session_id)
            return name

        return await self._routes.call(
            session_id,
            lambda host, _: host.send(session_id, sent, keyed, loaded, traceparent),
            place,
        )

    async def retry(
        self,
        session_id: str,
        wanted: Controls | None,
        idempotency: Idempotency | None = None,
        traceparent: str | None = None,
    ) -> RetriedTurn:
        """Start the session's last turn again with the same input.

        Args:
            session_id: The session.
            wanted: Options for its answers, instead of those of the user's message.
            idempotency: Gives a retry of the call the turn of the first attempt.
            traceparent: The trace context of the request, if it had one.

        Raises:
            SessionNotFound: The session does not exist.
            Conflict: A turn is open, or there is none to retry.
            IdempotencyKeyReused: The key was used with a different body.
            InvalidRequest: The model does not take one of the controls, or nobody offers it.
            Unavailable: The session's host did not answer in time. A retry is safe with an
                ``Idempotency-Key``.
        """
        keyed = idempotency or Idempotency.of_call()
        return await self._routes.call(
            session_id, lambda host, _: host.retry(session_id, wanted, keyed, traceparent)
        )

    async def take(self, session_id: str, given: ExternalInput, by: Decider = OPERATOR) -> Accepted:
        """Store input that the session's turn waits for: results, answers or approvals.

        Input that is already stored is accepted again and changes nothing.

        Args:
            session_id: The session.
            given: The input.
            by: Who gives it.

        Raises:
            NotWaiting: The session is not waiting for this yet.
            CallClosed: A call got its result in another way, and takes no more input.
            Conflict: Different input is stored in its place.
            MayNotDecide: Somebody else decides about the call.
            InvalidRequest: It does not match what was requested.
            SessionNotFound: The session does not exist.
            Unavailable: The session's host did not answer in time.
        """
        session = await self.get(session_id)
        if session.status == "started":
            raise not_waiting(session_id, given)
        return await self._routes.call(
            session_id,
            lambda host, is_repeated: host.take(session_id, given, by, is_repeated=is_repeated),
        )

    async def cancel(self, session_id: str, reason: str | None = None) -> bool:
        """End the session's turn now; return whether a turn was open.

        Raises:
            SessionNotFound: The session does not exist.
            Unavailable: The session's host did not answer in time.
        """
        session = await self.get(session_id)
        if session.status in {"started", "idle"}:
            return False
        # The turn is named, so that a retry does not end a later one.
        begun = EventQuery(types=(EventType.SESSION_STARTED,), newest_first=True, limit=1)
        (last,) = await self.events(session_id, begun)
        turn_id = last.data["turn_id"]
        return await self._routes.call(
            session_id,
            lambda host, is_repeated: host.cancel(
                session_id, turn_id, reason, is_repeated=is_repeated
            ),
        )

    async def update(self, session_id: str, patch: SessionPatch) -> Session:
        """Change a session; each later step of its turn sees the change.

        Raises:
            SessionNotFound: The session does not exist.
            InvalidRequest: A model or capability that it names is not offered, or the model does
                not take one of the controls.
            TooLarge: Its total size would be over the limit.
            Unavailable: The session's host did not answer in time. The change is stored; a retry
                is safe.
        """
        session = await self._registry.sessions.update(session_id, patch)
        # A session that nobody holds, or that is loaded from now on, is read with the change.
        if await self._registry.hosting.holder(session_id) is not None:
            try:
                await self._routes.call(session_id, lambda host, _: host.refresh(session_id))
            except SessionUnreadable:
                # No host can hold it, so no step of it comes.
                log.info("unreadable session was changed", session_id=session_id)
        return session

    async def delete(self, session_id: str) -> None:
        """Delete a session: end its turn and its streams, and free its resources.

        Raises:
            SessionNotFound: The session does not exist.
            Unavailable: The session's host did not answer in time.
        """
        session = await self.get(session_id)
        try:
            is_at_rest = session.status in {"started", "idle"}
            if is_at_rest and await self._registry.hosting.holder(session_id) is None:
                await self._registry.sessions.delete(session_id)
            else:
                await self._delete_held(session_id)
        except SessionNotFound:
            # It existed a moment ago and was deleted since, perhaps by a call considered lost.
            log.info("session was deleted already", session_id=session_id)
        self._routes.forget(session_id)

    async def _delete_held(self, session_id: str) -> None:
        try:
            await self._routes.call(session_id, lambda host, _: host.delete(session_id))
        except (SessionUnreadable, CapacityExhausted):
            # No host can hold it, so there is nothing to end, or nobody who could.
            await self._registry.sessions.delete(session_id)

    async def stream(self, session_id: str, cursor: Cursor) -> AsyncIterator[Batch]:
        """Start to read a session from a cursor.

        Returns:
            Batches of events and deltas; it ends only when the session is deleted. Close it
            (``aclose``) when the reader has gone.

        Raises:
            SessionNotFound: The session does not exist.
            Unavailable: The session cannot be placed now.
        """
        return await self._streams.open(session_id, cursor)

    async def context(self, session_id: str, offset: int | None, limit: int) -> ModelContext:
        """Return what a session's model would be shown at its next call; see its host.

        Raises:
            Conflict: No offered model is named, and there is no default.
            InvalidRequest: The model does not take one of the controls.
            SessionNotFound: The session does not exist.
            Unavailable: The session's host did not answer in time.
        """
        return await self._routes.call(
            session_id, lambda host, _: host.context(session_id, offset, limit)
        )

    async def with_waits(self, session: Session) -> Session:
        """Return a session that shows the arguments of the calls it waits for.

        Only the events that ask are read, from the first call that is open on.

        Args:
            session: The session as it is stored.

        Raises:
            SessionNotFound: It was deleted meanwhile.
        """
        waits = session.waiting_for
        if not waits and session.status == "waitingfortoolresults":
            # It has waited since before summaries said for what.
            turn = fold(session.id, await self.events(session.id, EventQuery())).turn
            waits = turn.waiting_for if turn else []
        if not waits:
            return session
        since_ms = min(parse_time(wait.since) for wait in waits)
        asking = EventQuery(types=ASKING, since_ms=since_ms)
        events = await self.events(session.id, asking)
        return session.model_copy(update={"waiting_for": with_arguments(waits, events)})
