"""A session host: holds the sessions placed on it and runs their turns.

On a cluster each session actor is one host; in one process there is one.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from everruns.address import OwnAddress
from everruns.capabilities.base import Capabilities
from everruns.domain.approvals import Decider
from everruns.domain.controls import Controls
from everruns.domain.events import EventType, NewEvent
from everruns.domain.idempotency import Idempotency
from everruns.domain.messages import ContentPart, Message, SendMessage
from everruns.domain.retries import RetriedTurn
from everruns.domain.state import SessionState
from everruns.domain.turns import suspended_calls
from everruns.errors import (
    EverrunsError,
    IdempotencyKeyReused,
    Overloaded,
    PlacedElsewhere,
)
from everruns.providers.local import LocalModel
from everruns.registry.logs import LoadedSession
from everruns.registry.registry import Registry
from everruns.registry.reports import HostReport
from everruns.remote import Repeat, remote
from everruns.runtime.abandoning import Abandoning
from everruns.runtime.attachments import attached
from everruns.runtime.environment import Environment
from everruns.runtime.external_input import Accepted, ExternalInput, accept
from everruns.runtime.feed.feeds import Feeds
from everruns.runtime.feed.poll import Poll, Reading
from everruns.runtime.held import HeldSessions
from everruns.runtime.loading import Loading
from everruns.runtime.outcomes import received
from everruns.runtime.retrying import controls_of, retried
from everruns.runtime.session import LiveSession
from everruns.runtime.turn import end_turn
from everruns.runtime.turn_tasks import TurnTasks, stop
from everruns.runtime.waiting import discarded
from everruns.settings import Settings
from everruns.storage.logs import LogHead

# A full host releases every session that has neither turn nor reader.
RELIEF_QUIET_S = 0.0


log = structlog.get_logger(__name__)


class SessionHost:
    """Holds live sessions.

    Args:
        name: The host's name in placement.
        registry: The registry, or its proxy on another node.
        capabilities: All known capabilities.
        settings: The deployment's settings.
        local_model: Starts the local model if necessary and returns its base URL; ``None`` if there
            is no local model.
        node: The node that it is on; empty where there are no nodes.
        address: Returns where this host takes calls; ``None`` if that is nowhere but here.
        loading: Where it gets sessions from, if not from the registry.

    Attributes:
        name: The host's name in placement.
        environment: The environment that the turns of its sessions share.
        held: The sessions.
    """

    def __init__(
        self,
        name: str,
        registry: Registry,
        capabilities: Capabilities,
        settings: Settings,
        local_model: LocalModel | None = None,
        node: str = "",
        address: OwnAddress | None = None,
        loading: Loading | None = None,
    ) -> None:
        self.name = name
        self._node = node
        self._address = address
        self.environment = Environment(registry, capabilities, settings, local_model)
        self._registry = registry
        self._settings = settings
        self._turns = TurnTasks(self.environment, lambda: self.held)
        self._abandoning = Abandoning(self.environment)
        self.held = HeldSessions(
            name, registry, loading or registry.hosting, self.environment, settings, self._begin
        )
        self._feeds = Feeds(self.held.hold, registry.logs.events, settings.delta_pace_ms / 1000)

    def _begin(self, session: LiveSession) -> None:
        session.abandon = self._abandoning.begin
        self._turns.run(session)

    # Requests from the edge

    @remote(Repeat.KEYED)
    async def send(
        self,
        session_id: str,
        sent: SendMessage,
        idempotency: Idempotency,
        loaded: LoadedSession | None = None,
    ) -> Message:
        """Store a user message and make sure that a turn reads it: a new one or the running one.

        Args:
            session_id: The session.
            sent: The message.
            idempotency: Gives a retry the message of the first attempt.
            loaded: The session as it was placed here, so that it need not be loaded. Should it
                have gone on elsewhere meanwhile, the append is refused.

        Returns:
            The stored message; for a retry, the message that the first attempt stored.

        Raises:
            IdempotencyKeyReused: The key was used with a different body.
            InvalidRequest: The model does not take one of the controls, or a file of the message
                cannot be read.
            Overloaded: The running turn has too many unread messages.
            UnknownModel: No active provider offers the model that the controls name.
            PlacedElsewhere: The session is not on this host.
            SessionNotFound: The session does not exist.
            SessionTooLarge: The session has reached its size limit.
        """
        session = await self.held.get(session_id, loaded)
        content: Sequence[ContentPart] = ()
        if idempotency.key not in session.state.idempotency:
            if sent.controls is not None:
                await self.environment.check_wanted(session, sent.controls)
            content = await attached(sent.message.content, self.environment.files(session))

        def build(state: SessionState, now: int) -> list[NewEvent]:
            if earlier := state.idempotency.get(idempotency.key):
                request, _ = earlier
                if request != idempotency.request:
                    raise IdempotencyKeyReused(
                        "This Idempotency-Key was used with a different request body. "
                        "Use a new key."
                    )
                return []
            if len(state.unread) >= self._settings.max_queued_messages:
                raise Overloaded(
                    "The session has too many unread messages. Try again shortly.",
                    None,
                    1.0,
                )
            self.environment.check_size(state)
            # The message supersedes the answers that the turn is waiting for.
            instead = discarded(state.turn, now) if state.turn else []
            return [*received(state, sent, content, idempotency, now), *instead]

        await session.append(build)
        self._turns.run(session)
        _, sequence = session.state.idempotency[idempotency.key]
        return await session.message(sequence, self._registry.logs.events)

    @remote(Repeat.KEYED)
    async def retry(
        self, session_id: str, wanted: Controls | None, idempotency: Idempotency
    ) -> RetriedTurn:
        """Start the last turn again with the same input; what it said leaves the conversation.

        Returns:
            The new turn; for a retry of the call, the turn that the first attempt started.

        Raises:
            Conflict: A turn is open, or there is none to retry.
            IdempotencyKeyReused: The key was used with a different body.
            InvalidRequest: The model does not take one of the controls.
            UnknownModel: No active provider offers the model that the controls name.
            PlacedElsewhere: The session is not on this host.
            SessionNotFound: The session does not exist.
            SessionTooLarge: The session has reached its size limit.
        """
        session = await self.held.get(session_id)
        if wanted is not None and idempotency.key not in session.state.retries:
            controls = controls_of(session.state, wanted)
            await self.environment.check_wanted(session, controls or wanted)

        def build(state: SessionState, _now: int) -> list[NewEvent]:
            new = retried(state, wanted, idempotency)
            if new:
                self.environment.check_size(state)
            return new

        await session.append(build)
        self._turns.run(session)
        return session.state.retries[idempotency.key][1]

    @remote(Repeat.YES)
    async def take(
        self, session_id: str, given: ExternalInput, by: Decider, *, is_repeated: bool = False
    ) -> Accepted:
        """Store input that the turn waits for; when all of it is there, the turn continues.

        Args:
            session_id: The session.
            given: The input. Parts that are already stored are skipped.
            by: Who gives it.
            is_repeated: Whether a lost host may already have stored it.

        Raises:
            NotWaiting: The session is not waiting for this yet.
            CallClosed: A call got its result in another way, and takes no more input.
            Conflict: Different input is stored in its place.
            MayNotDecide: Somebody else decides about the call.
            InvalidRequest: It does not match what was requested.
            PlacedElsewhere: The session is not on this host.
            SessionNotFound: The session does not exist.
        """
        session = await self.held.get(session_id)
        # The input may repeat what was given long ago.
        await session.complete(self._registry.logs.events)
        outcome: Accepted | None = None

        def build(state: SessionState, now: int) -> list[NewEvent]:
            nonlocal outcome
            events, outcome = accept(state, given, by, now, is_repeated=is_repeated)
            return events

        await session.append(build)
        self._turns.run(session)
        assert outcome is not None  # noqa: S101
        return outcome

    @remote(Repeat.YES)
    async def cancel(
        self,
        session_id: str,
        turn_id: str,
        reason: str | None = None,
        *,
        is_repeated: bool = False,
    ) -> bool:
        """End a turn of the session now; return whether this call ended it.

        Args:
            session_id: The session.
            turn_id: The turn. If it has already ended, nothing changes.
            reason: Why, for the log.
            is_repeated: Whether a lost host may already have ended it.

        Raises:
            PlacedElsewhere: The session is not on this host.
            SessionNotFound: The session does not exist.
        """
        session = await self.held.get(session_id)
        turn = session.state.turn
        if turn is None or turn.id != turn_id:
            return is_repeated and session.state.cancelled_turn == turn_id
        session.stopped_turn = turn.id
        await stop(session)
        data = {"reason": reason or "cancelled"}
        ended = await end_turn(session, turn.id, EventType.SESSION_CANCELLED, data)
        self._turns.run(session)
        return ended

    @remote(Repeat.YES)
    async def refresh(self, session_id: str) -> None:
        """Let the next step of a session's turn see what a client has changed of the session.

        Raises:
            PlacedElsewhere: The session is not on this host.
            SessionNotFound: The session does not exist.
        """
        session = await self.held.get(session_id)
        # One after another, so that what was read first does not replace what was read later.
        async with session.refreshing:
            session.resource = await self._registry.logs.get(session_id)

    @remote(Repeat.YES)
    async def activate(self, session_id: str) -> None:
        """Load a session and resume its turn if one is open."""
        await self.held.get(session_id)

    @remote(Repeat.YES)
    async def delete(self, session_id: str) -> None:
        """Delete a session: end its turn and streams, and free its resources.

        Raises:
            PlacedElsewhere: The session is not on this host.
            SessionNotFound: The session does not exist.
        """
        session = await self.held.get(session_id)
        session.stopped_turn = session.state.turn.id if session.state.turn else None
        await stop(session)
        left = suspended_calls(session.state.turn)
        context = await self._abandoning.context_of(session) if left else None
        try:
            # Held until it is deleted from the store, so that nobody loads it in between.
            await self._registry.sessions.delete(session_id)
        finally:
            session.close()
            await self.held.let_go(session)
        if context is not None:
            self._abandoning.begin(session, left, context)

    @remote(Repeat.NO)
    async def poll(self, poll: Poll) -> Sequence[Reading] | None:
        """Return what is new for a replica's subscriptions, or wait for it; see ``Feeds.poll``.

        Raises:
            PlacedElsewhere: This host is stopping.
        """
        if self.held.is_closed:
            raise PlacedElsewhere("This session host is stopping.")
        return await self._feeds.poll(poll)

    @remote(Repeat.YES)
    async def report(self, wait_s: float, *, on_network: bool = False) -> HostReport:
        """Report, after a delay, how this host is; see ``HostWatch``.

        Args:
            wait_s: The delay.
            on_network: Whether it is to take calls from other nodes from now on.
        """
        await asyncio.sleep(wait_s)
        address = await self._address(on_network) if self._address else None
        return HostReport(self.held.digest, self.held.size_bytes, self._node, address)

    @remote(Repeat.YES)
    async def heads(self) -> Mapping[str, LogHead]:
        """Return where this host believes the log of each session that it holds to stand.

        All is 0 for a session that is loading.
        """
        return self.held.heads

    @remote(Repeat.YES, timeout_s=30)
    async def leave(self, session_ids: Sequence[str]) -> None:
        """Release sessions that are placed elsewhere, whatever they are doing."""
        loaded = self.held.loaded
        await self.held.close_all([loaded[held] for held in session_ids if held in loaded])

    @remote(Repeat.YES, timeout_s=30)
    async def hand_on(self) -> int:
        """Release every session that is not at work, readers or not; return how many are left.

        Readers go on reading on the session's next host, which also takes what a turn waits for.
        """
        resting = [session for session in self.held.loaded.values() if not session.is_busy]
        await self.held.close_all(resting)
        return self.held.digest.count

    async def tidy(self) -> None:
        """Release idle sessions while the host runs."""
        interval = min(5.0, self._settings.hibernate_after_s / 2)
        while True:
            await asyncio.sleep(interval)
            try:
                await self.hibernate(self._settings.hibernate_after_s)
            except EverrunsError as error:
                log.warning("sessions not released", host=self.name, code=error.code)

    @remote(Repeat.YES, timeout_s=30)
    async def hibernate(self, quiet_s: float) -> int:
        """Release sessions that had no turn or reader for so many seconds; return how many."""
        self._feeds.forget_silent()
        quiet_since = asyncio.get_running_loop().time() - quiet_s
        quiet = [session for session in self.held.quiet if session.touched <= quiet_since]
        # What an append outside a turn has closed when it failed: nobody else lets go of it.
        closed = [session for session in self.held.loaded.values() if session.is_left_over]
        await self.held.close_all([*quiet, *closed])
        if quiet or closed:
            await self._registry.hosting.note_size(self.name, self.held.size_bytes)
        return len(quiet) + len(closed)

    @remote(Repeat.YES)
    async def close(self) -> None:
        """Stop every turn where it stands, permanently, and close connections.

        The turns stay open and resume on the next host.
        """
        self.held.is_closed = True
        self.environment.asking.leave()
        sessions = list(self.held.loaded.values())
        await asyncio.gather(*map(stop, sessions))
        for session in sessions:
            session.close()
        await self._abandoning.close()
        await self.environment.close()
