"""Recorded streams of model APIs, and a provider that plays them from memory.

Each ``NAME.sse`` in ``tests/recordings`` is the body of one answer; ``NAME.json`` says what a
reader must make of it, and which published example its structure follows.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import SecretStr

from everruns.domain.llm import OfferedModel
from everruns.domain.messages import Message, TextPart
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.base import (
    Driver,
    ModelAnswer,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
)
from everruns.providers.chat_completions import ChatCompletionsDriver
from everruns.providers.connections import Connections
from everruns.providers.event_stream import EventSplitter
from everruns.providers.http import Wire
from everruns.providers.pace import AnswerPace
from everruns.providers.responses import ResponsesDriver

FOLDER = Path(__file__).parent / "recordings"
NOW = "2026-11-01T00:00:00.000Z"

WireName = Literal["chat", "messages", "responses"]

DRIVERS: dict[WireName, Callable[[Wire], Driver]] = {
    "chat": ChatCompletionsDriver,
    "messages": AnthropicDriver,
    "responses": ResponsesDriver,
}


@dataclass(frozen=True)
class Recording:
    """One recorded answer and what is right to read from it."""

    name: str
    wire: WireName
    stream: bytes = field(repr=False)
    right: dict[str, Any] = field(repr=False)


@cache
def recordings(wire: WireName) -> Sequence[Recording]:
    """Return the recordings of one protocol, in the order of their names."""
    found: list[Recording] = []
    for path in sorted(FOLDER.glob("*.json")):
        right: dict[str, Any] = orjson.loads(path.read_bytes())
        if right.pop("wire") == wire:
            for about in ("vendor", "source"):
                right.pop(about)
            stream = path.with_suffix(".sse").read_bytes()
            found.append(Recording(path.stem, wire, stream, right))
    return found


@dataclass(frozen=True)
class Reading:
    """What a driver made of a stream."""

    text: str
    reasoning: str
    answer: ModelAnswer

    @property
    def summary(self) -> dict[str, Any]:
        """What a recording's JSON says, as it was read."""
        usage = self.answer.usage
        return {
            "text": self.text,
            "reasoning": self.reasoning,
            "calls": [[call.name, call.arguments] for call in self.answer.tool_calls],
            "finish_reason": self.answer.finish_reason,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cache_read_tokens": usage.cache_read_tokens,
        }


@dataclass(frozen=True)
class RecordedWire(Wire):
    """Plays an answer, cut into pieces, without a network."""

    pieces: Sequence[bytes] = ()

    async def post(
        self,
        path: str,
        body: dict[str, Any],
        pace: AnswerPace | None = None,
        traceparent: str | None = None,
    ) -> AsyncGenerator[bytes]:
        splitter = EventSplitter()
        for piece in self.pieces:
            for data in splitter.feed(piece):
                yield data
        for data in splitter.end():
            yield data


# It opens no connection.
_CONNECTIONS = Connections()


async def read(wire: WireName, pieces: Sequence[bytes]) -> Reading:
    """Read a stream that arrives in these pieces, with the driver of its protocol."""
    key = SecretStr("sk-test")
    replayed = RecordedWire("recorded", "http://recorded", 5, _CONNECTIONS, key, pieces=pieces)
    chunks = [chunk async for chunk in DRIVERS[wire](replayed).stream(_request(wire))]
    answer = chunks[-1]
    assert isinstance(answer, ModelAnswer)
    return Reading(
        text="".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta)),
        reasoning="".join(chunk.text for chunk in chunks if isinstance(chunk, ReasoningDelta)),
        answer=answer,
    )


@cache
def _request(wire: WireName) -> ModelRequest:
    model = OfferedModel(
        id="model_1",
        provider_id="provider_1",
        provider_name="recorded",
        provider_type="anthropic" if wire == "messages" else "openai",
        model_id="recorded-model",
        display_name="Recorded model",
        created_at=NOW,
        updated_at=NOW,
    )
    question = Message(
        id="message_1",
        session_id="session_1",
        role="user",
        content=[TextPart(text="Go on.")],
        created_at=NOW,
    )
    return ModelRequest(model, "", [question])
