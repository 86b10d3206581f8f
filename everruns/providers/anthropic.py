"""Anthropic's Messages protocol: the driver and the parser of its stream.

Source: https://platform.claude.com/docs/en/api/messages and
https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from everruns.domain.messages import ThinkingBlock
from everruns.domain.usage import Usage, read_token_count
from everruns.providers.anthropic_request import Block, message_body
from everruns.providers.base import (
    ModelAnswer,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    UsageSoFar,
)
from everruns.providers.concessions import Asked
from everruns.providers.deltas import GrowingText
from everruns.providers.error_bodies import error_in
from everruns.providers.http import Wire
from everruns.providers.model_lists import ListedModel, read_model_list
from everruns.providers.streaming import Delta, StreamingDriver
from everruns.providers.tool_calls import RawCall, exact_json, read_calls

DEFAULT_BASE_URL = "https://api.anthropic.com/v1"
HEADERS = {"anthropic-version": "2023-06-01"}
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}


class AnthropicDriver(StreamingDriver):
    """Speaks Messages."""

    def _path(self, request: ModelRequest) -> str:  # noqa: ARG002 - one path for all models
        return "/messages"

    def _body(self, asked: Asked) -> dict[str, Any]:
        return message_body(asked)

    def _answer(self, request: ModelRequest) -> "MessagesAnswer":
        return MessagesAnswer(self._wire, request)

    async def list_models(self) -> Sequence[ListedModel]:
        """Return the chat models that the account has. See ``Driver``."""
        return read_model_list(await self._wire.get("/models?limit=1000"))


@dataclass
class _Thought:
    """A block of thinking as it arrives."""

    text_before: int
    calls_before: int
    signature: str = ""
    redacted: str | None = None
    text: str = ""
    shown: GrowingText = field(default_factory=GrowingText)


class MessagesAnswer:
    """The received part of an answer. See ``Answer``.

    Blocks of unknown types, such as those of tools that the provider runs itself, are passed over.

    Args:
        wire: The provider, for failures.
        request: What was asked.
    """

    def __init__(self, wire: Wire, request: ModelRequest) -> None:
        self.ended = self.closed = False
        self._wire = wire
        self._request = request
        self._text = GrowingText()
        self._calls: dict[int, RawCall] = {}
        self._thoughts: dict[int, _Thought] = {}
        self._usage: dict[str, int] = {}
        self._stop_reason: str | None = None
        self._model: str | None = None

    def read(self, event: dict[str, Any]) -> Sequence[Delta]:
        """Read an event, or a whole message in its place. See ``Answer``."""
        match event.get("type"):
            case "content_block_delta":
                return self._read_delta(event.get("index") or 0, event["delta"])
            case "content_block_start":
                return self._start_block(event.get("index") or 0, event["content_block"])
            case "message_start":
                self._model = event["message"].get("model")
                return [self._read_usage(event["message"])]
            case "message_delta":
                self._finish(event.get("delta") or {})
                return [self._read_usage(event)]
            case "message_stop":
                self.close()
            case "message":
                return self._read_message(event)
            case _:  # ping, content_block_stop, and future events
                if error := error_in(event):
                    raise self._wire.failure(error)
        return ()

    def _read_message(self, message: dict[str, Any]) -> Sequence[Delta]:
        self._model = message.get("model")
        deltas: list[Delta] = [self._read_usage(message)]
        for index, block in enumerate(message.get("content") or ()):
            deltas += self._start_block(index, block)
        self._finish(message)
        self.close()
        return deltas

    def _finish(self, holder: dict[str, Any]) -> None:
        if reason := holder.get("stop_reason"):
            self._stop_reason = str(reason)
            self.ended = True

    def close(self) -> None:
        """Note the last event of the stream. See ``Answer``."""
        self.closed = True

    def _read_usage(self, holder: dict[str, Any]) -> UsageSoFar:
        usage: dict[str, Any] = holder.get("usage") or {}
        for name, value in usage.items():
            if (count := read_token_count(value)) is not None:
                self._usage[name] = count
        return UsageSoFar(_usage(self._usage))

    def _start_block(self, index: int, block: Block) -> Sequence[Delta]:
        match block.get("type"):
            case "tool_use":
                given = exact_json(block.get("input") or None)
                self._calls[index] = RawCall(block.get("id") or "", block["name"], given)
            case "thinking" | "redacted_thinking":
                thought = self._thought(index)
                thought.signature = block.get("signature") or ""
                thought.redacted = block.get("data")
                return self._grow_thought(thought, block.get("thinking") or "")
            case "text":
                return self._grow_text(block.get("text") or "")
            case _:
                pass
        return ()

    def _read_delta(self, index: int, delta: Block) -> Sequence[Delta]:
        match delta.get("type"):
            case "text_delta":
                return self._grow_text(delta["text"] or "")
            case "thinking_delta":
                return self._grow_thought(self._thought(index), delta["thinking"] or "")
            case "signature_delta":
                self._thought(index).signature += delta["signature"] or ""
            case "input_json_delta" if index in self._calls:
                self._calls[index].arguments += delta["partial_json"] or ""
            case _:
                pass
        return ()

    def _thought(self, index: int) -> _Thought:
        if index not in self._thoughts:
            self._thoughts[index] = _Thought(self._text.length, len(self._calls))
        return self._thoughts[index]

    def _grow_text(self, piece: str) -> Sequence[Delta]:
        text = self._text.add(piece)
        return [TextDelta(text)] if text else ()

    def _grow_thought(self, thought: _Thought, piece: str) -> Sequence[Delta]:
        text = thought.shown.add(piece)
        thought.text += text
        return [ReasoningDelta(text)] if text else ()

    def end(self) -> ModelAnswer:
        """Return the end of the answer. See ``Answer``."""
        if self._stop_reason is None:
            raise self._wire.broken_off()
        calls, refused = read_calls(list(self._calls.values()), self._request.messages)
        return ModelAnswer(
            tool_calls=calls,
            usage=_usage(self._usage),
            finish_reason=FINISH_REASONS.get(self._stop_reason, self._stop_reason),
            thinking_blocks=[
                ThinkingBlock(
                    thinking=thought.text,
                    signature=thought.signature or None,
                    redacted=thought.redacted,
                    text_before=thought.text_before,
                    calls_before=thought.calls_before,
                )
                for thought in self._thoughts.values()
            ],
            refused_calls=refused,
            model=self._model,
        )


def _usage(usage: dict[str, int]) -> Usage:
    """Add up the input; this provider counts cached parts separately."""
    read = usage.get("cache_read_input_tokens")
    written = usage.get("cache_creation_input_tokens")
    return Usage(
        input_tokens=usage.get("input_tokens", 0) + (read or 0) + (written or 0),
        output_tokens=usage.get("output_tokens", 0),
        cache_read_tokens=read,
        cache_creation_tokens=written,
    )
