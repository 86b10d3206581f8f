"""A session's events as a conversation on a terminal.

A fold over events, without a terminal: what has been said becomes lines that are printed once, and
what still goes on is a few rows that change.

Source: docs/contract.md, "Events".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from rich.text import Text

from everruns.commands.chat import lines
from everruns.commands.chat.answers import Answer
from everruns.commands.chat.asking import Approval, Asking, Questions
from everruns.domain.questions import ASK_USER
from everruns.domain.questions import Questions as AskedQuestions
from everruns.ids import parse_time

PROGRESS_CHARACTERS = 200
SIGNS_OF_WORK = frozenset({"message.delta", "reasoning.delta", "tool.call", "tool.approval"})


@dataclass
class OpenCall:
    """A tool call that has no result yet.

    Attributes:
        name: Its tool.
        arguments: Its arguments.
        since_ms: When it began, in milliseconds since the epoch.
        state: What it does now, in words.
        asks: What it asks the person at the terminal.
        is_for_client: Whether a client is to run it.
    """

    name: str
    arguments: dict[str, Any]
    since_ms: int
    state: str = ""
    asks: Asking | None = None
    is_for_client: bool = False


class Transcript:
    """Follows one session.

    Attributes:
        sequence: That of the newest event, from which a reader goes on.
        turn_since_ms: When the open turn began, in milliseconds since the epoch; ``None`` without.
        calls: The open calls by their ids, oldest first.
        reasoning: That of the newest answer.
    """

    def __init__(self) -> None:
        self.sequence = 0
        self.turn_since_ms: int | None = None
        self.calls: dict[str, OpenCall] = {}
        self.reasoning = ""
        self._answer = Answer()
        self._is_compacting = False

    def all_asking(self) -> Iterator[Asking]:
        """Yield what is to be answered, oldest first."""
        return (call.asks for call in self.calls.values() if call.asks is not None)

    def apply(self, event: dict[str, Any]) -> list[Text]:
        """Take the next event; return the lines that are to be printed."""
        self.sequence = event.get("sequence", self.sequence)
        kind, ts = event["type"], parse_time(event["ts"])
        if kind in SIGNS_OF_WORK and self.turn_since_ms is None:
            # A reader may have come in the middle of a turn.
            self.turn_since_ms = ts
        return list(self._lines(kind, event["data"], ts))

    def _lines(self, kind: str, data: dict[str, Any], ts: int) -> Iterator[Text]:
        match kind:
            case "message.delta":
                yield from self._answer.write(data, ts)
            case "reasoning.delta":
                yield from self._answer.think(data, ts)
            case "message.created":
                yield from self._message(data, ts)
            case "tool.result":
                call = self.calls.pop(data["tool_call_id"], None)
                yield lines.line_of_result(call.arguments if call else {}, data)
            case "session.started" | "session.completed" | "session.failed" | "session.cancelled":
                yield from self._turn(kind, data, ts)
            case _ if kind.startswith("tool."):
                yield from self._call(kind, data, ts)
            case "wait.reminder":
                name = lines.in_one_line(data["name"], lines.NAME_CHARACTERS)
                yield lines.note(f"{name} still waits{', overdue' if data['overdue'] else ''}.")
            case "context.compacting":
                self._is_compacting = True
            case "context.compacted":
                self._is_compacting = False
                before, after = data["tokens_before"], data["tokens_after"]
                yield lines.note(
                    f"The conversation was compacted, from {before:,} to {after:,} tokens."
                )
            case "session.forked":
                yield lines.note(
                    f"A fork of {lines.in_one_line(data['forked_from_session_id'], 64)}"
                )
            case _:
                # Types that are of no interest here, or that a newer server has.
                pass

    def _message(self, data: dict[str, Any], ts: int) -> Iterator[Text]:
        message = data["message"]
        if message["role"] == "user":
            yield from lines.lines_of_user(message)
            return
        self.reasoning = message.get("thinking") or ""
        yield from self._answer.finish(message, ts)
        if data.get("finish_reason") == "length":
            yield lines.note("The answer has reached its limit of tokens.")

    def _turn(self, kind: str, data: dict[str, Any], ts: int) -> Iterator[Text]:
        if kind == "session.started":
            self.turn_since_ms = ts
            if "retry_of" in data:
                yield lines.note("The turn starts again.")
            return
        yield from self._answer.abandon()
        self.turn_since_ms = None
        self._is_compacting = False
        self.calls.clear()
        if kind == "session.completed":
            yield lines.line_of_usage(data)
        elif kind == "session.failed":
            yield from lines.lines_of_failure(data["error"])
        else:
            yield Text("■ Stopped", "yellow")

    def _call(self, kind: str, data: dict[str, Any], ts: int) -> Iterator[Text]:
        if kind == "tool.call":
            yield from self._called(data, ts)
        elif kind == "tool.approval":
            yield from self._approval(data, ts)
        elif call := self.calls.get(data["tool_call_id"]):
            match kind:
                case "tool.progress":
                    call.state = lines.in_one_line(data["message"], PROGRESS_CHARACTERS)
                case "tool.suspended":
                    call.state = "suspended"
                case "tool.resumed" | "tool.question_closed":
                    call.asks, call.state = None, ""
                case _:
                    pass

    def _called(self, data: dict[str, Any], ts: int) -> Iterator[Text]:
        given, is_for_client = data["tool_call"], data.get("client_side", False)
        known = self.calls.get(given["id"])
        questions = _questions_of(given) if is_for_client else None
        if questions is not None:
            # A tool that asks is shown under its own name.
            call = known or OpenCall(given["name"], {}, ts)
            call.asks, call.state = questions, "waits for your answer"
            self.calls[given["id"]] = call
            return
        call = OpenCall(given["name"], given["arguments"], ts, is_for_client=is_for_client)
        self.calls[given["id"]] = call
        if is_for_client:
            call.state = "waits for a client's result"
            name = lines.in_one_line(call.name, lines.NAME_CHARACTERS)
            yield Text.assemble(("? ", "bold yellow"), (name, "bold"), " is to be run by a client")
            yield lines.note(lines.arguments_in_short(call.arguments))
            yield lines.note("/result JSON or /error TEXT answers it; a message ends the wait.")

    def _approval(self, data: dict[str, Any], ts: int) -> Iterator[Text]:
        call_id = data["tool_call_id"]
        if data["status"] == "requested":
            given = data["tool_call"]
            by = data["decided_by"]["kind"]
            asks = Approval(call_id, given["name"], given["arguments"], by)
            self.calls[call_id] = OpenCall(
                given["name"], given["arguments"], ts, "waits for approval", asks
            )
            return
        if call := self.calls.get(call_id):
            call.asks, call.state, call.since_ms = None, "", ts
        name = lines.in_one_line(data["name"], lines.NAME_CHARACTERS)
        always = " from now on" if data.get("always") else ""
        reason = f": {lines.in_one_line(data['reason'], 400)}" if data.get("reason") else ""
        style = "green" if data["status"] == "allowed" else "red"
        yield Text.assemble((f"{data['status'].capitalize()} ", style), f"{name}{always}{reason}")

    def rows(self, now_ms: int, width: int) -> list[Text]:
        """Return what goes on at a moment, in rows of at most this width."""
        rows = self._answer.rows(now_ms, width)
        for call in self.calls.values():
            rows.append(_row_of(call, now_ms))
        if not rows and self.turn_since_ms is not None:
            what = "Compacting the conversation" if self._is_compacting else "Working"
            since = lines.elapsed(self.turn_since_ms, now_ms)
            rows.append(Text(f"{lines.spinner(now_ms)} {what}  {since}", "dim"))
        for row in rows:
            row.truncate(width, overflow="ellipsis")
        return rows


def _row_of(call: OpenCall, now_ms: int) -> Text:
    row = Text.assemble((f"{lines.spinner(now_ms)} ", "yellow"))
    row.append(lines.in_one_line(call.name, lines.NAME_CHARACTERS), "bold")
    row.append(f"  {lines.elapsed(call.since_ms, now_ms)}", "dim")
    if call.state:
        row.append(f"  {call.state}")
    if call.arguments and call.asks is None:
        row.append(f"  {lines.arguments_in_short(call.arguments)}", "dim")
    return row


def _questions_of(call: dict[str, Any]) -> Questions | None:
    """Return the questions of a call that is to be answered from outside, if it has any."""
    if call["name"] != ASK_USER:
        return None
    try:
        asked = AskedQuestions.model_validate(call["arguments"]).questions
    except ValidationError:
        # A client-side tool of the same name.
        return None
    return Questions(call["id"], asked) if asked else None
