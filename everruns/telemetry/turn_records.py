"""Turn records: what a turn has done and when, derived from its events.

Everything that is known of a turn is in its part of the log. A record is the fold of these events,
event by event while they are stored, or of all of them when they are read back later. Traces and
the log line of a turn's end are made of records.

Source: docs/contract.md, "Events".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any, Literal

from everruns.domain.events import TURN_ENDS, TURN_OUTCOMES, Event, EventType
from everruns.domain.questions import are_questions
from everruns.domain.tools import ToolCall
from everruns.domain.usage import Usage
from everruns.telemetry.call_records import (
    ModelCallRecord,
    ToolCallRecord,
    WaitKind,
    WaitRecord,
)
from everruns.telemetry.turn_contents import TurnContents

TurnOutcome = Literal["open", "completed", "failed", "cancelled"]


@dataclass(slots=True)
class TurnRecord:
    """What a turn has done so far; times are in milliseconds since the epoch.

    Attributes:
        session_id: The session.
        turn_id: The turn.
        started_ms: When it began.
        ended_ms: When it ended; ``None`` while it is open.
        outcome: How it ended.
        error_code: Why it failed.
        iterations: How many answers of models it has.
        model_calls: Its model calls, in the order of their ends.
        tool_calls: Its tool calls by id, in the order in which the model made them.
        waits: The times during which calls waited, in the order of their beginnings.
        retry_of: The turn that was started again as this one, if one was.
        traceparent: The trace context of the request that began it, if that had one.
        contents: What was said in it, if that is wanted.
        last_sequence: The sequence of its newest event.
        advanced_ms: When it advanced last: the time of its newest event that is not a user's.
        is_compacting: Whether a compaction has begun and not ended.
    """

    session_id: str
    turn_id: str
    started_ms: int
    ended_ms: int | None = None
    outcome: TurnOutcome = "open"
    error_code: str | None = None
    iterations: int = 0
    model_calls: list[ModelCallRecord] = field(default_factory=list[ModelCallRecord])
    tool_calls: dict[str, ToolCallRecord] = field(default_factory=dict[str, ToolCallRecord])
    waits: list[WaitRecord] = field(default_factory=list[WaitRecord])
    retry_of: str | None = None
    traceparent: str | None = None
    contents: TurnContents | None = None
    last_sequence: int = 0
    advanced_ms: int = field(init=False)
    is_compacting: bool = False
    _broken_off: ModelCallRecord | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.advanced_ms = self.started_ms

    @classmethod
    def begin(cls, event: Event, *, with_contents: bool = False) -> "TurnRecord":
        """Return the empty record of the turn of an event, which is to be applied to it first.

        Args:
            event: The event.
            with_contents: Whether it is to hold what is said in the turn.

        Raises:
            ValueError: The event belongs to no turn.
        """
        if event.turn_id is None:
            raise ValueError(f"event {event.id} belongs to no turn")
        contents = TurnContents() if with_contents else None
        return cls(event.session_id, event.turn_id, event.ts, contents=contents)

    @property
    def usage(self) -> Usage:
        """What its model calls have cost together."""
        used = [call.usage for call in self.model_calls]
        return reduce(add, used) if used else Usage()

    @property
    def waited_ms(self) -> int:
        """How long at least one of its calls has waited, until the turn's newest event."""
        waited = covered = 0
        for wait in self.waits:
            until = self.advanced_ms if wait.until_ms is None else wait.until_ms
            waited += max(0, until - max(wait.from_ms, covered))
            covered = max(covered, until)
        return waited

    @property
    def duration_ms(self) -> int:
        """How long it took, or has taken until its newest event."""
        return (self.advanced_ms if self.ended_ms is None else self.ended_ms) - self.started_ms

    def apply(self, event: Event, data: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        """Apply the next event of the turn.

        Args:
            event: The event.
            data: Its payload, decoded.
            context: What it belongs to, decoded.
        """
        self.last_sequence = event.sequence
        if self.contents is not None:
            self.contents.apply(event, data)
        match event.type:
            case EventType.SESSION_STARTED:
                self.retry_of = data.get("retry_of")
                self.traceparent = context.get("traceparent")
            case EventType.MESSAGE_CREATED if data["message"]["role"] == "user":
                return
            case EventType.MESSAGE_CREATED:
                self._answered(event, data)
            case EventType.CONTEXT_COMPACTING:
                self.is_compacting = True
            case EventType.CONTEXT_COMPACTED:
                self._compacted(event, data)
            case _ if event.type in TURN_ENDS:
                self._ended(event, data)
            case _:
                self._apply_to_call(event, data)
        self.advanced_ms = event.ts

    # Model calls

    def _answered(self, event: Event, data: Mapping[str, Any]) -> None:
        message = data["message"]
        self.iterations += 1
        call = self._model_call(event, data)
        call.message_id = message["id"]
        call.model = data.get("model") or message.get("model")
        self.model_calls.append(call)
        if message.get("metadata", {}).get("incomplete"):
            # The turn's end, which comes next, says what is known of it.
            self._broken_off = call
        for part in message["content"]:
            if part["type"] == "tool_call":
                self.tool_calls[part["id"]] = ToolCallRecord(
                    part["id"], part["name"], message["id"], event.ts
                )

    def _compacted(self, event: Event, data: Mapping[str, Any]) -> None:
        self.is_compacting = False
        if data.get("model") is None:
            return
        call = self._model_call(event, data)
        call.writes_summary = True
        if error := data.get("error"):
            call.outcome, call.error_code = "failed", error["code"]
        self.model_calls.append(call)

    def _model_call(self, event: Event, data: Mapping[str, Any]) -> ModelCallRecord:
        timing: Mapping[str, Any] | None = data.get("timing")
        times: Mapping[str, Any] = timing or {"started_ms": self.advanced_ms, "ended_ms": event.ts}
        return ModelCallRecord(
            message_id=data.get("message_id"),
            model=data.get("model"),
            provider=times.get("provider"),
            started_ms=times["started_ms"],
            first_token_ms=times.get("first_token_ms"),
            ended_ms=times["ended_ms"],
            attempts=times.get("attempts"),
            outcome="completed",
            finish_reason=data.get("finish_reason"),
            usage=Usage.model_validate(data.get("usage") or {}),
            is_estimated=timing is None,
        )

    # Tool calls and waits

    def _apply_to_call(self, event: Event, data: Mapping[str, Any]) -> None:
        match event.type:
            case EventType.TOOL_CALL:
                self._called(event, data)
            case EventType.TOOL_APPROVAL if data["status"] == "requested":
                self._wait("approval", data["tool_call_id"], event)
            case EventType.TOOL_APPROVAL:
                self._close_waits(event, data, data["status"])
            case EventType.TOOL_SUSPENDED if "resume_after_seconds" in data:
                self._wait("sleep", data["tool_call_id"], event)
            case EventType.TOOL_RESUMED:
                self._tool_call(data["tool_call_id"], data["name"], "", event).is_resumed = True
                self._close_waits(event, data, "answered", slept="elapsed")
            case EventType.TOOL_QUESTION_CLOSED:
                self._close_waits(event, data, data.get("unanswered", "answered"))
            case EventType.TOOL_RESULT:
                self._returned(event, data)
            case _:
                pass

    def _called(self, event: Event, data: Mapping[str, Any]) -> None:
        asked = data["tool_call"]
        call = self._tool_call(asked["id"], asked["name"], data.get("message_id", ""), event)
        is_begun = call.started_ms is not None
        if call.started_ms is None:
            call.started_ms = event.ts
        if data.get("client_side"):
            # A call that has begun here asks its user something.
            is_question = is_begun or are_questions(ToolCall.model_validate(asked))
            call.is_client_side = call.is_client_side or not is_begun
            self._wait("question" if is_question else "client_tool", call.call_id, event)

    def _tool_call(self, call_id: str, name: str, message_id: str, event: Event) -> ToolCallRecord:
        return self.tool_calls.setdefault(
            call_id, ToolCallRecord(call_id, name, message_id, event.ts)
        )

    def _returned(self, event: Event, data: Mapping[str, Any]) -> None:
        call = self._tool_call(data["tool_call_id"], data.get("name", ""), "", event)
        call.ended_ms = event.ts
        call.duration_ms = data.get("duration_ms")
        call.success = data.get("success")
        call.unanswered = data.get("unanswered")
        # A question that is open while its call ends by itself is not needed any more.
        by_itself = "answered" if call.is_client_side else "not_needed"
        self._close_waits(event, data, call.unanswered or by_itself, slept="turn_ended")

    def _wait(self, kind: WaitKind, call_id: str, event: Event) -> None:
        call = self.tool_calls.get(call_id)
        name = call.name if call else ""
        self.waits.append(WaitRecord(kind, call_id, name, event.ts, event.id))

    def _close_waits(
        self, event: Event, data: Mapping[str, Any], ended: str, slept: str | None = None
    ) -> None:
        for wait in self.waits:
            if wait.until_ms is None and wait.call_id == data["tool_call_id"]:
                wait.until_ms = event.ts
                wait.ended = slept if slept and wait.kind == "sleep" else ended

    # The end

    def _ended(self, event: Event, data: Mapping[str, Any]) -> None:
        outcome = TURN_OUTCOMES[event.type]
        self.ended_ms, self.outcome = event.ts, outcome
        self.error_code = data.get("error", {}).get("code")
        if unfinished := data.get("unfinished"):
            self._note_unfinished(event, unfinished)
        if self._broken_off:
            self._broken_off.outcome = outcome
            self._broken_off.error_code = self.error_code
            self._broken_off = None
        for wait in self.waits:
            if wait.until_ms is None:
                wait.until_ms, wait.ended = event.ts, "turn_ended"

    def _note_unfinished(self, event: Event, unfinished: Mapping[str, Any]) -> None:
        """Note the model call that the end has interrupted, whether or not it left a message."""
        call = self._model_call(event, unfinished)
        call.writes_summary = self.is_compacting
        if left := self._broken_off:
            call.message_id = left.message_id
            self.model_calls.remove(left)
        self.model_calls.append(call)
        self._broken_off = call


def extended(
    record: TurnRecord | None, events: Sequence[Event], *, with_contents: bool = False
) -> TurnRecord:
    """Return the record of a turn with its next events, as they are read from the log.

    Args:
        record: The record up to there; ``None`` before the turn's first event.
        events: The next events of the turn, at least one.
        with_contents: Whether a record that is begun is to hold what is said in the turn.
    """
    record = record or TurnRecord.begin(events[0], with_contents=with_contents)
    for event in events:
        envelope = event.envelope
        record.apply(event, envelope["data"], envelope["context"])
    return record
