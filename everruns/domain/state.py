"""The fold from a session's events to its state.

``SessionState.apply`` derives a session's state from its log, event by event: live while a turn
writes, and again when the session is loaded. Nothing else changes the state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from everruns.domain.collector import without_collector
from everruns.domain.compaction import Compaction, CompactionPlan, replaced_before
from everruns.domain.events import TURN_ENDS, TURN_OUTCOMES, Event, EventType, TurnOutcome
from everruns.domain.excerpts import preview_of
from everruns.domain.forks import renamed
from everruns.domain.known_calls import KnownCalls
from everruns.domain.logged_messages import message_of
from everruns.domain.loops import LoopWatch
from everruns.domain.messages import Message
from everruns.domain.prepared import Prepared, apply_changes, changed_tools
from everruns.domain.retries import RetriedTurn, is_superseded
from everruns.domain.sessions import SessionStatus, SessionSummary
from everruns.domain.token_estimates import ConversationSize
from everruns.domain.turns import LastTurn, OpenTurn
from everruns.domain.usage import Usage
from everruns.ids import format_time


@dataclass
class SessionState:
    """The state of a session.

    Attributes:
        session_id: The session.
        sequence: The last event applied.
        last_ms: That event's time.
        size_bytes: Of the bodies of all events applied.
        earlier: The sequences of the first messages of the history that are in the log and not in
            memory, in order; see ``everruns.domain.snapshots``. Those that compactions have
            replaced are in neither.
        history: The other messages that a model has read or written, in that order.
        unread: User messages that no model has read yet.
        turn: The open turn, if any.
        last_turn: The newest turn.
        usage: Of all turns together.
        last_input_sequence: The newest user message or retry: where streams without cursors start.
        prepared: What capabilities offered when they were last prepared, by their ids.
        calls: What the log says about calls, besides their results.
        cancelled_turn: The last turn that was cancelled.
        idempotency: The request's digest and the message's sequence of each send, by its key's
            digest.
        retries: The request's digest and the turn of each retry, by its key's digest.
        without_images: The models that refused a message's images, by its id.
        without_messages: The models that refused a message, by its id.
        compaction: What compactions have made of the conversation, if there were any.
        compaction_before_turn: The same when the newest turn was first started.
        set_aside: The sequences of earlier messages that the newest turn's compactions replaced.
        size: How long the next request is.
        preview: The beginning of the first user message.
        output_preview: The beginning of the newest answer.
        output_preview_before_turn: The output preview when the newest turn was first started.
        started_ms: When the first turn was started.
        finished_ms: When the last turn ended; ``None`` while one is open.
        last_outcome: How it ended.
    """

    session_id: str
    sequence: int = 0
    last_ms: int = 0
    size_bytes: int = 0
    earlier: list[int] = field(default_factory=list[int])
    history: list[Message] = field(default_factory=list[Message])
    unread: list[Message] = field(default_factory=list[Message])
    turn: OpenTurn | None = None
    last_turn: LastTurn | None = None
    usage: Usage = field(default_factory=Usage)
    last_input_sequence: int = 0
    prepared: dict[str, Prepared] = field(default_factory=dict[str, Prepared])
    calls: KnownCalls = field(default_factory=KnownCalls)
    cancelled_turn: str | None = None
    idempotency: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    retries: dict[str, tuple[str, RetriedTurn]] = field(
        default_factory=dict[str, tuple[str, RetriedTurn]]
    )
    without_images: dict[str, str | None] = field(default_factory=dict[str, str | None])
    without_messages: dict[str, str | None] = field(default_factory=dict[str, str | None])
    compaction: Compaction | None = None
    compaction_before_turn: Compaction | None = None
    set_aside: list[int] = field(default_factory=list[int])
    size: ConversationSize = field(default_factory=ConversationSize)
    preview: str | None = None
    output_preview: str | None = None
    output_preview_before_turn: str | None = None
    started_ms: int | None = None
    finished_ms: int | None = None
    last_outcome: TurnOutcome | None = None

    @property
    def status(self) -> SessionStatus:
        """The session's status, as a client sees it."""
        if self.turn is not None:
            return "waitingfortoolresults" if self.turn.only_waits_for_input else "active"
        return "idle" if self.sequence else "started"

    @property
    def messages(self) -> list[Message]:
        """All messages in memory in the order of the log."""
        return sorted([*self.history, *self.unread], key=lambda message: message.sequence)

    @property
    def summary(self) -> SessionSummary:
        """The summary shown in lists of sessions."""
        return SessionSummary(
            status=self.status,
            sequence=self.sequence,
            waits_until_ms=self.turn.waits_until_ms if self.turn else None,
            usage=self.usage,
            preview=self.preview,
            output_preview=self.output_preview,
            started_at=_time(self.started_ms),
            finished_at=_time(self.finished_ms),
            last_outcome=self.last_outcome,
            waiting_for=self.turn.waiting_for if self.turn else [],
            sleeps=bool(self.turn and self.turn.asleep),
            updated_at=_time(self.last_ms),
        )

    def apply_all(self, events: Sequence[Event]) -> None:
        """Apply the next events of the log.

        Raises:
            ValueError: An event is not the next one.
        """
        with without_collector():
            for event in events:
                self.apply(event)

    def apply(self, event: Event) -> None:
        """Apply the next event of the log.

        Raises:
            ValueError: The event is not the next one.
        """
        if event.sequence != self.sequence + 1:
            raise ValueError(f"event {event.sequence} does not follow {self.sequence}")
        self.sequence, self.last_ms = event.sequence, event.ts
        self.size_bytes += len(event.body)
        envelope = event.envelope
        data = envelope["data"]
        match event.type:
            case EventType.MESSAGE_CREATED:
                self._message_created(message_of(event, envelope), data, envelope["context"])
            case EventType.SESSION_STARTED:
                self._session_started(event, data, envelope["context"])
                self.started_ms = self.started_ms or event.ts
                self.finished_ms = self.last_outcome = None
            case EventType.CAPABILITIES_PREPARED:
                self._offered(apply_changes(self.prepared, data))
            case EventType.SESSION_FORKED:
                self._forked(event)
            case EventType.TOOL_RESULT:
                self.calls.returned(self.turn, data)
                result = message_of(event, envelope)
                self.history.append(result)
                self.size.add(result)
            case EventType.CONTEXT_COMPACTING if self.turn:
                plan = CompactionPlan.model_validate(data)
                self.turn.compacting = plan
                self.turn.compacted_for.add(plan.reason)
            case EventType.CONTEXT_COMPACTED:
                self._compacted(event, data)
            case _ if event.type in TURN_ENDS:
                self._ended(event, data)
            case _ if self.turn:
                self.calls.apply(event.type, self.turn, data, event.ts)
            case _:
                pass

    def join_earlier(self, messages: Sequence[Message]) -> None:
        """Take the ``earlier`` messages of the history into memory.

        Args:
            messages: All of them, in any order.
        """
        by_sequence = {message.sequence: message for message in messages}
        self.history = [*(by_sequence[sequence] for sequence in self.earlier), *self.history]
        self.earlier = []

    def _offered(self, prepared: dict[str, Prepared]) -> None:
        """Note what is offered now; what was allowed for a tool does not hold for another one."""
        self.calls.forget_allowed(changed_tools(self.prepared, prepared))
        self.prepared = prepared

    def _forked(self, event: Event) -> None:
        """Begin the fork's own part of the log: only the conversation comes from its source."""
        self.usage = Usage()
        self.calls.always = {}
        self.compaction = self.compaction and self.compaction.without_decisions()
        before = self.compaction_before_turn
        self.compaction_before_turn = before and before.without_decisions()
        source_id = event.data["forked_from_session_id"]
        self.without_images = renamed(self.without_images, source_id, self.session_id)
        self.without_messages = renamed(self.without_messages, source_id, self.session_id)
        self.idempotency, self.retries = {}, {}
        self.cancelled_turn = None
        self.last_input_sequence = event.sequence

    def _ended(self, event: Event, data: dict[str, Any]) -> None:
        self.turn = None
        if event.type == EventType.SESSION_CANCELLED:
            self.cancelled_turn = data["turn_id"]
        self.finished_ms, self.last_outcome = event.ts, TURN_OUTCOMES[event.type]
        if usage := data.get("unfinished", {}).get("usage"):
            self.usage += Usage.model_validate(usage)
        # A turn ends only when every message is answered or abandoned with it.
        self.history += self.unread
        self.unread = []

    def _session_started(self, event: Event, data: dict[str, Any], context: dict[str, Any]) -> None:
        self.turn = OpenTurn.started(event, data, context)
        if "retry_of" in data:
            self._supersede(data["superseded"])
            self.last_input_sequence = event.sequence
            if idempotency := context.get("idempotency"):
                retried = RetriedTurn.of(data, event.sequence, event.ts)
                self.retries[idempotency["key"]] = (idempotency["request"], retried)
        else:
            self.output_preview_before_turn = self.output_preview
        first = self.unread[0].sequence if self.unread else event.sequence
        self.last_turn = LastTurn(self.turn.id, first)
        if "retry_of" not in data:
            self._forget_replaced()
            self.compaction_before_turn, self.set_aside = self.compaction, []

    def _supersede(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Take a turn's answers and results out of the conversation; its input is unread again."""
        from_sequence = self.last_turn.from_sequence if self.last_turn else 0
        gone = [said for said in self.history if is_superseded(said.sequence, ranges)]
        gone_calls = {call.id for message in gone for call in message.tool_calls}
        self.calls.supersede(gone_calls)
        kept = [said for said in self.history if not is_superseded(said.sequence, ranges)]
        self.history = [said for said in kept if said.sequence < from_sequence]
        self.unread = [said for said in kept if said.sequence >= from_sequence]
        self.output_preview = self.output_preview_before_turn
        if self.compaction and self.compaction.up_to_sequence >= from_sequence:
            # Its summary tells of what leaves the conversation.
            self.compaction = self.compaction_before_turn
            self.earlier, self.set_aside = [*self.set_aside, *self.earlier], []
        self.size = ConversationSize(tokens=None)

    def _compacted(self, event: Event, data: dict[str, Any]) -> None:
        usage = Usage.model_validate(data.get("usage") or {})
        self.usage += usage
        if self.turn:
            self.turn.usage += usage
            self.turn.compacting = None
        self.compaction = Compaction.after(self.compaction, event.id, event.ts, data)
        self.size = ConversationSize(data.get("tokens_after"), is_whole=True)
        self.set_aside += self._forget_replaced()

    def _forget_replaced(self) -> list[int]:
        """Let go of what no model is shown of the turns before the newest; return which."""
        if self.compaction is None or self.last_turn is None:
            return []
        known = [*self.earlier, *(said.sequence for said in self.history)]
        gone = replaced_before(self.last_turn.from_sequence, known, self.compaction)
        left = set(known).difference(gone)
        self.earlier = [said for said in self.earlier if said in left]
        self.history = [said for said in self.history if said.sequence in left]
        return gone

    def _message_created(
        self, message: Message, data: dict[str, Any], context: dict[str, Any]
    ) -> None:
        if message.role == "user":
            self.unread.append(message)
            self.size.add(message)
            if self.turn:
                self.turn.watch = LoopWatch()
            self.last_input_sequence = message.sequence
            self.preview = self.preview or preview_of(message) or None
            if idempotency := context.get("idempotency"):
                self.idempotency[idempotency["key"]] = (idempotency["request"], message.sequence)
            return
        read_up_to = data.get("input_sequence", message.sequence)
        self.history += [said for said in self.unread if said.sequence <= read_up_to]
        self.unread = [said for said in self.unread if said.sequence > read_up_to]
        self.history.append(message)
        for message_id in data.get("without_images", ()):
            self.without_images[message_id] = message.model
        for message_id in data.get("without_messages", ()):
            self.without_messages[message_id] = message.model
        self.output_preview = preview_of(message) or self.output_preview
        usage = Usage.model_validate(data.get("usage") or {})
        self.usage += usage
        if self.size.answered(message, usage):
            for unread in self.unread:
                self.size.add(unread)
        if self.turn:
            self.turn.answered(message, data, usage)


def _time(ms: int | None) -> str | None:
    return format_time(ms) if ms else None


def fold(session_id: str, events: Sequence[Event]) -> SessionState:
    """Return the state after a whole log."""
    state = SessionState(session_id)
    state.apply_all(events)
    return state
