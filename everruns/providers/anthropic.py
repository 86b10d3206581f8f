"""Anthropic's Messages protocol: the driver and the parser of its stream.

Source: https://platform.claude.com/docs/en/api/messages and
https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

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
from everruns.providers.concessions import Attempt
from everruns.providers.deltas import CharacterJoiner
from everruns.providers.error_bodies import error_in
from everruns.providers.http import Wire
from everruns.providers.image_limits import ANTHROPIC
from everruns.providers.loaded_tools import MOST_LOADED_TOOLS, loads_found_tools
from everruns.providers.output_rules import ANTHROPIC_OUTPUT
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
    # The words of servers that translate Chat Completions.
    "stop": "stop",
    "tool_calls": "tool_calls",
    "length": "length",
    "content_filter": "content_filter",
}
BROKEN = {"error", "abort", "aborted", "cancelled", "network_error"}


class AnthropicDriver(StreamingDriver):
    """Speaks Messages.

    Args:
        wire: The address and the key.
        omitted: Fields to leave out of each request, as paths: ``a.b``.
        extra_body: Fields to add to each request.
        is_vendors: Whether the address is Anthropic's own: other servers load no tools.
    """

    path = "/messages"
    models_path = "/models?limit=1000"
    output_rules = ANTHROPIC_OUTPUT
    image_limits = ANTHROPIC

    def __init__(
        self,
        wire: Wire,
        omitted: Collection[str] = (),
        extra_body: Mapping[str, Any] = MappingProxyType({}),
        *,
        is_vendors: bool = False,
    ) -> None:
        super().__init__(wire, omitted, extra_body)
        self._is_vendors = is_vendors

    def _loads_found_tools(self, request: ModelRequest) -> bool:
        return (
            self._is_vendors
            and loads_found_tools(request.model.model_id)
            and len(request.deferred) <= MOST_LOADED_TOOLS
        )

    def _body(self, attempt: Attempt) -> dict[str, Any]:
        return message_body(attempt)

    def _answer(self, request: ModelRequest) -> "MessagesAnswer":
        return MessagesAnswer(self._wire, request)


@dataclass
class _Call:
    """A call as it arrives.

    Attributes:
        given: The arguments that came with its beginning; some servers send them again in pieces.
    """

    id: str
    name: str
    given: str
    pieces: list[str] = field(default_factory=list[str])

    @property
    def raw(self) -> RawCall:
        return RawCall(self.id, self.name, "".join(self.pieces) or self.given)


@dataclass
class _Thought:
    """A block of thinking as it arrives."""

    text_before: int
    calls_before: int
    signature: str = ""
    redacted: str | None = None
    text: str = ""
    shown: CharacterJoiner = field(default_factory=CharacterJoiner)


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
        self._text = CharacterJoiner()
        self._calls: list[_Call] = []
        self._thoughts: list[_Thought] = []
        self._blocks: dict[Any, _Call | _Thought | None] = {}
        self._usage: dict[str, int] = {}
        self._stop_reason: str | None = None
        self._model: str | None = None

    def read(self, event: dict[str, Any]) -> Sequence[Delta]:
        """Read an event, or a whole message in its place. See ``Answer``."""
        match event.get("type"):
            case "content_block_delta":
                return self._read_delta(event.get("index"), event["delta"] or {})
            case "content_block_start":
                return self._start_block(event.get("index"), event["content_block"] or {})
            case "message_start":
                message: dict[str, Any] = event.get("message") or {}
                self._model = message.get("model")
                return [self._read_usage(message)]
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
        content = message.get("content") or ()
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for index, block in enumerate(blocks):
            deltas += self._start_block(index, block)
        self._finish(message)
        self.close()
        return deltas

    def _finish(self, holder: dict[str, Any]) -> None:
        reason = str(holder.get("stop_reason") or "")
        if reason in BROKEN:
            raise self._wire.failure(f"The answer broke: {reason}.")
        if reason:
            self._stop_reason = reason
            self.ended = True

    @property
    def _has_content(self) -> bool:
        return bool(self._text.length or self._calls or self._thoughts)

    def close(self) -> None:
        """Note the last event of the stream. See ``Answer``."""
        self.closed = True

    def _read_usage(self, holder: dict[str, Any]) -> UsageSoFar:
        usage = holder.get("usage")
        counts = cast("dict[str, Any]", usage) if isinstance(usage, dict) else {}
        for name, value in counts.items():
            # They are cumulative; some servers send 0 for those that they told before.
            if (count := read_token_count(value)) is not None:
                self._usage[name] = max(count, self._usage.get(name, 0))
        return UsageSoFar(_usage(self._usage))

    def _start_block(self, index: Any, block: Block) -> Sequence[Delta]:
        """Begin a block. Some servers give all blocks one index, so it only finds the latest."""
        self._blocks[index] = None
        match block.get("type"):
            case "tool_use":
                call = _Call(
                    str(block.get("id") or ""), str(block["name"] or ""), _json(block.get("input"))
                )
                self._calls.append(call)
                self._blocks[index] = call
            case "thinking" | "redacted_thinking":
                thought = self._begin_thought(index)
                thought.signature = block.get("signature") or ""
                thought.redacted = block.get("data")
                return self._grow_thought(thought, block.get("thinking") or "")
            case "text":
                return self._grow_text(block.get("text") or "")
            case _:
                pass
        return ()

    def _read_delta(self, index: Any, delta: Block) -> Sequence[Delta]:
        match delta.get("type"):
            case "text_delta":
                return self._grow_text(delta.get("text") or "")
            case "thinking_delta":
                return self._grow_thought(self._thought(index), delta.get("thinking") or "")
            case "signature_delta":
                self._thought(index).signature += delta.get("signature") or ""
            case "input_json_delta":
                if isinstance(call := self._blocks.get(index), _Call):
                    call.pieces.append(_json(delta.get("partial_json")))
            case _:
                pass
        return ()

    def _thought(self, index: Any) -> "_Thought":
        block = self._blocks.get(index)
        return block if isinstance(block, _Thought) else self._begin_thought(index)

    def _begin_thought(self, index: Any) -> "_Thought":
        thought = _Thought(self._text.length, len(self._calls))
        self._thoughts.append(thought)
        self._blocks[index] = thought
        return thought

    def _grow_text(self, piece: str) -> Sequence[Delta]:
        text = self._text.add(piece)
        return [TextDelta(text)] if text else ()

    def _grow_thought(self, thought: _Thought, piece: str) -> Sequence[Delta]:
        text = thought.shown.add(piece)
        thought.text += text
        return [ReasoningDelta(text)] if text else ()

    def end(self) -> ModelAnswer:
        """Return the end of the answer. See ``Answer``."""
        reason = FINISH_REASONS.get(self._stop_reason or "end_turn", self._stop_reason or "")
        if not self.ended and not (self.closed and self._has_content):
            raise self._wire.broken_off()
        calls, refused = read_calls([call.raw for call in self._calls], self._request.messages)
        return ModelAnswer(
            tool_calls=calls,
            usage=_usage(self._usage),
            finish_reason="tool_calls" if calls and reason == "stop" else reason,
            thinking_blocks=[
                ThinkingBlock(
                    thinking=thought.text,
                    signature=thought.signature or None,
                    redacted=thought.redacted,
                    text_before=thought.text_before,
                    calls_before=thought.calls_before,
                )
                for thought in self._thoughts
            ],
            refused_calls=refused,
            model=self._model,
        )


def _json(value: Any) -> str:
    """Return arguments as text, whether they came as text or as a value."""
    return value if isinstance(value, str) else exact_json(value or None)


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
