"""The Chat Completions protocol of OpenAI, Azure and many compatible servers.

Source: https://platform.openai.com/docs/api-reference/chat.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import orjson

from everruns.domain.messages import ImagePart, Message, TextPart, ThinkingBlock, ToolResultPart
from everruns.domain.usage import Usage, read_token_count
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
from everruns.providers.tool_calls import (
    RawCall,
    accepted_name,
    input_schema,
    read_calls,
    result_text,
    sent_ids,
)

DEFAULT_BASE_URL = "https://api.openai.com/v1"

# In this protocol these models accept tools only with reasoning turned off.
NO_REASONING_WITH_TOOLS = (
    "gpt-5.4",
    "gpt-5.5",
    "gpt-5.6",
    "gpt-6-luna",
    "gpt-6-sol",
    "gpt-6.1-terra",
)


class OpenAIDriver:
    """Speaks Chat Completions.

    Args:
        wire: The address and the key.
        path: Path of the completions; ``{model}`` stands for the model's name.
    """

    def __init__(self, wire: Wire, path: str = "/chat/completions") -> None:
        self._wire = wire
        self._path = path

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """Call the model once. See ``Driver``."""
        path = self._path.format(model=quote(request.model.model_id, safe=""))
        answer = _Answer(self._wire)
        async with aclosing(self._wire.post(path, completion_body(request))) as payloads:
            async for payload in payloads:
                if payload == b"[DONE]":
                    answer.finished = True
                    await drain(payloads)
                    break
                for chunk in answer.read(payload):
                    yield chunk
        yield answer.end(request)

    async def list_models(self) -> Sequence[ListedModel]:
        """Return the chat models that the account has. See ``Driver``."""
        return read_model_list(await self._wire.get("/models"))


class _Answer:
    """The received part of an answer."""

    def __init__(self, wire: Wire) -> None:
        self.finished = False
        self._wire = wire
        self._begun = False
        self._reasoning = ""
        self._calls: list[RawCall] = []
        self._call_at: dict[int, RawCall] = {}
        self._finish_reason: str | None = None
        self._usage = Usage()
        self._model: str | None = None

    def read(self, payload: bytes) -> list[TextDelta | ReasoningDelta | UsageSoFar]:
        event = self._wire.decode(payload)
        try:
            return self._read(event)
        except (AttributeError, TypeError, ValueError):
            raise self._wire.malformed() from None

    def _read(self, event: dict[str, Any]) -> list[TextDelta | ReasoningDelta | UsageSoFar]:
        if error := event.get("error"):
            raise self._wire.failure(error)
        self._model = event.get("model") or self._model
        if usage := event.get("usage"):
            self._usage = read_usage(usage)
        chunks: list[TextDelta | ReasoningDelta | UsageSoFar] = []
        if usage or not self._begun:
            self._begun = True
            chunks.append(UsageSoFar(self._usage))
        choices: Any = event.get("choices") or ()
        for choice in choices:
            delta: Any = choice.get("delta") or {}
            # Two names for one thing among the compatible servers.
            if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
                self._reasoning += reasoning
                chunks.append(ReasoningDelta(reasoning))
            if text := delta.get("content") or delta.get("refusal"):
                chunks.append(TextDelta("" + text))
            for part in delta.get("tool_calls") or ():
                self._read_call(part)
            if reason := choice.get("finish_reason"):
                self._finish_reason = reason
                self.finished = True
        return chunks

    def _read_call(self, part: dict[str, Any]) -> None:
        index: int = part.get("index") or 0
        identity: str = part.get("id") or ""
        call = self._call_at.get(index)
        # Some servers give every call the same index; a new id tells them apart.
        if call is None or (identity and call.id and identity != call.id):
            call = self._call_at[index] = RawCall()
            self._calls.append(call)
        function: dict[str, Any] = part.get("function") or {}
        call.id = call.id or identity
        call.name = call.name or function.get("name") or ""
        call.arguments += function.get("arguments") or ""

    def end(self, request: ModelRequest) -> ModelAnswer:
        if not self.finished:
            raise self._wire.broken_off()
        calls, refused = read_calls(self._calls, request.messages)
        reasoning = self._reasoning
        return ModelAnswer(
            tool_calls=calls,
            usage=self._usage,
            finish_reason=_finish_reason(self._finish_reason, has_calls=bool(calls)),
            thinking_blocks=[ThinkingBlock(thinking=reasoning)] if reasoning else [],
            refused_calls=refused,
            model=self._model,
        )


def _finish_reason(reason: str | None, *, has_calls: bool) -> str:
    # Servers that say "stop" after tool calls exist, and so does the older "function_call".
    if has_calls and reason in {None, "stop", "function_call"}:
        return "tool_calls"
    return reason or "stop"


def read_usage(usage: dict[str, Any]) -> Usage:
    """Read a usage object, whose prompt tokens include the cached ones."""
    details: dict[str, Any] = usage.get("prompt_tokens_details") or {}
    return Usage(
        input_tokens=read_token_count(usage.get("prompt_tokens")) or 0,
        output_tokens=read_token_count(usage.get("completion_tokens")) or 0,
        cache_read_tokens=read_token_count(details.get("cached_tokens")),
        cache_creation_tokens=read_token_count(details.get("cache_write_tokens")),
    )


def completion_body(request: ModelRequest) -> dict[str, Any]:
    """Return the body that asks for one streamed completion."""
    ids = sent_ids(request)
    messages = [_message(message, ids) for message in request.messages]
    if request.system_prompt:
        messages.insert(0, {"role": "system", "content": request.system_prompt})
    body: dict[str, Any] = {
        "model": request.model.model_id,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if effort := _effort(request):
        body["reasoning_effort"] = effort
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": input_schema(tool),
                },
            }
            for tool in request.tools
        ]
        if request.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    return body


def _effort(request: ModelRequest) -> str | None:
    profile = request.model.profile
    if request.tools and request.model.model_id.startswith(NO_REASONING_WITH_TOOLS):
        return "none"
    return None if profile and profile.reasoning is False else request.effort


def _message(message: Message, ids: dict[str, str]) -> dict[str, Any]:
    if message.role == "tool_result":
        part = next(part for part in message.content if isinstance(part, ToolResultPart))
        return {
            "role": "tool",
            "tool_call_id": ids[part.tool_call_id],
            "content": result_text(part),
        }
    if message.role != "agent":
        return {"role": message.role, "content": _content(message)}
    calls = message.tool_calls
    answer: dict[str, Any] = {"role": "assistant", "content": message.text}
    if calls:
        answer["content"] = message.text or None
        answer["tool_calls"] = [
            {
                "id": ids[call.id],
                "type": "function",
                "function": {
                    "name": accepted_name(call.name),
                    "arguments": orjson.dumps(call.arguments).decode(),
                },
            }
            for call in calls
        ]
    return answer


def _content(message: Message) -> str | list[dict[str, Any]]:
    if all(isinstance(part, TextPart) for part in message.content) and len(message.content) == 1:
        return message.text
    parts: list[dict[str, Any]] = []
    for part in message.content:
        if isinstance(part, TextPart):
            parts.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart):
            url = part.url or f"data:{part.media_type};base64,{part.base64}"
            parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts
