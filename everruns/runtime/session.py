"""A live session: its state, the tail of its log, its draft, and the turn that runs it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from everruns.domain.events import Event, NewEvent, ToolProgress, body_bytes
from everruns.domain.logged_messages import message_of
from everruns.domain.messages import Message
from everruns.domain.sessions import Session, SessionSummary
from everruns.domain.snapshots import Snapshot, is_due, resume, snapshot_of
from everruns.domain.state import SessionState, fold
from everruns.domain.token_estimates import BYTES_OF_A_TOKEN, conversation_tokens
from everruns.domain.turns import LeftCall, left_by
from everruns.errors import EverrunsError, PlacedElsewhere, StoreUnavailable
from everruns.ids import now_ms
from everruns.registry.group_commit import GroupCommit
from everruns.runtime.earlier_messages import read_messages
from everruns.runtime.feed.draft import Draft
from everruns.runtime.recent_events import RecentEvents
from everruns.storage.logs import Append, EventQuery, LogHead, ReadEvents
from everruns.telemetry.observing import Observed, Observer

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

    Args:
        resource: The session as its client created and changed it.
        events: Its log, from the snapshot's event on if there is one.
        log: Stores the next events.
        holder: See below.
        lost_with: See below.
        snapshot: Its newest snapshot.

    Raises:
        SnapshotUnusable: The snapshot cannot be used; the whole log can.

    Attributes:
        resource: The session as its client created and changed it.
        refreshing: Held while the resource is read anew.
        state: The fold of its log.
        draft: The message being written, if any.
        aside: What a model writes that is not a message and that no reader sees, if anything.
        holder: The number with which this host has taken it; see ``SessionStore.take``.
        closed: Set when the session has left this host; nothing is appended afterwards.
        watchers: Those who are told of what is new.
        touched: Loop time of the last request for the session.
        progress_ms: The time of the newest progress of a running tool; 0 if there is none.
        task: The task that runs its turn, if any.
        alarm: Fires when a turn's wait for outside input times out.
        stopped_turn: The turn that is being ended from outside and must not continue.
        interrupted: Whether the open turn was started on another host and is not resumed here yet.
        lost_with: How many open turns, including this one, lost their host together; 0 if none did.
        suspicion: Evidence that the open turn crashes its host.
        abandon: Called with suspended calls that have ended without their tools.
        observers: Learn of its events once they are stored.
    """

    def __init__(
        self,
        resource: Session,
        events: Sequence[Event],
        log: GroupCommit[Append],
        holder: int,
        lost_with: int = 0,
        snapshot: Snapshot | None = None,
    ) -> None:
        self.resource = resource
        self.refreshing = asyncio.Lock()
        self.state = resume(snapshot, events) if snapshot else fold(resource.id, events)
        self.draft: Draft | None = None
        self.aside: Draft | None = None
        self.holder = holder
        self.closed = False
        self.progress_ms = 0
        self._progress: dict[str, ToolProgress] = {}
        self.watchers: set[Watcher] = set()
        self.touched = asyncio.get_running_loop().time()
        self.task: asyncio.Task[None] | None = None
        self.alarm: asyncio.TimerHandle | None = None
        self.stopped_turn: str | None = None
        self.interrupted = self.state.turn is not None
        self.lost_with = lost_with
        self.suspicion = resource.suspicion
        self.abandon: Callable[[LiveSession, Sequence[LeftCall]], None] | None = None
        self.observers: Sequence[Observer] = ()
        self._recent = RecentEvents(events)
        read_bytes = body_bytes(events)
        # Up to which event, and how many bytes of events, the newest snapshot goes; and its size.
        self._covered = self.state.sequence - len(events), self.state.size_bytes - read_bytes
        self._snapshot_bytes = len(snapshot.content) if snapshot else 0
        self._state_bytes = read_bytes + self._snapshot_bytes
        self._log = log
        self._writing = asyncio.Lock()
        self._completing = asyncio.Lock()

    @property
    def id(self) -> str:
        """The session's id."""
        return self.resource.id

    @property
    def size_bytes(self) -> int:
        """What it takes of the memory: the recent events, and what the state keeps of all."""
        return self._recent.size_bytes + self._state_bytes

    @property
    def is_left_over(self) -> bool:
        """Whether it is closed and no task runs that will let go of it."""
        return self.closed and (self.task is None or self.task.done())

    @property
    def is_busy(self) -> bool:
        """Whether a turn can proceed or other work for the session is running."""
        running = self.task is not None and not self.task.done()
        turn = self.state.turn
        working = turn is not None and turn.waits_until_ms is None
        return working or running or self._writing.locked()

    @property
    def head(self) -> LogHead:
        """Where this host believes the log to stand."""
        return LogHead(self.state.sequence, self.holder)

    @property
    def is_quiet(self) -> bool:
        """Whether the session has neither turn nor reader, so that it can be released."""
        return not self.is_busy and not self.watchers

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
            built = build(self.state, now)
            events = [new.at(self.id, expected + place, now) for place, new in enumerate(built)]
            if not events:
                return events
            # Applied before the commit, whose summary needs it. Readers see nothing until the
            # commit has succeeded, and if it fails the session is reloaded.
            held = len(self.state.history)
            left = left_by(self.state.turn, events)
            for event in events:
                self.state.apply(event)
            if len(self.state.history) < held:
                # A compaction has let go of messages, or a retry has.
                self._state_bytes = self._held_bytes()
            await self._commit(events, self.state.summary)
            self.suspicion = 0
            self._remember(events)
            self._tell_observers(events, built)
            if left and self.abandon:
                self.abandon(self, left)
            return events

    def _tell_observers(self, events: Sequence[Event], built: Sequence[NewEvent]) -> None:
        if self.observers:
            observed = [
                Observed(event, new.data, new.context)
                for event, new in zip(events, built, strict=True)
            ]
            for observer in self.observers:
                observer.appended(self.resource, observed)

    def _held_bytes(self) -> int:
        """Return about how many bytes the messages in memory have."""
        return BYTES_OF_A_TOKEN * conversation_tokens(self.state.messages)

    async def complete(self, read_events: ReadEvents) -> None:
        """Read the messages of the history that are not in memory yet, if any are not.

        Raises:
            StoreUnavailable: They cannot be read now.
        """
        async with self._completing:
            if self.state.earlier:
                messages, size_bytes = await read_messages(self.id, self.state.earlier, read_events)
                self.state.join_earlier(messages)
                self._state_bytes += size_bytes

    async def message(self, sequence: int, read_events: ReadEvents) -> Message:
        """Return the message of an event, from memory or from the log."""
        for message in reversed([*self.state.history, *self.state.unread]):
            if message.sequence == sequence:
                return message
        query = EventQuery(after=sequence - 1, before=sequence + 1)
        (event,) = await read_events(self.id, query)
        return message_of(event)

    async def write_snapshot(self, store: Callable[[Snapshot], Awaitable[None]]) -> None:
        """Store a snapshot of the session, if it needs one and is still here."""
        async with self._writing:
            if self.closed or not self.needs_snapshot:
                return
            snapshot = snapshot_of(self.state, self._recent.last)
            covered = self.state.sequence, self.state.size_bytes
        try:
            await store(snapshot)
        finally:
            # One that could not be stored is not made again before there is more to keep.
            self._covered = covered
            self._snapshot_bytes = len(snapshot.content)

    @property
    def needs_snapshot(self) -> bool:
        """Whether loading it would take long, because so much has happened since its snapshot."""
        sequence, size_bytes = self._covered
        return is_due(
            self.state.sequence - sequence,
            self.state.size_bytes - size_bytes,
            self._snapshot_bytes,
        )

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
        expected = summary.sequence + 1 - len(events)
        append = Append(self.id, expected, events, summary, self.holder)
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
        self._state_bytes += self._recent.add(events)
        if self.draft and self.state.history and self.state.history[-1].id == self.draft.message_id:
            self.draft = None
        turn = self.state.turn
        if turn is None:
            self.draft = self.aside = None
        if self._progress:
            shown = turn.advancing if turn else set[str]()
            self._progress = {key: self._progress[key] for key in self._progress if key in shown}
        self.notify(urgent=True)

    def events_after(self, sequence: int) -> list[Event] | None:
        """Return the stored events after a sequence; ``None`` if they are no longer in memory."""
        return self._recent.after(sequence)

    def report(self, call_id: str, tool_name: str, text: str) -> None:
        """Show readers how far a running tool is; only the latest of each call is kept.

        What a tool says before it is suspended for a time is shown until the call goes on.
        """
        turn = self.state.turn
        if self.closed or turn is None or call_id not in turn.running:
            return
        self.progress_ms = max(now_ms(), self.state.last_ms, self.progress_ms + 1)
        self._progress.pop(call_id, None)
        self._progress[call_id] = ToolProgress(
            call_id, tool_name, text, self.state.sequence, turn.id, self.progress_ms
        )
        self.notify(urgent=False)

    def progress_after(self, ms: int) -> list[ToolProgress]:
        """Return the latest progress of each running tool since a time, oldest first."""
        return [progress for progress in self._progress.values() if progress.ts > ms]

    def notify(self, *, urgent: bool) -> None:
        """Tell those who follow the session that it has something new."""
        for watcher in self.watchers:
            watcher.changed(urgent=urgent)

    def close(self) -> None:
        """Leave this host: stop the turn where it stands and tell the readers."""
        self.closed = True
        self.draft = self.aside = None
        if self.alarm is not None:
            self.alarm.cancel()
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()
        self.notify(urgent=True)
