"""What the tests of drivers share: messages, requests, and a provider on the loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from pydantic import SecretStr

from everruns.domain.controls import AnswerControls
from everruns.domain.llm import ModelProfile, OfferedModel
from everruns.domain.messages import (
    ImagePart,
    Message,
    TextPart,
    ThinkingBlock,
    ToolCallPart,
    ToolResultPart,
)
from everruns.domain.tools import ToolDefinition
from everruns.providers.base import (
    Driver,
    ModelAnswer,
    ModelChunk,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    UsageSoFar,
)
from everruns.providers.catalogue import profile_of
from everruns.providers.connections import Connections
from everruns.providers.http import Wire
from everruns.providers.responses import ResponsesDriver
from tests.odd_images import PIXEL
from tests.response_events import MODEL

NOW = "2026-11-01T00:00:00.000Z"
KEY = "sk-test-secret-0001"


@dataclass
class Asked:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    content: bytes


@dataclass
class Answer:
    """What is answered, in pieces.

    Attributes:
        ends: Whether it comes to its end, or waits after the last piece.
        abandoned: Set when the client closes the connection before the end.
    """

    status: int
    headers: dict[str, str]
    pieces: Iterable[bytes]
    ends: bool = True
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)


class FakeProvider:
    """Answers each request with the next of its answers and keeps the requests."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[Asked] = []
        self.connections = Connections()
        self._server = RawTestServer(self._answer)

    async def start(self) -> None:
        await self._server.start_server()

    async def close(self) -> None:
        await self.connections.close()
        await self._server.close()

    def streams(self, *events: Any, ends: bool = True) -> Answer:
        """Answer with these events: JSON values, or bytes as they are."""
        pieces = [
            event if isinstance(event, bytes) else b"data: " + orjson.dumps(event) + b"\n\n"
            for event in events
        ]
        return self.sends(pieces, ends=ends)

    def sends(
        self,
        pieces: Iterable[bytes],
        status: int = 200,
        content_type: str = "text/event-stream",
        ends: bool = True,
        **headers: str,
    ) -> Answer:
        answer = Answer(status, {"content-type": content_type, **headers}, pieces, ends)
        self.answers.append(answer)
        return answer

    def refuses(self, status: int, error: Any, **headers: str) -> Answer:
        body = orjson.dumps({"error": error})
        return self.sends([body], status, "application/json", **headers)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(request.content) for request in self.requests]

    def wire(self, **details: Any) -> Wire:
        base_url = str(self._server.make_url("/v1"))
        fields = {"api_key": SecretStr(KEY), **details}
        return Wire("fake", base_url, 5, self.connections, **fields)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): text for name, text in request.headers.items()}
        self.requests.append(Asked(request.path_qs, headers, await request.read()))
        answer = self.answers.pop(0)
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        await response.prepare(request)
        try:
            for piece in answer.pieces:
                await response.write(piece)
            if not answer.ends:
                await asyncio.Event().wait()
        except (asyncio.CancelledError, ConnectionError):
            answer.abandoned.set()
            raise
        await response.write_eof()
        return response


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    provider = FakeProvider()
    await provider.start()
    yield provider
    await provider.close()


@pytest.fixture
def say() -> Callable[..., Message]:
    """Build a message from texts and parts."""

    def build(role: str, *content: Any, thoughts: Iterable[ThinkingBlock] = ()) -> Message:
        parts = [TextPart(text=part) if isinstance(part, str) else part for part in content]
        return Message(
            id="message_1",
            session_id="session_1",
            role=role,
            content=parts,
            thinking_blocks=list(thoughts),
            created_at=NOW,
        )

    return build


@pytest.fixture
def talk(say: Callable[..., Message]) -> Callable[..., list[Message]]:
    """Build a conversation with images, two tool calls and their results."""

    def build(*thoughts: ThinkingBlock) -> list[Message]:
        calls = [
            ToolCallPart(id="call_1", name="weather", arguments={"city": "Rome"}),
            ToolCallPart(id="call_2", name="weather"),
        ]
        return [
            say("user", "Look", ImagePart(url="https://x.test/a.png")),
            say("user", ImagePart(base64=PIXEL, media_type="image/png")),
            say("agent", "Let me see.", *calls, thoughts=thoughts),
            say("tool_result", ToolResultPart(tool_call_id="call_1", result={"c": 21})),
            say("tool_result", ToolResultPart(tool_call_id="call_2", error="No city.")),
        ]

    return build


@pytest.fixture
def ask(say: Callable[..., Message]) -> Callable[..., ModelRequest]:
    """Build a request to a model by its name; what the catalogue knows of it comes along."""

    def build(
        model_id: str,
        *messages: Message,
        system_prompt: str = "",
        effort: str | None = None,
        **fields: Any,
    ) -> ModelRequest:
        provider_type = "anthropic" if model_id.startswith("claude") else "openai"
        profile: ModelProfile | None = profile_of(provider_type, model_id)
        model = OfferedModel(
            id="model_1",
            provider_id="provider_1",
            provider_name="fake",
            provider_type=provider_type,
            model_id=model_id,
            display_name=model_id,
            profile=profile,
            created_at=NOW,
            updated_at=NOW,
        )
        if effort:
            fields["controls"] = AnswerControls.model_validate({"reasoning": {"effort": effort}})
        return ModelRequest(model, system_prompt, messages or (say("user", "hi"),), **fields)

    return build


@pytest.fixture
def collect() -> Callable[..., Any]:
    async def gather(driver: Driver, request: ModelRequest) -> list[ModelChunk]:
        # Of tokens the answer tells all that most tests are about.
        return [
            chunk async for chunk in driver.stream(request) if not isinstance(chunk, UsageSoFar)
        ]

    return gather


@pytest.fixture
def read(
    provider: FakeProvider, ask: Callable[..., ModelRequest], collect: Callable[..., Any]
) -> Callable[..., Any]:
    """Answer a driver with these events, in a turn with tools; return the text and the answer."""
    tools = [
        ToolDefinition(name=name, description="", parameters={}) for name in ("add", "weather")
    ]

    async def read(driver: Callable[[Wire], Driver], *events: Any) -> tuple[str, ModelAnswer]:
        provider.streams(*events)
        chunks = await collect(driver(provider.wire()), ask("m", tools=tools))
        text = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))
        assert isinstance(chunks[-1], ModelAnswer)
        return text, chunks[-1]

    return read


@pytest.fixture
def answered(
    provider: FakeProvider, ask: Callable[..., ModelRequest], collect: Callable[..., Any]
) -> Callable[..., Any]:
    """Answer with events of the Responses API; return the text, the reasoning and the answer."""

    async def answer(*events: Any, request: ModelRequest | None = None) -> tuple[Any, ...]:
        provider.streams(*events)
        chunks = await collect(ResponsesDriver(provider.wire()), request or ask(MODEL))
        assert isinstance(chunks[-1], ModelAnswer)
        shown = [
            "".join(chunk.text for chunk in chunks if isinstance(chunk, kind))
            for kind in (TextDelta, ReasoningDelta)
        ]
        return *shown, chunks[-1]

    return answer
