"""Event logs for tests: written as a turn writes them, and Hypothesis strategies of whole ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from everruns.domain.compaction import CompactionReason
from everruns.domain.compaction_plan import plan_compaction
from everruns.domain.events import Event, EventType, NewEvent
from everruns.domain.idempotency import Idempotency
from everruns.domain.logged_messages import message_of
from everruns.domain.messages import Message, TextPart, ToolCallPart
from everruns.domain.questions import Question
from everruns.domain.state import SessionState, fold
from everruns.domain.suspensions import Suspension
from everruns.domain.token_estimates import message_tokens
from everruns.domain.waits import DeciderKind, Unanswered, WaitRule
from everruns.ids import format_time, new_id
from everruns.runtime.compacting import announced, compacted
from everruns.runtime.retrying import retried
from everruns.runtime.waiting import (
    approval_requested,
    elapsed,
    question_asked,
    question_closed,
    result_requested,
    resumed,
    suspended,
)
from everruns.storage.logs import FIRST_HOLDER, Append
from everruns.telemetry.turn_records import TurnRecord, extended

QUESTIONS = [Question(id="why", question="Why?", kind="text")]
ANSWERS = {"status": "answered", "answers": [{"id": "why", "selected": [], "other_text": "so"}]}
SESSION_ID = "session_" + "5" * 32


@dataclass
class LogWriter:
    """Writes a valid log step by step, keeping the state that a live session would have."""

    session_id: str = SESSION_ID
    now: int = 1_700_000_000_000
    events: list[Event] = field(default_factory=list)
    state: SessionState = field(init=False)

    def __post_init__(self) -> None:
        self.state = SessionState(self.session_id)

    def write(self, kind: EventType, data: dict[str, Any], **context: Any) -> Event:
        self.now += 1
        if self.state.turn:
            turn = self.state.turn
            context = {"turn_id": turn.id, "input_message_id": turn.input_message_id, **context}
        event = NewEvent(kind, data, context).at(self.session_id, self.state.sequence + 1, self.now)
        self.state.apply(event)
        self.events.append(event)
        return event

    def user(self, text: str, key: str | None = None) -> Message:
        """A user's message; it begins a turn unless one is open."""
        message = self.message("user", [TextPart(text=text)])
        keyed = {"idempotency": {"key": key, "request": text}} if key else {}
        begins = self.state.turn is None
        self.write(EventType.MESSAGE_CREATED, {"message": message.wire()}, **keyed)
        if begins:
            opened = {"turn_id": new_id("turn"), "input_message_id": message.id}
            self.write(EventType.SESSION_STARTED, opened, **opened)
        return message

    def agent(
        self,
        text: str = "",
        calls: Sequence[ToolCallPart] = (),
        read_up_to: int | None = None,
        **data: Any,
    ) -> Message:
        """An answer whose model had read the log up to a sequence, all of it by default."""
        seen = self.state.sequence if read_up_to is None else read_up_to
        content = [*([TextPart(text=text)] if text else []), *calls]
        message = self.message("agent", content)
        data = {"message": message.wire(), "input_sequence": seen, **data}
        self.write(EventType.MESSAGE_CREATED, data)
        return message

    def tool_call(self, call_id: str) -> None:
        call = self.state.turn.pending[call_id]
        self.write(EventType.TOOL_CALL, {"tool_call": call.wire(), "message_id": "message_x"})

    def ask(self, call_id: str, rule: WaitRule) -> None:
        """Ask the client for a call's result."""
        self.write_new(
            result_requested(self.state.turn, self.state.turn.pending[call_id], "message_x", rule)
        )

    def suspend(self, call_id: str, rule: WaitRule, *, asks: bool) -> None:
        """Suspend a running call, until the user has answered or for a second."""
        until = {"questions": QUESTIONS} if asks else {"resume_after_seconds": 1.0}
        turn, call = self.state.turn, self.state.turn.pending[call_id]
        for event in suspended(turn, call, "message_x", Suspension(state="kept", **until), rule):
            self.write_new(event)

    def resume(self, call_id: str) -> None:
        """Let a suspended call go on, with answers if it has asked."""
        turn, call = self.state.turn, self.state.turn.pending[call_id]
        has_asked = turn.suspended[call_id].questions is not None
        self.write_new(resumed(turn, call, ANSWERS if has_asked else None))
        self.tool_call(call_id)

    def ask_while_running(self, call_id: str, rule: WaitRule) -> None:
        """Let a running call ask."""
        turn, call = self.state.turn, self.state.turn.pending[call_id]
        self.write_new(question_asked(turn, call, "message_x", QUESTIONS, rule.at_most(60)))

    def close_question(self, call_id: str, unanswered: Unanswered | None) -> None:
        """Answer what a running call asks, or say why nobody does."""
        turn, call = self.state.turn, self.state.turn.pending[call_id]
        answers = None if unanswered else ANSWERS
        self.write_new(question_closed(turn, call, answers, unanswered))

    def hold(self, call_id: str, rule: WaitRule, by: DeciderKind = "end_user") -> None:
        """Ask for approval of a call."""
        call = self.state.turn.pending[call_id]
        self.write_new(approval_requested(self.state.turn, call, "message_x", rule, by))

    def pass_time(self, ms: int) -> list[Event]:
        """Let time pass and store what it brings."""
        self.now += ms
        now = self.now
        return [self.write_new(event) for event in elapsed(self.state.turn, now)]

    def write_new(self, new: NewEvent) -> Event:
        return self.write(new.type, new.data)

    def tool_result(self, call_id: str, result: Any = "done") -> None:
        outcome = {"tool_call_id": call_id, "name": "tool", "success": True, "duration_ms": 1}
        self.write(EventType.TOOL_RESULT, {**outcome, "result": result})

    def end(self, kind: EventType = EventType.SESSION_COMPLETED) -> None:
        failed = {"error": {"message": "No model.", "code": "NO_MODEL"}}
        data = failed if kind == EventType.SESSION_FAILED else {}
        self.write(kind, {"turn_id": self.state.turn.id, **data})

    def compact(
        self,
        room: int,
        summary: str | None = "So far.",
        kept_results: int = 1,
        reason: CompactionReason = "request_too_large",
    ) -> bool:
        """Compact the conversation to so many tokens, as a turn's next step would; tell whether."""
        complete(self.state, self.events)
        state, turn = self.state, self.state.turn
        shown = sum(map(message_tokens, [*state.history, *state.unread]))
        plan = plan_compaction(state, reason, max(shown, room + 1), room, 0, kept_results)
        if plan is None:
            return False
        self.write_new(announced(turn, plan))
        strategy = "trim" if summary is None else "summarization"
        if plan.strategy == "observation_masking":
            strategy, summary = plan.strategy, None
        outcome = {"strategy": strategy, "summary": summary, "duration_ms": 1}
        self.write_new(compacted(self.state, turn, plan, 0, outcome))
        return True

    def retry(self) -> None:
        """Start the last turn again."""
        (started,) = retried(self.state, None, Idempotency.of_call())
        self.write(started.type, started.data, **started.context)

    def message(self, role: str, content: list[Any]) -> Message:
        return Message(
            id=new_id("message"),
            session_id=self.session_id,
            role=role,
            content=content,
            sequence=self.state.sequence + 1,
            created_at=format_time(self.now),
        )

    def as_append(self, holder: int = FIRST_HOLDER) -> Append:
        """All of this log as one append."""
        return Append(self.session_id, 1, list(self.events), self.state.summary, holder)

    def refold(self) -> SessionState:
        """What loading this log anew gives."""
        return complete(fold(self.session_id, self.events), self.events)


def complete(state: SessionState, events: Sequence[Event]) -> SessionState:
    """The state with the messages that are in the log alone, as before a model is asked."""
    state.join_earlier([message_of(events[sequence - 1]) for sequence in state.earlier])
    return state


def call_part(call_id: str, name: str = "tool", **arguments: Any) -> ToolCallPart:
    return ToolCallPart(id=call_id, name=name, arguments=arguments)


SECONDS = st.none() | st.just("never") | st.integers(1, 3)
RULES = st.builds(
    WaitRule.model_construct,
    timeout_seconds=SECONDS,
    remind_after_seconds=SECONDS,
    on_timeout=st.sampled_from(["error", "keep_waiting"]),
)


@st.composite
def logs(draw: st.DrawFn, max_steps: int = 25) -> LogWriter:
    """Valid logs: turns, steering, tools that run or are lost, every way to end."""
    log = LogWriter()
    texts = st.text(max_size=8)
    for number in range(draw(st.integers(1, max_steps))):
        turn = log.state.turn
        steps = ["user"]
        if turn is None and log.state.last_turn is not None:
            steps += ["retry"]
        if turn is not None:
            unannounced = [key for key in turn.pending if key not in turn.started_calls]
            unannounced = [key for key in unannounced if key not in turn.waiting]
            unannounced = [key for key in unannounced if key not in turn.suspended]
            working = [key for key in turn.pending if key in turn.started_calls]
            working = [key for key in working if key not in turn.asking]
            resting = [key for key in turn.suspended if key not in turn.started_calls]
            if turn.pending:
                steps += ["tool_result", "tool_result", "tool_result"]
                steps += ["tool_call", "ask", "hold"] if unannounced else []
                steps += ["pass_time"] if turn.waiting else []
                steps += ["suspend", "ask_while_running"] if working else []
                steps += ["resume"] if resting else []
                steps += ["close_question"] if turn.asking else []
            else:
                steps += ["agent", "agent", "calls", "compact"]
            steps += ["completed", "failed", "cancelled"]
        match draw(st.sampled_from(steps)):
            case "user":
                log.user(draw(texts), key=draw(st.sampled_from([None, f"key-{number}"])))
            case "retry":
                log.retry()
            case "agent":
                seen = draw(st.integers(0, log.state.sequence))
                log.agent(draw(texts), read_up_to=seen, usage={"output_tokens": number})
            case "calls":
                count = draw(st.integers(1, 3))
                calls = [call_part(f"call_{number}_{place}") for place in range(count)]
                log.agent(draw(texts), calls)
            case "compact":
                log.compact(draw(st.integers(10, 60)), draw(st.sampled_from(["So far.", None])))
            case "tool_call":
                log.tool_call(draw(st.sampled_from(unannounced)))
            case "ask":
                log.ask(draw(st.sampled_from(unannounced)), draw(RULES))
            case "hold":
                log.hold(draw(st.sampled_from(unannounced)), draw(RULES))
            case "suspend":
                log.suspend(draw(st.sampled_from(working)), draw(RULES), asks=draw(st.booleans()))
            case "resume":
                log.resume(draw(st.sampled_from(resting)))
            case "ask_while_running":
                log.ask_while_running(draw(st.sampled_from(working)), draw(RULES))
            case "close_question":
                why = draw(st.sampled_from([None, "timed_out", "superseded", "process_lost"]))
                log.close_question(draw(st.sampled_from(sorted(turn.asking))), why)
            case "pass_time":
                log.pass_time(draw(st.integers(0, 4000)))
            case "tool_result":
                log.tool_result(draw(st.sampled_from(list(turn.pending))))
            case ending:
                log.end(EventType(f"session.{ending}"))
    complete(log.state, log.events)
    return log


def turn_records(events: Sequence[Event]) -> list[TurnRecord]:
    """The records of the turns in a log, in the order of their beginnings."""
    turns: dict[str, list[Event]] = {}
    for event in events:
        if event.turn_id is not None:
            turns.setdefault(event.turn_id, []).append(event)
    return [extended(None, of_turn) for of_turn in turns.values()]
