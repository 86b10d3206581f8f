"""OpenAI's Responses API: the driver and the parser of its stream.

Source: https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from everruns.domain.usage import Usage
from everruns.providers.base import ModelAnswer, ModelRequest, UsageSoFar
from everruns.providers.concessions import Attempt
from everruns.providers.error_bodies import error_in
from everruns.providers.http import Wire
from everruns.providers.image_limits import OPENAI
from everruns.providers.openai_usage import read_usage
from everruns.providers.output_rules import OPENAI_OUTPUT
from everruns.providers.response_items import OutputItems, arguments_text
from everruns.providers.responses_request import response_body
from everruns.providers.streaming import Delta, StreamingDriver
from everruns.providers.tool_calls import exact_json, read_calls

FINISH_REASONS = {"max_output_tokens": "length", "max_tokens": "length", "length": "length"}

# The events that bring an item's content end in ".delta" and ".done".
KINDS = {
    "response.output_text": "message",
    "response.refusal": "message",
    "response.reasoning_summary_text": "reasoning",
    "response.reasoning_text": "reasoning",
    "response.function_call_arguments": "function_call",
}

FAILED = {"failed", "cancelled"}
UNFINISHED = {"queued", "in_progress"}


class ResponsesDriver(StreamingDriver):
    """Speaks the Responses API."""

    path = "/responses"
    output_rules = OPENAI_OUTPUT
    image_limits = OPENAI

    def _body(self, attempt: Attempt) -> dict[str, Any]:
        return response_body(attempt)

    def _answer(self, request: ModelRequest) -> "ResponsesAnswer":
        return ResponsesAnswer(self._wire, request)


class ResponsesAnswer:
    """The received part of an answer. See ``Answer``.

    Items of unknown types, such as the calls of tools that the provider runs itself, are passed
    over.

    Args:
        wire: The provider, for failures.
        request: What was asked.
    """

    def __init__(self, wire: Wire, request: ModelRequest) -> None:
        self.ended = self.closed = self._has_begun = False
        self._wire = wire
        self._request = request
        self._items = OutputItems()
        self._usage = Usage()
        self._finish_reason = "stop"
        self._model: str | None = None

    def read(self, event: dict[str, Any]) -> Sequence[Delta]:
        """Read an event, or a whole response in its place. See ``Answer``."""
        deltas = self._read(event)
        if self._has_begun:
            return deltas
        self._has_begun = True
        return [UsageSoFar(Usage()), *deltas]

    def _read(self, event: dict[str, Any]) -> Sequence[Delta]:
        kind, index = event.get("type"), event.get("output_index")
        name, _, step = str(kind).rpartition(".")
        if name in KINDS:
            return self._read_content(name, step, event)
        match kind:
            case "response.output_item.added":
                if described := event.get("item"):
                    item = self._items.find(described["type"], index, described, begins=True)
                    item.whole = described
            case "response.output_item.done" if event.get("item"):
                described = event["item"]
                item = self._items.find(described["type"], index, described)
                return self._items.close(item, described)
            case "response.reasoning_summary_part.added":
                self._items.find("reasoning", index, event).part = None
            case (
                "response.completed"
                | "response.incomplete"
                | "response.failed"
                | "response.cancelled"
                | "response.done"
            ):
                return self._finish(step, event.get("response") or {})
            case "error" | "response.error" | None:
                if event.get("object") == "response" and event.get("status") not in UNFINISHED:
                    return self._finish(str(event.get("status")), event)
                if error := error_in(event):
                    raise self._wire.failure(error)
            case _:  # response.created, the events of the provider's own tools, and future ones
                pass
        return ()

    def _read_content(self, name: str, step: str, event: dict[str, Any]) -> Sequence[Delta]:
        """Read a piece of an item's content, or the whole of it."""
        item = self._items.find(KINDS[name], event.get("output_index"), event)
        if step == "delta":
            part = (name, event.get("summary_index"), event.get("content_index"))
            delta = event.get("delta") or ""
            if item.kind == "function_call" and isinstance(delta, dict):
                delta = exact_json(delta)
            return self._items.grow(item, delta, part)
        item.whole = item.whole or event
        text = event.get("text") or event.get("refusal") or arguments_text(event)
        return self._items.complete(item, text)

    def _finish(self, step: str, response: dict[str, Any]) -> Sequence[Delta]:
        """Read the response at its end; a server that does not stream sends nothing else.

        Args:
            step: How it ended, by the name of the event.
            response: The response, whose ``status`` may know better.
        """
        steps = {step, response.get("status")}
        if steps & FAILED:
            raise self._wire.failure(response.get("error") or response.get("incomplete_details"))
        deltas: list[Delta] = []
        places: Counter[str] = Counter()
        output: list[dict[str, Any]] = response.get("output") or []
        for described in filter(None, output):
            kind = str(described.get("type"))
            item = self._items.find_final(described, places[kind])
            places[kind] += 1
            deltas += self._items.close(item, described)
        if "incomplete" in steps:
            details: dict[str, Any] = response.get("incomplete_details") or {}
            reason = str(details.get("reason") or "incomplete")
            self._finish_reason = FINISH_REASONS.get(reason, reason)
        self._model = str(response.get("model") or "") or None
        self._usage = read_usage(response) or self._usage
        self.ended = self.closed = True
        return [*deltas, UsageSoFar(self._usage)]

    def close(self) -> None:
        """Note the ``[DONE]`` that some servers send. See ``Answer``."""
        self.closed = True

    def end(self) -> ModelAnswer:
        """Return the end of the answer. See ``Answer``."""
        if not self.ended and not (self.closed and self._items.are_whole):
            raise self._wire.broken_off()
        calls, refused = read_calls(self._items.raw_calls(), self._request.messages)
        reason = self._finish_reason
        return ModelAnswer(
            tool_calls=calls,
            usage=self._usage,
            finish_reason="tool_calls" if calls and reason == "stop" else reason,
            thinking_blocks=self._items.thinking_blocks(),
            refused_calls=refused,
            model=self._model,
        )
