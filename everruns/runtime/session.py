"""A live session: its state, the tail of its log, its draft, and the turn that runs it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from everruns.domain.events import Event, NewEvent
from everruns.domain.sessions import Session, SessionSummary
from everruns.domain.state import SessionState, fold
from everruns.errors import EverrunsError, PlacedElsewhere, StoreUnavailable
from everruns.ids import now_ms
from everruns.registry.group_commit import GroupCommit
from everruns.runtime.feed.draft import Draft
from everruns.storage.logs import Append

RECENT_EVENTS = 256
STORE_PATIENCE_S = 30.0
STORE_RETRY_S = 0.25

Build = Callable[[SessionState, int], Sequence[NewEvent]]


class Watcher(Protocol):
    """Someone who follows a session."""

    def changed(self, *, urgent: bool) -> None:
        """Take note that the session has something new.

        Args:
            urgent: Whether it should be shown at once: a durable event or a draft's first words.
        """
        ...


class LiveSession:
    """A session in the memory of its host.

    Attributes:
        resource: The session as its client created and changed it.
        refreshing: Held while the resource is read anew.
        state: The fold of its log.
        draft: The message being written, if any.
        closed: Set when the session has left this host; nothing is appended afterwards.
        watchers: Those who are told of what is new.
        touched: Loop time of the last request for the session.
        task: The task that runs its turn, if any.
        alarm: Fires when a turn's wait for outside input times out.
        stopped_turn: The turn that is being ended from outside and must not continue.
        interrupted: Whether the open turn was started on another host and is not resumed here yet.
        lost_with: How many open turns, including this one, lost their host together; 0 if none did.
        suspicion: Evidence that the open turn crashes its host.
    """

    def __init__(
        self,
        resource: Session,
        events: Sequence[Event],
        log: GroupCommit[Append],
        lost_with: int = 0,
    ) -> None:
        self.resource = resource
        self.refreshing = asyncio.Lock()
        self.state = fold(resource.id, events)
        self.draft: Draft | None = None
        self.closed = False
        self.watchers: set[Watcher] = set()
        self.touched = asyncio.get_running_loop().time()
        self.task: asyncio.Task[None] | None = None
        self.alarm: asyncio.TimerHandle | None = None
        self.stopped_turn: str | None = None
        self.interrupted = self.state.turn is not None
        self.lost_with = lost_with
        self.suspicion = resource.suspicion
        self._recent = list(events[-RECENT_EVENTS:])
        self._log = log
        self._writing = asyncio.Lock()

    @property
    def id(self) -> str:
        """The session's id."""
        return self.resource.id

    @property
    def is_busy(self) -> bool:
        """Whether a turn can proceed or other work for the session is running."""
        running = self.task is not None and not self.task.done()
        turn = self.state.turn
        working = turn is not None and turn.waits_until_ms is None
        return working or running or self._writing.locked()

    @property
    def draft_ms(self) -> int:
        """The time of a delta of the draft, in milliseconds.

        During a commit, use the pending events' timestamp so that delta ids sort first.
        """
        return self.state.last_ms if self._writing.locked() else max(now_ms(), self.state.last_ms)

    async def append(self, build: Build) -> list[Event]:
        """Store the next events of the log; they are durable when this returns.

        A started append completes even if the caller is cancelled, so that the state never lags
        behind the log.

        Args:
            build: Given the state and the time in ms, returns the events to append. It sees
                the state while nothing else is being written, and may raise to append nothing.

        Raises:
            PlacedElsewhere: The session has left this host, whether or not the host knew.
            SequenceConflict: Another host appended first; this one has released the session.
            StoreUnavailable: The store did not answer for a while; the session was released.
        """
        return await asyncio.shield(asyncio.ensure_future(self._append(build)))

    async def _append(self, build: Build) -> list[Event]:
        async with self._writing:
            self._check_held()
            now = max(now_ms(), self.state.last_ms)
            expected = self.state.sequence + 1
            events = [
                new.at(self.id, expected + place, now)
                for place, new in enumerate(build(self.state, now))
            ]
            if not events:
                return events
            # Applied before the commit, whose summary needs it. Readers see nothing until the
            # commit has succeeded, and if it fails the session is reloaded.
            for event in events:
                self.state.apply(event)
            await self._commit(events, self.state.summary)
            self.suspicion = 0
            self._remember(events)
            return events

    async def note_suspicion(self, suspicion: int) -> None:
        """Store the evidence that the open turn crashes its host.

        Raises:
            PlacedElsewhere: The session has left this host, whether or not the host knew.
            StoreUnavailable: The store did not answer for a while; the session was released.
        """
        async with self._writing:
            self._check_held()
            await self._commit([], self.state.summary.model_copy(update={"suspicion": suspicion}))
            self.suspicion = suspicion

    def _check_held(self) -> None:
        if self.closed:
            raise PlacedElsewhere(f"Session {self.id} has left this host.")

    async def _commit(self, events: Sequence[Event], summary: SessionSummary) -> None:
        append = Append(self.id, summary.sequence + 1 - len(events), events, summary)
        deadline = asyncio.get_running_loop().time() + STORE_PATIENCE_S
        while True:
            try:
                return await self._log.append(append)
            except StoreUnavailable:
                if asyncio.get_running_loop().time() > deadline:
                    self.close()
                    raise
                await asyncio.sleep(STORE_RETRY_S)
            except EverrunsError:
                self.close()
                raise

    def _remember(self, events: list[Event]) -> None:
        self._recent += events
        if len(self._recent) > 2 * RECENT_EVENTS:
            del self._recent[:-RECENT_EVENTS]
        if self.draft and self.state.history and self.state.history[-1].id == self.draft.message_id:
            self.draft = None
        if self.state.turn is None:
            self.draft = None
        self.notify(urgent=True)

    def events_after(self, sequence: int) -> list[Event] | None:
        """Return the stored events after a sequence; ``None`` if they are no longer in memory."""
        if not self._recent:
            return []
        first = self._recent[0].sequence
        if sequence + 1 < first:
            return None
        return self._recent[sequence + 1 - first :]

    def notify(self, *, urgent: bool) -> None:
        """Tell those who follow the session that it has something new."""
        for watcher in self.watchers:
            watcher.changed(urgent=urgent)

    def close(self) -> None:
        """Leave this host: stop the turn where it stands and tell the readers."""
        self.closed = True
        self.draft = None
        if self.alarm is not None:
            self.alarm.cancel()
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()
        self.notify(urgent=True)
