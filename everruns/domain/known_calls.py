"""What the log says about a session's calls, besides their results: permissions, waits and answers.

Source: docs/contract.md, "Waiting" and "Approvals".
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from everruns.domain.askers import Asker
from everruns.domain.events import EventType
from everruns.domain.questions import are_questions
from everruns.domain.suspensions import Suspended
from everruns.domain.tools import ToolCall
from everruns.domain.turns import OpenTurn
from everruns.domain.waits import Asked, DeciderKind, Unanswered


@dataclass(frozen=True)
class StoredDecision:
    """A decision on a held call: whether it may run, whether that is permanent, and whose it is."""

    is_allowed: bool
    is_for_always: bool
    by: DeciderKind


@dataclass
class KnownCalls:
    """The calls of a session, of all turns.

    Attributes:
        always: The permanent decisions, by the tool's name.
        decided: The decisions on held calls, by call id.
        answers: The last answers to the questions of suspended or running calls, by call id; empty
            until they are given.
        unanswered: Why calls that waited for outside input never got it, by call id.
        superseded: The ids of calls that retries have taken out of the conversation.
    """

    always: dict[str, StoredDecision] = field(default_factory=dict[str, StoredDecision])
    decided: dict[str, StoredDecision] = field(default_factory=dict[str, StoredDecision])
    answers: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    unanswered: dict[str, Unanswered] = field(default_factory=dict[str, Unanswered])
    superseded: set[str] = field(default_factory=set[str])

    def apply(self, kind: str, turn: OpenTurn, data: dict[str, Any], ts: int) -> None:
        """Apply an event about a call of the open turn.

        Args:
            kind: The event's type; types that are about something else change nothing.
            turn: The open turn.
            data: The event's data.
            ts: Its time, in milliseconds since the epoch.
        """
        match kind:
            case EventType.TOOL_CALL:
                self._called(turn, data, ts)
            case EventType.TOOL_SUSPENDED:
                _suspended(turn, data, ts)
            case EventType.TOOL_RESUMED:
                self._resumed(turn, data)
            case EventType.TOOL_QUESTION_CLOSED:
                self._question_closed(turn, data)
            case EventType.TOOL_APPROVAL:
                self._approval(turn, data, ts)
            case EventType.WAIT_REMINDER:
                _reminded(turn, data)
            case _:
                pass

    def returned(self, turn: OpenTurn | None, data: dict[str, Any]) -> None:
        """Apply a result, whether or not its turn is still open."""
        call_id = data["tool_call_id"]
        if turn:
            if call_id in turn.asking:
                self.unanswered[call_id] = "not_needed"
            _close(turn, call_id, data)
        if unanswered := data.get("unanswered"):
            self.unanswered[call_id] = unanswered

    def supersede(self, call_ids: Collection[str]) -> None:
        """Take calls out of the conversation."""
        self.superseded |= set(call_ids)
        for call_id in call_ids:
            self.decided.pop(call_id, None)
            self.answers.pop(call_id, None)
            self.unanswered.pop(call_id, None)

    def forget_allowed(self, tools: Collection[str]) -> None:
        """Forget that all calls of tools are allowed: these are other tools now."""
        self.always = {
            name: decided
            for name, decided in self.always.items()
            if name not in tools or not decided.is_allowed
        }

    def _called(self, turn: OpenTurn, data: dict[str, Any], ts: int) -> None:
        call_id = data["tool_call"]["id"]
        suspended = turn.suspended.get(call_id)
        if data.get("client_side") and call_id in turn.started_calls:
            rounds = turn.askers[call_id].rounds if call_id in turn.askers else 0
            turn.askers[call_id] = Asker(data["tool_call"]["arguments"], rounds + 1)
            turn.asked[call_id] = Asked.of(data, ts)
            self.answers.setdefault(call_id, {})
            self.unanswered.pop(call_id, None)
        elif data.get("client_side") and suspended:
            questions = data["tool_call"]["arguments"]
            rounds = suspended.rounds + 1
            turn.suspended[call_id] = replace(suspended, questions=questions, rounds=rounds)
            turn.asked[call_id] = Asked.of(data, ts)
            self.answers.setdefault(call_id, {})
        elif data.get("client_side"):
            # Older logs do not say what happens at the end; recommendations were taken then.
            is_asked = are_questions(ToolCall.model_validate(data["tool_call"]))
            turn.asked[call_id] = Asked.of(data, ts, "recommendation" if is_asked else "error")
        else:
            turn.started_calls.add(call_id)

    def _resumed(self, turn: OpenTurn, data: dict[str, Any]) -> None:
        call_id, answers = data["tool_call_id"], data.get("answers")
        turn.asked.pop(call_id, None)
        turn.suspended[call_id] = replace(turn.suspended[call_id], is_resumed=True, answers=answers)
        if answers is not None:
            self.answers[call_id] = answers

    def _question_closed(self, turn: OpenTurn, data: dict[str, Any]) -> None:
        call_id = data["tool_call_id"]
        turn.asked.pop(call_id, None)
        turn.askers[call_id] = replace(turn.askers[call_id], questions=None)
        if "answers" in data:
            self.answers[call_id] = data["answers"]
        else:
            self.unanswered[call_id] = data["unanswered"]

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


def _close(turn: OpenTurn, call_id: str, data: dict[str, Any]) -> None:
    call = turn.pending.get(call_id)
    if call is not None:
        turn.watch.note_result(call, data.get("parts") or data.get("result"), data.get("error"))
    for calls in (turn.pending, turn.asked, turn.held, turn.suspended, turn.askers):
        calls.pop(call_id, None)
    if call is not None and not turn.pending:
        turn.watch.close_step()


def _suspended(turn: OpenTurn, data: dict[str, Any], ts: int) -> None:
    sleep_s = data.get("resume_after_seconds")
    resumes_ms = None if sleep_s is None else ts + round(sleep_s * 1000)
    turn.started_calls.discard(data["tool_call_id"])
    before = turn.suspended.get(data["tool_call_id"])
    rounds = before.rounds if before else 0
    turn.suspended[data["tool_call_id"]] = Suspended(
        data.get("state"),
        resumes_ms,
        rounds=rounds,
        is_repeatable=bool(data.get("repeatable")),
    )


def _reminded(turn: OpenTurn, data: dict[str, Any]) -> None:
    for calls in (turn.asked, turn.held):
        if asked := calls.get(data["tool_call_id"]):
            done = {"is_overdue": True} if data["overdue"] else {"remind_ms": None}
            calls[data["tool_call_id"]] = replace(asked, **done)
