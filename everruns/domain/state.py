"""The fold from a session's events to its state.

``SessionState.apply`` derives a session's state from its log, event by event: live while a turn
writes, and again when the session is loaded. Nothing else changes the state.
"""

import gc
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from everruns.domain.controls import Controls
from everruns.domain.events import TURN_ENDS, Event, EventType
from everruns.domain.loops import LoopWatch
from everruns.domain.messages import Message, ToolResultPart
from everruns.domain.questions import are_questions
from everruns.domain.retries import RetriedTurn, is_superseded
from everruns.domain.sessions import SessionStatus, SessionSummary
from everruns.domain.tools import ToolCall
from everruns.domain.turns import LastTurn, OpenTurn
from everruns.domain.usage import Usage
from everruns.domain.waits import Asked, DeciderKind, Unanswered
from everruns.ids import format_time

PREVIEW_CHARACTERS = 200


@dataclass(frozen=True)
class StoredDecision:
    """A decision on a held call: whether it may run, whether that is permanent, and whose it is."""

    is_allowed: bool
    is_for_always: bool
    by: DeciderKind


@dataclass
class SessionState:
    """The state of a session.

    Attributes:
        session_id: The session.
        sequence: The last event applied.
        last_ms: That event's time.
        size_bytes: Of the bodies of all events applied.
        earlier: The sequences of the first messages of the history that are in the log and not in
            memory, in order; see ``everruns.domain.snapshots``.
        history: The other messages that a model has read or written, in that order.
        unread: User messages that no model has read yet.
        turn: The open turn, if any.
        last_turn: The newest turn, which a retry would repeat.
        last_input_sequence: The sequence of the newest user message or retry, where a stream
            without a cursor starts.
        always: The permanent decisions, by the tool's name.
        decided: The decisions on held calls, by call id.
        unanswered: Why calls that waited for outside input never got it, by call id.
        cancelled_turn: The last turn that was cancelled.
        idempotency: The request's digest and the message's sequence of each send, by its key's
            digest.
        retries: The request's digest and the turn of each retry, by its key's digest.
        superseded_calls: The ids of calls that retries have taken out of the conversation.
        without_images: The models that refused a message's images, by the message's id.
        without_messages: The models that refused a message, by its id.
        output_preview_before_turn: The output preview when the newest turn was first started.
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
    always: dict[str, StoredDecision] = field(default_factory=dict[str, StoredDecision])
    decided: dict[str, StoredDecision] = field(default_factory=dict[str, StoredDecision])
    unanswered: dict[str, Unanswered] = field(default_factory=dict[str, Unanswered])
    cancelled_turn: str | None = None
    idempotency: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    retries: dict[str, tuple[str, RetriedTurn]] = field(
        default_factory=dict[str, tuple[str, RetriedTurn]]
    )
    superseded_calls: set[str] = field(default_factory=set[str])
    without_images: dict[str, str | None] = field(default_factory=dict[str, str | None])
    without_messages: dict[str, str | None] = field(default_factory=dict[str, str | None])
    preview: str | None = None
    output_preview: str | None = None
    output_preview_before_turn: str | None = None
    started_ms: int | None = None
    finished_ms: int | None = None

    @property
    def status(self) -> SessionStatus:
        """The session's status, as a client sees it."""
        if self.turn is not None:
            return "active" if self.turn.waits_until_ms is None else "waitingfortoolresults"
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
            waiting_for=self.turn.waiting_for if self.turn else [],
            updated_at=_time(self.last_ms),
        )

    def apply_all(self, events: Sequence[Event]) -> None:
        """Apply the next events of the log.

        Raises:
            ValueError: An event is not the next one.
        """
        with _without_collector():
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
                self.finished_ms = None
            case EventType.TOOL_CALL if self.turn:
                self._called(self.turn, data, event.ts)
            case EventType.TOOL_APPROVAL if self.turn:
                self._approval(self.turn, data, event.ts)
            case EventType.WAIT_REMINDER if self.turn:
                _reminded(self.turn, data)
            case EventType.TOOL_RESULT:
                self._returned(data)
                self.history.append(message_of(event, envelope))
            case _ if event.type in TURN_ENDS:
                self._ended(event, data)
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

    def _ended(self, event: Event, data: dict[str, Any]) -> None:
        self.turn = None
        if event.type == EventType.SESSION_CANCELLED:
            self.cancelled_turn = data["turn_id"]
        self.finished_ms = event.ts
        if unfinished := data.get("unfinished"):
            self.usage += Usage.model_validate(unfinished["usage"])
        # A turn ends only when every message is answered or abandoned with it.
        self.history += self.unread
        self.unread = []

    def _returned(self, data: dict[str, Any]) -> None:
        call_id = data["tool_call_id"]
        if self.turn:
            call = self.turn.pending.get(call_id)
            if call is not None:
                self.turn.watch.note_result(call, data.get("result"), data.get("error"))
            for calls in (self.turn.pending, self.turn.asked, self.turn.held):
                calls.pop(call_id, None)
            if call is not None and not self.turn.pending:
                self.turn.watch.close_step()
        if unanswered := data.get("unanswered"):
            self.unanswered[call_id] = unanswered

    def _session_started(self, event: Event, data: dict[str, Any], context: dict[str, Any]) -> None:
        controls = data.get("controls")
        self.turn = OpenTurn(
            data["turn_id"],
            data["input_message_id"],
            event.ts,
            event.sequence,
            Controls.model_validate(controls) if controls else None,
        )
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

    def _supersede(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Take a turn's answers and results out of the conversation; its input is unread again."""
        from_sequence = self.last_turn.from_sequence if self.last_turn else 0
        gone = [said for said in self.history if is_superseded(said.sequence, ranges)]
        gone_calls = {call.id for message in gone for call in message.tool_calls}
        self.superseded_calls |= gone_calls
        for call_id in gone_calls:
            self.decided.pop(call_id, None)
            self.unanswered.pop(call_id, None)
        kept = [said for said in self.history if not is_superseded(said.sequence, ranges)]
        self.history = [said for said in kept if said.sequence < from_sequence]
        self.unread = [said for said in kept if said.sequence >= from_sequence]
        self.output_preview = self.output_preview_before_turn

    def _called(self, turn: OpenTurn, data: dict[str, Any], ts: int) -> None:
        call_id = data["tool_call"]["id"]
        if data.get("client_side"):
            # Older logs do not say what happens at the end; recommendations were taken then.
            is_asked = are_questions(ToolCall.model_validate(data["tool_call"]))
            turn.asked[call_id] = Asked.of(data, ts, "recommendation" if is_asked else "error")
        else:
            turn.started_calls.add(call_id)

    def _approval(self, turn: OpenTurn, data: dict[str, Any], ts: int) -> None:
        call_id, status = data["tool_call_id"], data["status"]
        if status == "requested":
            turn.held[call_id] = Asked.of(data, ts)
            return
        turn.held.pop(call_id, None)
        if status == "allowed":
            turn.allowed.add(call_id)
        # Older logs do not say who has decided; it was left to the user.
        by: DeciderKind = data.get("decided_by", {}).get("kind", "end_user")
        decided = StoredDecision(status == "allowed", bool(data.get("always")), by)
        self.decided[call_id] = decided
        if decided.is_for_always:
            self.always[data["name"]] = decided

    def _message_created(
        self, message: Message, data: dict[str, Any], context: dict[str, Any]
    ) -> None:
        if message.role == "user":
            self.unread.append(message)
            if self.turn:
                self.turn.watch = LoopWatch()
            self.last_input_sequence = message.sequence
            self.preview = self.preview or message.text[:PREVIEW_CHARACTERS] or None
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
        self.output_preview = message.text[:PREVIEW_CHARACTERS] or self.output_preview
        usage = Usage.model_validate(data.get("usage") or {})
        self.usage += usage
        if self.turn:
            self.turn.iterations += 1
            self.turn.usage += usage
            self.turn.pending = {call.id: call for call in message.tool_calls}
            self.turn.started_calls, self.turn.allowed = set(), set()
            self.turn.asked, self.turn.held = {}, {}
            self.turn.refused = _refused_calls(data)


def _reminded(turn: OpenTurn, data: dict[str, Any]) -> None:
    for calls in (turn.asked, turn.held):
        if asked := calls.get(data["tool_call_id"]):
            done = {"is_overdue": True} if data["overdue"] else {"remind_ms": None}
            calls[data["tool_call_id"]] = replace(asked, **done)


def _refused_calls(data: dict[str, Any]) -> dict[str, str]:
    # Older logs hold the arguments that were not a JSON object.
    invalid: dict[str, str] = data.get("invalid_arguments", {})
    return data.get("refused_calls") or {
        call_id: f"The arguments are not a JSON object: {raw}" for call_id, raw in invalid.items()
    }


def message_of(event: Event, envelope: dict[str, Any] | None = None) -> Message:
    """Return the message that an event adds to the conversation.

    Args:
        event: A ``message.created`` or ``tool.result``.
        envelope: Its envelope, if the caller has already decoded it.
    """
    envelope = envelope or event.envelope
    data = envelope["data"]
    if event.type == EventType.MESSAGE_CREATED:
        return Message.model_validate(data["message"])
    part = ToolResultPart(
        tool_call_id=data["tool_call_id"], result=data.get("result"), error=data.get("error")
    )
    return Message(
        id=event.id.replace("event_", "message_"),
        session_id=event.session_id,
        role="tool_result",
        content=[part],
        sequence=event.sequence,
        created_at=envelope["ts"],
    )


def _time(ms: int | None) -> str | None:
    return format_time(ms) if ms else None


def fold(session_id: str, events: Sequence[Event]) -> SessionState:
    """Return the state after a whole log."""
    state = SessionState(session_id)
    state.apply_all(events)
    return state


@contextmanager
def _without_collector() -> Generator[None]:
    """Pause garbage collection while only long-lived objects are created.

    The collector would traverse them, and every other object of the process, again and again;
    for a long log that takes as long as the fold itself.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
