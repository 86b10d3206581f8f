"""What users, models and tools have said in a turn, in the form that spans hold it.

Only made where ``trace_content`` is set. Each attribute is JSON of a bounded length, in which long
texts are cut; images and files are only mentioned.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from everruns.domain.base import KIB
from everruns.domain.events import Event, EventType

LONGEST_TEXT = 16 * KIB
"""Characters of one text."""

LONGEST_ATTRIBUTE = 64 * KIB
"""Characters of one attribute."""


@dataclass(frozen=True, slots=True)
class SaidMessages:
    """What a model has read since the turn's model call before, and what it has written."""

    read: str
    written: str


@dataclass(slots=True)
class TurnContents:
    """What was said in a turn.

    Attributes:
        asked: The user's messages.
        answered: The newest answer.
        messages: What each model call has read and written, by the id of its message.
        arguments: The arguments of tool calls, by call id.
        results: Their results, by call id.
    """

    asked: str | None = None
    answered: str | None = None
    messages: dict[str, SaidMessages] = field(default_factory=dict[str, SaidMessages])
    arguments: dict[str, str] = field(default_factory=dict[str, str])
    results: dict[str, str] = field(default_factory=dict[str, str])
    _asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _unread: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def apply(self, event: Event, data: Mapping[str, Any]) -> None:
        """Take note of what the turn's next event says.

        Args:
            event: The event.
            data: Its payload, decoded.
        """
        match event.type:
            case EventType.MESSAGE_CREATED if data["message"]["role"] == "user":
                message = {"role": "user", "parts": _parts(data["message"]["content"])}
                self._asked.append(message)
                self._unread.append(message)
                self.asked = _messages(self._asked)
            case EventType.MESSAGE_CREATED:
                self._answered(data)
            case EventType.TOOL_RESULT:
                self._returned(data)
            case _:
                pass

    def _answered(self, data: Mapping[str, Any]) -> None:
        message = data["message"]
        thought = message.get("thinking")
        written = {
            "role": "assistant",
            "parts": [
                *([{"type": "reasoning", "content": _cut(thought)}] if thought else []),
                *_parts(message["content"]),
            ],
            "finish_reason": data.get("finish_reason") or "incomplete",
        }
        self.answered = _messages([written])
        self.messages[message["id"]] = SaidMessages(_messages(self._unread), self.answered)
        self._unread = []
        for part in message["content"]:
            if part["type"] == "tool_call":
                self.arguments[part["id"]] = _value(part["arguments"])

    def _returned(self, data: Mapping[str, Any]) -> None:
        call_id = data["tool_call_id"]
        result = data.get("error", data.get("result"))
        if "parts" in data:
            result = _parts(data["parts"])
        self.results[call_id] = shown = _value(result)
        response = {"type": "tool_call_response", "id": call_id, "response": shown}
        self._unread.append({"role": "tool", "parts": [response]})


def _parts(content: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [_part(part) for part in content]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    match part["type"]:
        case "text":
            return {"type": "text", "content": _cut(part["text"])}
        case "tool_call":
            named = {name: part[name] for name in ("type", "id", "name")}
            return {**named, "arguments": _value(part["arguments"])}
        case "output" | "json":
            return {"type": "text", "content": _value(part.get("value", part.get("error")))}
        case kind:
            return {"type": kind}


def _messages(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return messages as JSON, without the oldest of those that are too long together."""
    shown = _json(messages)
    while len(shown) > LONGEST_ATTRIBUTE and messages:
        messages = messages[(len(messages) + 1) // 2 :]
        shown = _json(messages)
    return shown


def _value(value: Any) -> str:
    return _cut(value if isinstance(value, str) else _json(value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
