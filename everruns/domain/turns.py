"""Turns as the fold of a session's log leaves them; ``everruns.domain.state`` changes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from everruns.domain.askers import Asker
from everruns.domain.compaction import CompactionPlan, CompactionReason
from everruns.domain.controls import Controls
from everruns.domain.events import TURN_ENDS, Event, EventType
from everruns.domain.loops import LoopWatch
from everruns.domain.messages import Message
from everruns.domain.questions import are_questions
from everruns.domain.suspensions import Suspended
from everruns.domain.tools import ToolCall
from everruns.domain.trace_context import TRACEPARENT
from everruns.domain.usage import Usage
from everruns.domain.waits import Asked, Wait, WaitType


@dataclass(frozen=True)
class LastTurn:
    """The newest turn, open or ended.

    Attributes:
        id: ``turn_…``.
        from_sequence: The first of the user messages that it reads.
    """

    id: str
    from_sequence: int


@dataclass(frozen=True)
class LeftCall:
    """A suspended call that has ended without its tool.

    Attributes:
        call: The call.
        state: What its tool kept.
    """

    call: ToolCall
    state: Any


@dataclass
class OpenTurn:
    """A turn that has started and not ended.

    Attributes:
        id: ``turn_…``.
        input_message_id: The user message that started it.
        started_ms: When, in milliseconds since the epoch.
        started_sequence: The event that started it.
        controls: Options that a retry gave it, instead of those of the messages before it.
        traceparent: The trace context of the request that began it, if that had one.
        iterations: Model answers stored so far.
        usage: Tokens of these answers.
        pending: Calls of the last answer that have no result yet, by call id, in call order.
        started_calls: Pending calls whose ``tool.call`` is stored, so that they may have run.
        asked: Pending calls that wait for outside input, by call id.
        held: Pending calls that wait for approval, by call id.
        allowed: Pending calls that were held and allowed.
        suspended: Pending calls that their tools have suspended, by call id.
        askers: Pending calls that have asked while they run, by call id.
        refused: Pending calls that must not run, by call id, with the reason for the model.
        compacting: The compaction that has been announced and has not come to its end.
        compacted_for: Why compactions were announced since the last answer.
        watch: What calls have shown since the newest user message.
    """

    id: str
    input_message_id: str
    started_ms: int
    started_sequence: int = 0
    controls: Controls | None = None
    traceparent: str | None = None
    iterations: int = 0
    usage: Usage = field(default_factory=Usage)
    pending: dict[str, ToolCall] = field(default_factory=dict[str, ToolCall])
    started_calls: set[str] = field(default_factory=set[str])
    asked: dict[str, Asked] = field(default_factory=dict[str, Asked])
    held: dict[str, Asked] = field(default_factory=dict[str, Asked])
    allowed: set[str] = field(default_factory=set[str])
    suspended: dict[str, Suspended] = field(default_factory=dict[str, Suspended])
    askers: dict[str, Asker] = field(default_factory=dict[str, Asker])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    compacting: CompactionPlan | None = None
    compacted_for: set[CompactionReason] = field(default_factory=set[CompactionReason])
    watch: LoopWatch = field(default_factory=LoopWatch)

    @classmethod
    def started(cls, event: Event, data: dict[str, Any], context: dict[str, Any]) -> "OpenTurn":
        """Return the turn that a ``session.started`` begins."""
        controls = data.get("controls")
        return cls(
            data["turn_id"],
            data["input_message_id"],
            event.ts,
            event.sequence,
            Controls.model_validate(controls) if controls else None,
            context.get(TRACEPARENT),
        )

    def answered(self, message: Message, data: dict[str, Any], usage: Usage) -> None:
        """Take note of a model's answer, whose calls are pending from now on.

        Args:
            message: The answer.
            data: The data of its event.
            usage: Its tokens.
        """
        self.iterations += 1
        self.compacted_for = set()
        self.usage += usage
        self.pending = {call.id: call for call in message.tool_calls}
        self.started_calls, self.allowed = set(), set()
        self.asked, self.held, self.suspended = {}, {}, {}
        self.askers = {}
        self.refused = _refused_calls(data)

    @property
    def waiting(self) -> dict[str, Asked]:
        """Pending calls that wait for outside input, whatever kind, by call id."""
        return self.asked | self.held

    @property
    def running(self) -> set[str]:
        """The ids of pending calls that have been started, and not suspended since."""
        return self.started_calls & self.pending.keys()

    @property
    def asking(self) -> set[str]:
        """The ids of pending calls that run and have a question open."""
        return {key for key, asker in self.askers.items() if asker.questions is not None}

    @property
    def advancing(self) -> set[str]:
        """The ids of pending calls that run, or go on by themselves after a time."""
        return self.running | self.asleep.keys()

    @property
    def asleep(self) -> dict[str, int]:
        """When the pending calls that are suspended for a time go on, in milliseconds."""
        until = {key: suspended.sleeps_until_ms for key, suspended in self.suspended.items()}
        return {key: resumes_ms for key, resumes_ms in until.items() if resumes_ms is not None}

    @property
    def waits_until_ms(self) -> int | None:
        """Until when the turn can only wait; ``None`` if it can proceed.

        In milliseconds since the epoch, when the first of the calls times out, goes on or is to be
        reminded of; ``NEVER_MS`` if none ever is.
        """
        if not self._all_wait or self.asking:
            return None
        waiting, asleep = self.waiting, self.asleep
        return min([*(asked.next_ms for asked in waiting.values()), *asleep.values()])

    @property
    def _all_wait(self) -> bool:
        waiting = self.waiting.keys() | self.asleep.keys()
        return bool(self.pending) and not self.pending.keys() - waiting

    @property
    def only_waits_for_input(self) -> bool:
        """Whether nothing happens in it unless somebody outside acts, or is too late."""
        return bool(self.waiting) and self._all_wait

    @property
    def waiting_for(self) -> list[Wait]:
        """The calls that wait for outside input, without their arguments."""
        return [
            Wait.of(self.wait_type(call), call_id, call.name, asked)
            for call_id, asked in self.waiting.items()
            if (call := self.pending.get(call_id)) is not None
        ]

    def wait_type(self, call: ToolCall) -> WaitType:
        """Tell what a pending call waits for."""
        if call.id in self.held:
            return "approval"
        return "question" if self.questions_of(call) is not None else "tool_call"

    def questions_of(self, call: ToolCall) -> dict[str, Any] | None:
        """Return the arguments of ``ask_user`` with which a pending call asks the user, if any."""
        if call.id in self.asking:
            return self.askers[call.id].questions
        if suspended := self.suspended.get(call.id):
            return suspended.questions
        return call.arguments if are_questions(call) else None


def left_by(turn: OpenTurn | None, events: Sequence[Event]) -> list[LeftCall]:
    """Return the suspended calls that events end without their tools.

    Args:
        turn: The open turn before the events.
        events: The next events of the log.
    """
    if turn is None or not turn.suspended:
        return []
    is_over = any(event.type in TURN_ENDS for event in events)
    ended = [event.data["tool_call_id"] for event in events if event.type == EventType.TOOL_RESULT]
    # Otherwise the result of a call that runs is its tool's own.
    return [
        LeftCall(turn.pending[call_id], turn.suspended[call_id].state)
        for call_id in ended
        if call_id in turn.suspended and (is_over or call_id not in turn.started_calls)
    ]


def suspended_calls(turn: OpenTurn | None) -> list[LeftCall]:
    """Return the suspended calls of a turn that ends with its session."""
    if turn is None:
        return []
    return [LeftCall(turn.pending[key], one.state) for key, one in turn.suspended.items()]


def turn_context(turn: OpenTurn) -> dict[str, Any]:
    """Return the context of a turn's events."""
    return {"turn_id": turn.id, "input_message_id": turn.input_message_id}


def _refused_calls(data: dict[str, Any]) -> dict[str, str]:
    # Older logs hold the arguments that were not a JSON object.
    invalid: dict[str, str] = data.get("invalid_arguments", {})
    return data.get("refused_calls") or {
        call_id: f"The arguments are not a JSON object: {raw}" for call_id, raw in invalid.items()
    }
