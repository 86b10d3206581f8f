"""A session host: holds the sessions placed on it and runs their turns.

On a cluster each session actor is one host; in one process there is one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from everruns.address import OwnAddress
from everruns.capabilities.base import Capabilities
from everruns.domain.approvals import Decider
from everruns.domain.controls import Controls
from everruns.domain.idempotency import Idempotency
from everruns.domain.messages import Message, SendMessage
from everruns.domain.model_context import ModelContext
from everruns.domain.retries import RetriedTurn
from everruns.domain.turns import suspended_calls
from everruns.errors import Conflict, PlacedElsewhere
from everruns.own_process import own_machine, own_process
from everruns.providers.local import LocalModel
from everruns.registry.logs import LoadedSession
from everruns.registry.registry import Registry
from everruns.registry.reports import HostFigures, HostReport
from everruns.remote import Repeat, remote
from everruns.runtime.abandoning import Abandoning
from everruns.runtime.environment import Environment
from everruns.runtime.external_input import Accepted, take
from everruns.runtime.feed.feeds import Feeds
from everruns.runtime.feed.poll import Poll, Reading
from everruns.runtime.held import HeldSessions
from everruns.runtime.hibernation import Hibernation
from everruns.runtime.loading import Loading
from everruns.runtime.model_context import model_context
from everruns.runtime.retrying import retry
from everruns.runtime.sending import send
from everruns.runtime.session import LiveSession
from everruns.runtime.submission import ExternalInput
from everruns.runtime.turn_tasks import TurnTasks, halt, stop
from everruns.settings import Settings
from everruns.storage.logs import LogHead
from everruns.telemetry.activity import Totals
from everruns.telemetry.meters import Meters
from everruns.telemetry.observing import Observer
from everruns.turn_failures import NoModel

# A full host releases every session that has neither turn nor reader.
RELIEF_QUIET_S = 0.0


async def _nothing() -> None:
    pass


class SessionHost:
    """Holds live sessions.

    A call that is about one session raises ``SessionNotFound`` if that does not exist, and
    ``PlacedElsewhere`` if another host holds it; besides these, what the call says.

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
        observers: Learn of the events of its sessions once they are stored.
        meters: Take what is measured besides.

    Attributes:
        name: The host's name in placement.
        environment: The environment that the turns of its sessions share.
        held: The sessions.
        tidy: Releases idle sessions while the host runs.
        at_close: Finishes what was left for later of what the host has done. Set by the code that
            starts the host.
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
        observers: Sequence[Observer] = (),
        meters: Meters | None = None,
    ) -> None:
        self.name = name
        self._node = node
        self._address = address
        self.environment = Environment(registry, capabilities, settings, local_model)
        self._registry = registry
        self._totals = Totals()
        self._observers = (self._totals, *observers)
        meters = meters or Meters()
        self._turns = TurnTasks(self.environment, lambda: self.held)
        self._abandoning = Abandoning(self.environment)
        self.held = HeldSessions(
            name,
            registry,
            loading or registry.hosting,
            self.environment,
            settings,
            self._begin,
            meters,
        )
        self._feeds = Feeds(self.held.hold, registry.logs.events, settings.delta_pace_ms / 1000)
        self._hibernation = Hibernation(
            name, self.held, self._feeds, registry.hosting, settings.hibernate_after_s, meters
        )
        self.tidy = self._hibernation.run
        self.at_close: Callable[[], Awaitable[None]] = _nothing

    def _begin(self, session: LiveSession) -> None:
        session.abandon = self._abandoning.begin
        session.observers = self._observers
        self._turns.run(session)

    # Requests from the edge

    @remote(Repeat.KEYED)
    async def send(
        self,
        session_id: str,
        sent: SendMessage,
        idempotency: Idempotency,
        loaded: LoadedSession | None = None,
        traceparent: str | None = None,
    ) -> Message:
        """Store a user message and make sure that a turn reads it: a new one or the running one.

        Args:
            session_id: The session.
            sent: The message; see ``sending.send`` for it, the rest and what is raised.
            idempotency: Gives a retry the message of the first attempt.
            loaded: The session as it was placed here, so that it need not be loaded. Should it
                have gone on elsewhere meanwhile, the append is refused.
            traceparent: The trace context of the request, if it had one.
        """
        session = await self.held.get(session_id, loaded)
        sequence = await send(session, sent, idempotency, self.environment, traceparent)
        self._turns.run(session)
        return await session.message(sequence, self._registry.logs.events)

    @remote(Repeat.KEYED)
    async def retry(
        self,
        session_id: str,
        wanted: Controls | None,
        idempotency: Idempotency,
        traceparent: str | None = None,
    ) -> RetriedTurn:
        """Start the last turn again with the same input; see ``retrying.retry``.

        What the turn said leaves the conversation.
        """
        session = await self.held.get(session_id)
        retried = await retry(session, wanted, idempotency, self.environment, traceparent)
        self._turns.run(session)
        return retried

    @remote(Repeat.YES)
    async def take(
        self, session_id: str, given: ExternalInput, by: Decider, *, is_repeated: bool = False
    ) -> Accepted:
        """Store input that the turn waits for; see ``external_input.take``.

        When all of it is there, the turn continues.
        """
        session = await self.held.get(session_id)
        # The input may repeat what was given long ago.
        await session.complete(self._registry.logs.events)
        accepted = await take(session, given, by, is_repeated=is_repeated)
        self._turns.run(session)
        return accepted

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

        See ``TurnTasks.cancel``.
        """
        session = await self.held.get(session_id)
        return await self._turns.cancel(session, turn_id, reason, is_repeated=is_repeated)

    @remote(Repeat.YES)
    async def refresh(self, session_id: str) -> None:
        """Let the next step of a session's turn see what a client has changed of the session."""
        session = await self.held.get(session_id)
        # One after another, so that what was read first does not replace what was read later.
        async with session.refreshing:
            session.resource = await self._registry.logs.get(session_id)

    @remote(Repeat.YES, timeout_s=60)
    async def context(self, session_id: str, offset: int | None, limit: int) -> ModelContext:
        """Return what the session's model would be shown at its next call.

        Args:
            session_id: The session.
            offset: How many of the messages are skipped; ``None`` for the last page.
            limit: How many messages are returned at most.

        Raises:
            Conflict: No offered model is named, and there is no default.
            InvalidRequest: The model does not take one of the controls.
        """
        session = await self.held.get(session_id)
        try:
            context = await self.environment.context(session)
        except NoModel as error:
            raise Conflict(error.message) from None
        return model_context(context, session.resource, session.state, offset, limit)

    @remote(Repeat.YES)
    async def activate(self, session_id: str) -> None:
        """Load a session and resume its turn if one is open."""
        await self.held.get(session_id)

    @remote(Repeat.YES)
    async def delete(self, session_id: str) -> None:
        """Delete a session: end its turn and streams, and free its resources."""
        session = await self.held.get(session_id)
        await halt(session)
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

    @remote(Repeat.YES, timeout_s=5)
    async def figures(self) -> HostFigures:
        """Return what this host is doing."""
        running, waiting = self.held.turns
        return HostFigures(
            own_process(),
            own_machine(),
            running,
            waiting,
            self._feeds.subscriptions,
            self._totals.activity,
        )

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

    @remote(Repeat.YES, timeout_s=30)
    async def hibernate(self, quiet_s: float) -> int:
        """Release sessions that had no turn or reader for so many seconds; return how many."""
        return await self._hibernation.release(quiet_s)

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
        await self.at_close()
