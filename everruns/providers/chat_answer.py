"""The parser of a Chat Completions stream.

The protocol has one author and many speakers. What they do differently and can be told from the
stream itself is read here; what must be known beforehand is in ``everruns.providers.dialects``.

Source: https://platform.openai.com/docs/api-reference/chat-streaming and the servers' own documents
(docs/providers.md lists them).
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from everruns.domain.messages import ThinkingBlock
from everruns.domain.usage import Usage
from everruns.providers.base import ModelAnswer, ModelRequest, ReasoningDelta, TextDelta, UsageSoFar
from everruns.providers.chat_calls import CallCollector
from everruns.providers.chat_opaque import OPAQUE_FIELDS, joined
from everruns.providers.deltas import CharacterJoiner
from everruns.providers.error_bodies import error_in
from everruns.providers.http import Wire
from everruns.providers.openai_usage import read_usage
from everruns.providers.streaming import Delta
from everruns.providers.tool_calls import read_calls
from everruns.providers.tool_rules import ANY_TOOLS, ToolRules, own_names, sent_name

REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_text", "thinking")

FINISH_REASONS = {
    **dict.fromkeys(("stop", "end", "eos", "eos_token", "end_turn", "complete"), "stop"),
    **dict.fromkeys(("stop_sequence", "completed", "finish", "done"), "stop"),
    **dict.fromkeys(("eot", "eot_id", "eos_token_id", "end_of_turn", "stop_token"), "stop"),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "tools"), "tool_calls"),
    **dict.fromkeys(("function_call", "function_calls"), "tool_calls"),
    **dict.fromkeys(("length", "max_tokens", "model_length", "max_output_tokens"), "length"),
    **dict.fromkeys(("max_length", "max_new_tokens", "token_limit", "length_limit"), "length"),
    **dict.fromkeys(("content_filter", "safety", "recitation", "blocklist"), "content_filter"),
}
NOT_FINISHED = {"null", "none"}
# The provider says that its answer broke. Source: https://openrouter.ai/docs/api-reference/errors,
# https://api-docs.deepseek.com/api/create-chat-completion, and the servers' own code.
BROKEN = {
    *("error", "abort", "aborted", "cancelled", "timeout", "network_error", "model_error"),
    *("insufficient_system_resource", "malformed_function_call", "unexpected_tool_call"),
    *("internal_error", "internal_server_error", "server_error", "upstream_error", "failed"),
    *("engine_error", "exception"),
}


class ChatAnswer:
    """The received part of an answer. See ``Answer``.

    Args:
        wire: The provider, for failures.
        request: What was asked.
    """

    def __init__(self, wire: Wire, request: ModelRequest, rules: ToolRules = ANY_TOOLS) -> None:
        self.ended = self.closed = self._has_begun = self._is_streamed = False
        self._wire = wire
        self._request = request
        self._text = CharacterJoiner()
        self._reasoning = CharacterJoiner()
        self._thoughts: list[str] = []
        self._reasoning_field: str | None = None
        self._opaque: dict[str, Any] = {}
        self._calls = CallCollector({sent_name(tool.name, rules) for tool in request.tools})
        self._own_names = own_names(request.tools, rules)
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._model: str | None = None

    def read(self, event: dict[str, Any]) -> Sequence[Delta]:
        """Read an event, or a whole completion in its place. See ``Answer``."""
        choices: Sequence[Any] = event.get("choices") or ()
        if (not choices or event.get("error")) and (error := error_in(event)):
            raise self._wire.failure(error)
        self._model = event.get("model") or self._model
        deltas: list[Delta] = []
        if not self._has_begun or event.get("usage") or "x_groq" in event:
            self._read_usage(event, deltas)
        # One answer was asked for; Copilot sends its text and its calls as two choices.
        for choice in choices:
            if choice:
                self._read_choice(choice, deltas)
        return deltas

    def _read_usage(self, holder: dict[str, Any], deltas: list[Delta]) -> None:
        usage = read_usage(holder)
        if usage is not None:
            self._usage = usage
        if usage is not None or not self._has_begun:
            self._has_begun = True
            deltas.append(UsageSoFar(self._usage or Usage()))

    def _read_choice(self, choice: dict[str, Any], deltas: list[Delta]) -> None:
        delta: dict[str, Any] = choice.get("delta") or {}
        content = delta.get("content")
        # Nearly all deltas are text and nothing else.
        if content and isinstance(content, str) and len(delta) == 1:
            self._is_streamed = True
            self._say(content, deltas)
        elif delta:
            self._is_streamed = True
            self._read_delta(delta, deltas)
        elif message := choice.get("message"):
            self._read_message(message, deltas)
        if not content and choice.get("error"):
            raise self._wire.failure(choice["error"])
        if reason := choice.get("finish_reason"):
            self._read_usage(choice, deltas)
            self._finish(_word(reason), choice)

    def _read_message(self, message: dict[str, Any], deltas: list[Delta]) -> None:
        """Read the message of a whole completion; at the end of a stream it repeats the deltas."""
        if not self._is_streamed:
            self._read_delta(message, deltas)
        elif not self._calls.calls:
            self._calls.read(message)

    def _read_delta(self, delta: dict[str, Any], deltas: list[Delta]) -> None:
        for name in REASONING_FIELDS:
            if reasoning := delta.get(name):
                self._think(name, _text_of(reasoning), deltas)
                break
        else:
            if self._reasoning_field is None:
                self._think(None, _text_of(delta.get("reasoning_details")), deltas)
        content = delta.get("content")
        if isinstance(content, list):
            self._read_parts(cast("list[Any]", content), deltas)
        elif isinstance(content, dict):
            self._read_parts([content], deltas)
        else:
            self._say(content or delta.get("refusal") or "", deltas)
        self._calls.read(delta)
        for name in OPAQUE_FIELDS:
            if value := delta.get(name):
                self._opaque[name] = joined(self._opaque.get(name), value)

    def _read_parts(self, parts: list[Any], deltas: list[Delta]) -> None:
        """Read content that comes as a list of typed parts, as Mistral's reasoning models send."""
        for part in parts:
            if isinstance(part, str) or not part:
                self._say(part or "", deltas)
            elif thought := part.get("thinking") or part.get("reasoning"):
                self._think("content", _text_of(thought), deltas)
            else:
                self._say(_text_of(part.get("text")) or part.get("refusal") or "", deltas)

    def _say(self, piece: str, deltas: list[Delta]) -> None:
        if piece and (text := self._text.add(piece)):
            deltas.append(TextDelta(text))

    def _think(self, field: str | None, piece: str, deltas: list[Delta]) -> None:
        self._reasoning_field = self._reasoning_field or field
        if piece and (text := self._reasoning.add(piece)):
            self._thoughts.append(text)
            deltas.append(ReasoningDelta(text))

    def _finish(self, reason: str, choice: dict[str, Any]) -> None:
        native = _word(choice.get("native_finish_reason") or "")
        if reason in BROKEN or native in BROKEN:
            raise self._wire.failure(f"The answer broke: {native or reason}.")
        if reason not in NOT_FINISHED:
            self._finish_reason = FINISH_REASONS.get(reason, reason)
            self.ended = True

    @property
    def _has_content(self) -> bool:
        return bool(self._text.length or self._reasoning.length or self._calls.calls)

    def close(self) -> None:
        """Note the ``[DONE]`` of the stream. See ``Answer``."""
        self.closed = True

    def end(self) -> ModelAnswer:
        """Return the end of the answer. See ``Answer``."""
        has_no_end = not self.ended or self._finish_reason not in FINISH_REASONS.values()
        if has_no_end and not self._has_content and (self.ended or self.closed):
            raise self._wire.empty()
        if not self.ended and not self.closed:
            raise self._wire.broken_off()
        calls, refused = read_calls(self._calls.calls, self._request.messages, self._own_names)
        return ModelAnswer(
            tool_calls=calls,
            usage=self._usage or Usage(),
            finish_reason=self._reason(has_calls=bool(calls)),
            thinking_blocks=self._thinking_blocks(),
            refused_calls=refused,
            model=self._model,
        )

    def _reason(self, *, has_calls: bool) -> str:
        # Servers that say "stop" after tool calls exist.
        if has_calls and self._finish_reason in {None, "stop"}:
            return "tool_calls"
        return self._finish_reason or "stop"

    def _thinking_blocks(self) -> list[ThinkingBlock]:
        blocks: list[ThinkingBlock] = []
        if thoughts := "".join(self._thoughts):
            blocks.append(ThinkingBlock(thinking=thoughts, field=self._reasoning_field))
        if self._opaque:
            blocks.append(ThinkingBlock(item=self._opaque))
        blocks += [
            ThinkingBlock(item=extras, on_call=index)
            for index, extras in self._calls.extras.items()
        ]
        return blocks


def _word(reason: Any) -> str:
    """Return a finish reason as this module writes it; some are ``FinishReason.STOP``."""
    return str(reason).lower().rpartition(".")[2].replace("-", "_")


def _text_of(value: Any) -> str:
    """Return a text that may come as parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_text_of(part) for part in cast("list[Any]", value))
    if isinstance(value, dict):
        fields = cast("Mapping[str, Any]", value)
        names = ("text", "content", "summary", "value")
        return _text_of(next((fields[name] for name in names if fields.get(name)), ""))
    return ""
