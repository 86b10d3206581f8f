"""What the tests of drivers share: messages, requests, and a provider that is a function."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from everruns.domain.llm import ModelProfile, OfferedModel
from everruns.domain.messages import Message, TextPart, ThinkingBlock
from everruns.providers.base import Driver, ModelChunk, ModelRequest
from everruns.providers.catalogue import profile_of
from everruns.providers.http import Wire

NOW = "2026-11-01T00:00:00.000Z"
KEY = "sk-test-secret-0001"


class Chunks(httpx.AsyncByteStream):
    """A body that arrives in pieces."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = chunks
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk

    async def aclose(self) -> None:
        self.closed = True


class FakeProvider:
    """Answers each request with the next of its answers and keeps the requests."""

    def __init__(self) -> None:
        self.answers: list[httpx.Response] = []
        self.requests: list[httpx.Request] = []

    def streams(self, *events: Any) -> Chunks:
        """Answer with these events: JSON values, or bytes as they are."""
        return self.sends(
            *(
                event if isinstance(event, bytes) else b"data: " + orjson.dumps(event) + b"\n\n"
                for event in events
            )
        )

    def sends(self, *chunks: bytes, content_type: str = "text/event-stream") -> Chunks:
        body = Chunks(chunks)
        headers = {"content-type": content_type}
        self.answers.append(httpx.Response(200, headers=headers, stream=body))
        return body

    def refuses(self, status: int, error: Any, headers: dict[str, str] | None = None) -> None:
        self.answers.append(httpx.Response(status, json={"error": error}, headers=headers))

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(request.content) for request in self.requests]

    def wire(self, **details: Any) -> Wire:
        def answer(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            return self.answers.pop(0)

        client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        fields = {"api_key": SecretStr(KEY), **details}
        return Wire("fake", "https://fake.test/v1", 5, client=client, **fields)


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


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
def ask(say: Callable[..., Message]) -> Callable[..., ModelRequest]:
    """Build a request to a model by its name; what the catalogue knows of it comes along."""

    def build(
        model_id: str, *messages: Message, system_prompt: str = "", **fields: Any
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
        return ModelRequest(model, system_prompt, messages or (say("user", "hi"),), **fields)

    return build


@pytest.fixture
def collect() -> Callable[..., Any]:
    async def gather(driver: Driver, request: ModelRequest) -> list[ModelChunk]:
        return [chunk async for chunk in driver.stream(request)]

    return gather
