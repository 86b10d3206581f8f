"""Anthropic's Messages protocol: the driver and the parser of its stream.

Source: https://platform.claude.com/docs/en/api/messages and
https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from everruns.domain.messages import ThinkingBlock
from everruns.domain.usage import Usage, read_token_count
from everruns.errors import ProviderRejected
from everruns.providers.anthropic_request import Block, message_body
from everruns.providers.base import (
    ModelAnswer,
    ModelChunk,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    UsageSoFar,
)
from everruns.providers.http import Wire, drain
from everruns.providers.model_lists import ListedModel, read_model_list
from everruns.providers.tool_calls import RawCall, read_calls

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


class AnthropicDriver:
    """Speaks Messages.

    Args:
        wire: The address and the key.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """Call the model once. See ``Driver``."""
        answer = _Answer(self._wire)
        for with_thinking in (True, False):
            try:
                body = message_body(request, with_thinking=with_thinking)
                async with aclosing(self._wire.post("/messages", body)) as payloads:
                    async for payload in payloads:
                        if chunk := answer.read(payload):
                            yield chunk
                        if answer.finished:
                            await drain(payloads)
                            break
                break
            except ProviderRejected as error:
                # The provider refuses signed thinking if anything before it has changed, such as
                # the agent's instructions. The conversation continues without it.
                if answer.started or not with_thinking or "thinking" not in error.message:
                    raise
        yield answer.end(request)

    async def list_models(self) -> Sequence[ListedModel]:
        """Return the chat models that the account has. See ``Driver``."""
        return read_model_list(await self._wire.get("/models?limit=1000"))


@dataclass
class _Thought:
    """A block of thinking as it arrives."""

    text_before: int
    calls_before: int
    text: str
    signature: str
    redacted: str | None


class _Answer:
    """The received part of an answer."""

    def __init__(self, wire: Wire) -> None:
        self.started = False
        self.finished = False
        self._wire = wire
        self._text_length = 0
        self._calls: dict[int, RawCall] = {}
        self._thoughts: dict[int, _Thought] = {}
        self._usage: dict[str, int] = {}
        self._stop_reason: str | None = None
        self._model: str | None = None

    def read(self, payload: bytes) -> TextDelta | ReasoningDelta | UsageSoFar | None:
        event = self._wire.decode(payload)
        try:
            return self._read(event)
        except (AttributeError, KeyError, TypeError):
            raise self._wire.malformed() from None

    def _read(self, event: dict[str, Any]) -> TextDelta | ReasoningDelta | UsageSoFar | None:
        match event.get("type"):
            case "content_block_delta":
                return self._read_delta(event["index"], event["delta"])
            case "content_block_start":
                return self._start_block(event["index"], event["content_block"])
            case "message_start":
                self.started = True
                self._model = event["message"].get("model")
                return self._read_usage(event["message"])
            case "message_delta":
                self._stop_reason = event["delta"].get("stop_reason") or self._stop_reason
                return self._read_usage(event)
            case "error":
                raise self._wire.failure(event.get("error"))
            case "message_stop":
                self.finished = True
            case _:  # ping, content_block_stop, and future events
                pass
        return None

    def _read_usage(self, holder: dict[str, Any]) -> UsageSoFar:
        usage: dict[str, Any] = holder.get("usage") or {}
        for name, value in usage.items():
            if (count := read_token_count(value)) is not None:
                self._usage[name] = count
        return UsageSoFar(_usage(self._usage))

    def _start_block(self, index: int, block: Block) -> TextDelta | ReasoningDelta | None:
        match block.get("type"):
            case "tool_use":
                given = block.get("input")
                arguments = orjson.dumps(given).decode() if given else ""
                self._calls[index] = RawCall(block.get("id") or "", block["name"], arguments)
            case "thinking" | "redacted_thinking":
                self._thoughts[index] = _Thought(
                    text_before=self._text_length,
                    calls_before=len(self._calls),
                    text="",
                    signature=block.get("signature") or "",
                    redacted=block.get("data"),
                )
                return self._grow_thought(index, block.get("thinking") or "")
            case "text":
                return self._grow_text(block.get("text") or "")
            case _:
                pass
        return None

    def _read_delta(self, index: int, delta: Block) -> TextDelta | ReasoningDelta | None:
        match delta.get("type"):
            case "text_delta":
                return self._grow_text(delta["text"])
            case "thinking_delta":
                return self._grow_thought(index, delta["thinking"])
            case "signature_delta":
                self._thoughts[index].signature += delta["signature"]
            case "input_json_delta":
                self._calls[index].arguments += delta["partial_json"]
            case _:
                pass
        return None

    def _grow_text(self, text: str) -> TextDelta | None:
        self._text_length += len(text)
        return TextDelta(text) if text else None

    def _grow_thought(self, index: int, text: str) -> ReasoningDelta | None:
        self._thoughts[index].text += text
        return ReasoningDelta(text) if text else None

    def end(self, request: ModelRequest) -> ModelAnswer:
        if self._stop_reason is None:
            raise self._wire.broken_off()
        calls, refused = read_calls(list(self._calls.values()), request.messages)
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
