"""OpenAI's Responses API: the driver and the parser of its stream.

Source: https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from everruns.domain.usage import Usage, read_token_count
from everruns.errors import ProviderRejected
from everruns.providers.base import (
    ModelAnswer,
    ModelChunk,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    UsageSoFar,
)
from everruns.providers.http import Wire, drain
from everruns.providers.openai import listed_models
from everruns.providers.response_items import OutputItems, arguments_text
from everruns.providers.responses_request import response_body
from everruns.providers.tool_calls import read_calls

FINISH_REASONS = {"max_output_tokens": "length"}

# The events that bring an item's content end in ".delta" and ".done".
KINDS = {
    "response.output_text": "message",
    "response.refusal": "message",
    "response.reasoning_summary_text": "reasoning",
    "response.reasoning_text": "reasoning",
    "response.function_call_arguments": "function_call",
}

ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
OVER = ("completed", "incomplete", "failed", "cancelled")

Chunk = TextDelta | ReasoningDelta | UsageSoFar


class ResponsesDriver:
    """Speaks the Responses API.

    Args:
        wire: The address and the key.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """Call the model once. See ``Driver``."""
        body = response_body(request)
        while True:
            answer = ResponsesAnswer(self._wire)
            try:
                async with aclosing(self._wire.post("/responses", body)) as payloads:
                    async for payload in payloads:
                        if payload == b"[DONE]":
                            break
                        for chunk in answer.read(self._wire.decode(payload)):
                            yield chunk
                        if answer.ended:
                            await drain(payloads)
                            break
                break
            except ProviderRejected as error:
                smaller = _without_refused(request, body, error.message)
                if answer.begun or smaller is None:
                    raise
                body = smaller
        yield answer.end(request)

    async def list_models(self) -> Sequence[str]:
        """Return the names of the offered models. See ``Driver``."""
        return listed_models(await self._wire.get("/models"))


def _without_refused(
    request: ModelRequest, body: dict[str, Any], reason: str
) -> dict[str, Any] | None:
    """Return the body without what a provider refused, or ``None`` if that cannot be left out.

    Summaries are refused to organizations that OpenAI has not verified. Sealed reasoning is
    refused by models that write none, and when it was sealed for another account.
    """
    reason = reason.lower()
    with_summary = "summary" in body.get("reasoning", {})
    if with_summary and "summar" in reason:
        return response_body(request, with_reasoning="include" in body, with_summary=False)
    if "reasoning" in reason or "encrypted" in reason:
        smaller = response_body(request, with_reasoning=False, with_summary=with_summary)
        return smaller if smaller != body else None
    return None


class ResponsesAnswer:
    """The received part of an answer. See ``Answer``.

    Attributes:
        ended: Whether the provider has said that it is complete.
    """

    def __init__(self, wire: Wire) -> None:
        self.ended = False
        self._wire = wire
        self._items = OutputItems()
        self._usage: Usage | None = None
        self._finish_reason = "stop"
        self._model: str | None = None

    @property
    def begun(self) -> bool:
        """Whether anything of the answer has come."""
        return self._items.any_content

    def read(self, event: dict[str, Any]) -> Sequence[Chunk]:
        """Read an event and return what of it is shown.

        Raises:
            ModelFailure: The provider reports an error, or the event makes no sense.
        """
        try:
            chunks = self._read(event)
        except (AttributeError, KeyError, TypeError):
            raise self._wire.malformed() from None
        if self._usage is None:
            self._usage = Usage()
            return [UsageSoFar(self._usage), *chunks]
        return chunks

    def _read(self, event: dict[str, Any]) -> Sequence[Chunk]:
        kind, index = event.get("type"), event.get("output_index")
        name, _, step = str(kind).rpartition(".")
        if name in KINDS:
            return self._read_content(name, step, event)
        if kind in ENDS or (event.get("object") == "response" and event.get("status") in OVER):
            return self._finish(step, event.get("response") or event)
        if kind == "error" or event.get("error"):
            raise self._wire.failure(event.get("error") or {**event, "type": None})
        match kind:
            case "response.output_item.added":
                described = event["item"]
                item = self._items.find(described["type"], index, described, begins=True)
                item.whole = described
            case "response.output_item.done":
                described = event["item"]
                item = self._items.find(described["type"], index, described)
                return self._items.close(item, described)
            case "response.reasoning_summary_part.added":
                self._items.find("reasoning", index, event).part = None
            case _:  # response.created, the events of the provider's own tools, and future ones
                pass
        return ()

    def _read_content(self, name: str, step: str, event: dict[str, Any]) -> Sequence[Chunk]:
        """Read a piece of an item's content, or the whole of it."""
        item = self._items.find(KINDS[name], event.get("output_index"), event)
        if step == "delta":
            part = (name, event.get("summary_index"), event.get("content_index"))
            return self._items.grow(item, event.get("delta") or "", part)
        item.whole = item.whole or event
        text = event.get("text") or event.get("refusal") or arguments_text(event)
        return self._items.complete(item, text)

    def _finish(self, step: str, response: dict[str, Any]) -> Sequence[Chunk]:
        """Read the response at its end; a server that does not stream sends nothing else."""
        status = response.get("status") or step
        if step == "failed" or status in {"failed", "cancelled"}:
            raise self._wire.failure(response.get("error"))
        chunks: list[Chunk] = []
        places: Counter[str] = Counter()
        output: list[dict[str, Any]] = response.get("output") or []
        for described in output:
            kind = str(described.get("type"))
            item = self._items.find_final(described, places[kind])
            places[kind] += 1
            chunks += self._items.close(item, described)
        if "incomplete" in {step, status}:
            details: dict[str, Any] = response.get("incomplete_details") or {}
            reason = details.get("reason") or "incomplete"
            self._finish_reason = FINISH_REASONS.get(reason, reason)
        self._model = response.get("model")
        self._usage = read_usage(response.get("usage") or {})
        self.ended = True
        return [*chunks, UsageSoFar(self._usage)]

    def end(self, request: ModelRequest) -> ModelAnswer:
        """Return the rest of the answer.

        Raises:
            ProviderUnavailable: The stream ended before the answer did.
        """
        if not self.ended:
            raise self._wire.broken_off()
        calls, refused = read_calls(self._items.raw_calls(), request.messages)
        reason = self._finish_reason
        return ModelAnswer(
            tool_calls=calls,
            usage=self._usage or Usage(),
            finish_reason="tool_calls" if calls and reason == "stop" else reason,
            thinking_blocks=self._items.thinking_blocks(),
            refused_calls=refused,
            model=self._model,
        )


def read_usage(usage: dict[str, Any]) -> Usage:
    """Read a usage object, whose input tokens include the cached ones."""
    details: dict[str, Any] = usage.get("input_tokens_details") or {}
    return Usage(
        input_tokens=read_token_count(usage.get("input_tokens")) or 0,
        output_tokens=read_token_count(usage.get("output_tokens")) or 0,
        cache_read_tokens=read_token_count(details.get("cached_tokens")),
        cache_creation_tokens=read_token_count(details.get("cache_write_tokens")),
    )
