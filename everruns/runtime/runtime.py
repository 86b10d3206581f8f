"""The product as the edge sees it: agents, sessions and all else, wherever they are kept.

What is stored is the registry's. A call that concerns a live session goes to the host that holds
it, and to another one if the session has moved. Registry and hosts are objects in this process or
stubs of actors on a cluster (see ``everruns.runtime.local`` and ``actors.runtime``).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import structlog

from everruns.address import MeetHost
from everruns.domain.approvals import OPERATOR, Decider
from everruns.domain.controls import Controls
from everruns.domain.events import EventType
from everruns.domain.idempotency import Idempotency
from everruns.domain.messages import Message, SendMessage
from everruns.domain.retries import RetriedTurn
from everruns.domain.sessions import Session, SessionPatch
from everruns.domain.state import fold
from everruns.domain.waits import ASKING, with_arguments
from everruns.errors import (
    CapacityExhausted,
    HostLost,
    PlacedElsewhere,
    SequenceConflict,
    SessionNotFound,
    SessionUnreadable,
    Unavailable,
)
from everruns.ids import parse_time
from everruns.registry.hosting import Location
from everruns.registry.logs import LoadedSession
from everruns.registry.registry import Registry
from everruns.runtime.external_input import Accepted, ExternalInput, not_waiting
from everruns.runtime.feed.batch import Batch
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.feed.streams import FindHost, Streams
from everruns.runtime.host import SessionHost
from everruns.storage.logs import EventQuery

# The usual client gives up after half a minute, and is to be told before.
PATIENCE_S = 15.0
RETRY_S = 0.05
# About 200 bytes each.
REMEMBERED_PLACES = 20_000

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class Runtime:
    """Everything that a client can ask for, one attribute for each kind of resource.

    Args:
        registry: The registry or its stub.
        find_host: Returns a session host by its name.
        meet_host: Called with the address of a session host, before that is found by its name.

    Attributes:
        registry: What the attributes below are made of, for the product's own processes.
        sessions: Sessions with their messages, events and turns.
        agents: Agents.
        providers: Providers and the models that they offer.
        mcp_servers: The catalogue of MCP servers.
        mcp_authorizations: Who has authorized this deployment at them.
        workspaces: Workspaces.
        files: The files of workspaces.
        budgets: Budgets and their ledgers.
        keys: API keys.
    """

    def __init__(
        self, registry: Registry, find_host: FindHost, meet_host: MeetHost | None = None
    ) -> None:
        self.registry = registry
        self.sessions = RoutedSessions(registry, find_host, meet_host)
        self.agents = registry.agents
        self.providers = registry.providers
        self.mcp_servers = registry.mcp_servers
        self.mcp_authorizations = registry.mcp_authorizations
        self.workspaces = registry.workspaces
        self.files = registry.files
        self.budgets = registry.budgets
        self.keys = registry.keys

    async def ready(self) -> None:
        """Check that requests can be served.

        Raises:
            Unavailable: The registry or its store does not answer.
        """
        await self.registry.ready()


class RoutedSessions:
    """Sessions: stored by the registry, and routed to the host that holds them where they live.

    Args:
        registry: The registry or its stub.
        find_host: Returns a session host by its name.
        meet_host: Called with the address of a session host, before that is found by its name.

    Attributes:
        create: Creates a session; see ``registry.sessions.Sessions``, as for the next one.
        list: Returns a page of sessions.
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
        self.get = registry.logs.get
        self.messages = registry.logs.messages
        self.events = registry.logs.events
        self.superseded = registry.logs.superseded
        self.registry = registry
        self._find_host = find_host
        self._meet_host = meet_host
        self._places: dict[str, str] = {}
        self._streams = Streams(self._place, self._forget, find_host)

    async def send(
        self, session_id: str, sent: SendMessage, idempotency: Idempotency | None = None
    ) -> Message:
        """Store a user message; the running turn or a new one reads it.

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
            loaded = None
            if name := self._places.get(session_id):
                return name
            location, loaded = await self.registry.hosting.place_loaded(session_id)
            return self._remember(session_id, location)

        return await self._ask(
            session_id, lambda host, _: host.send(session_id, sent, keyed, loaded), place
        )

    async def retry(
        self, session_id: str, wanted: Controls | None, idempotency: Idempotency | None = None
    ) -> RetriedTurn:
        """Start the session's last turn again with the same input.

        Args:
            session_id: The session.
            wanted: Options for its answers, instead of those of the user's message.
            idempotency: Gives a retry of the call the turn of the first attempt.

        Raises:
            SessionNotFound: The session does not exist.
            Conflict: A turn is open, or there is none to retry.
            IdempotencyKeyReused: The key was used with a different body.
            InvalidRequest: The model does not take one of the controls, or nobody offers it.
            Unavailable: The session's host did not answer in time. A retry is safe with an
                ``Idempotency-Key``.
        """
        keyed = idempotency or Idempotency.of_call()
        return await self._ask(session_id, lambda host, _: host.retry(session_id, wanted, keyed))

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
        return await self._ask(
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
        return await self._ask(
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
        session = await self.registry.sessions.update(session_id, patch)
        # A session that nobody holds, or that is loaded from now on, is read with the change.
        if await self.registry.hosting.holder(session_id) is not None:
            try:
                await self._ask(session_id, lambda host, _: host.refresh(session_id))
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
            if is_at_rest and await self.registry.hosting.holder(session_id) is None:
                await self.registry.sessions.delete(session_id)
            else:
                await self._delete_held(session_id)
        except SessionNotFound:
            # It existed a moment ago and was deleted since, perhaps by a call considered lost.
            log.info("session was deleted already", session_id=session_id)
        self._forget(session_id)

    async def _delete_held(self, session_id: str) -> None:
        try:
            await self._ask(session_id, lambda host, _: host.delete(session_id))
        except (SessionUnreadable, CapacityExhausted):
            # No host can hold it, so there is nothing to end, or nobody who could.
            await self.registry.sessions.delete(session_id)

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

    async def _ask(
        self,
        session_id: str,
        ask: Callable[[SessionHost, bool], Awaitable[Result]],
        place: Callable[[], Awaitable[str]] | None = None,
    ) -> Result:
        """Call the session's host, and retry if it is lost.

        Args:
            session_id: The session.
            ask: Receives the host, and whether a lost host may have carried out the call.
            place: Returns the name of the host, if not as usual.
        """
        is_repeated = False
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            was_remembered = session_id in self._places
            try:
                host = await self._find_host(await (place() if place else self._place(session_id)))
                return await ask(host, is_repeated)
            except CapacityExhausted:
                self._forget(session_id)
                if not was_remembered:
                    raise
                # That host is full, and the registry may know one that is not.
            except SessionNotFound:
                self._forget(session_id)
                raise
            except (PlacedElsewhere, HostLost, SequenceConflict) as error:
                is_repeated = is_repeated or isinstance(error, HostLost)
                self._forget(session_id)
                if asyncio.get_running_loop().time() >= deadline:
                    raise Unavailable(
                        "The session is moving. Try again shortly.", None, 1.0
                    ) from None
                await asyncio.sleep(RETRY_S)

    async def _place(self, session_id: str) -> str:
        if name := self._places.get(session_id):
            return name
        return self._remember(session_id, await self.registry.hosting.place(session_id))

    def _remember(self, session_id: str, location: Location) -> str:
        if len(self._places) >= REMEMBERED_PLACES:
            # The oldest alone: all at once would make every session be looked for anew.
            del self._places[next(iter(self._places))]
        self._places[session_id] = location.host
        if location.address is not None and self._meet_host is not None:
            self._meet_host(location.host, location.address)
        return location.host

    def _forget(self, session_id: str) -> None:
        self._places.pop(session_id, None)
