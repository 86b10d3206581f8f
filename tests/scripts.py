"""A runtime in this process whose model and tools do what a test wrote."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from everruns.capabilities.base import Capability, Preparation, Restrict
from everruns.capabilities.registry import load_capabilities
from everruns.domain.llm import ProviderAccount
from everruns.domain.tools import ToolCall
from everruns.domain.usage import Usage
from everruns.providers.base import (
    Driver,
    ModelAnswer,
    ModelChunk,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
)
from everruns.providers.model_lists import ListedModel
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from everruns.storage.memory.store import MemoryStore
from everruns.storage.store import Store
from everruns.telemetry.observing import Observer
from everruns.tools.base import Tool
from everruns.tools.function import tool

Step = Callable[[ModelRequest], AsyncGenerator[ModelChunk, None]]
USAGE = Usage(input_tokens=10, output_tokens=5)


class Gate:
    """Something stops here until the test lets it go on.

    Attributes:
        reached: Set when somebody has come to the gate.
        opened: Set by the test.
    """

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def pass_through(self) -> None:
        self.reached.set()
        await self.opened.wait()

    def open(self) -> None:
        self.opened.set()


class Crossing(Gate):
    """An open gate that takes a while to pass.

    Attributes:
        most: Most that were passing through at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self._passing = 0

    async def pass_through(self) -> None:
        self._passing += 1
        self.most = max(self.most, self._passing)
        for _ in range(20):
            await asyncio.sleep(0)
        self._passing -= 1


class ScriptedDriver:
    """Answers each call with the next step and keeps the requests."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.requests: list[ModelRequest] = []
        self.closed = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        self.requests.append(request)
        assert self.steps, "the model was asked once too often"
        try:
            async for chunk in self.steps.pop(0)(request):
                yield chunk
        finally:
            self.closed += 1

    async def list_models(self) -> Sequence[ListedModel]:
        return []

    def read(self, call: int) -> list[str]:
        """What the model read in a call, one line a message."""
        return [
            f"{message.role}: {message.text or [part.type for part in message.content]}"
            for message in self.requests[call].messages
        ]


def step(*chunks: ModelChunk | Gate | Exception) -> Step:
    """Chunks in order; at a gate it waits, at an error it fails."""

    async def run(_request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        for chunk in chunks:
            if isinstance(chunk, Gate):
                await chunk.pass_through()
            elif isinstance(chunk, Exception):
                raise chunk
            else:
                await asyncio.sleep(0)
                yield chunk

    return run


def _deltas(words: Sequence[str | Gate | Exception]) -> list[Any]:
    return [TextDelta(word) if isinstance(word, str) else word for word in words]


def says(*words: str | Gate | Exception, reasoning: Sequence[str] = ()) -> Step:
    """An answer of these words."""
    thought = [ReasoningDelta(word) for word in reasoning]
    return step(*thought, *_deltas(words), ModelAnswer(usage=USAGE))


def calls(*wanted: ToolCall, words: Sequence[str | Gate] = ()) -> Step:
    """An answer that calls tools."""
    answer = ModelAnswer(tool_calls=wanted, usage=USAGE, finish_reason="tool_calls")
    return step(*_deltas(words), answer)


def call(name: str, call_id: str | None = None, **arguments: Any) -> ToolCall:
    return ToolCall(id=call_id or f"call_{name}", name=name, arguments=arguments)


@tool()
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@asynccontextmanager
async def local_runtime(
    driver: Driver | None = None,
    *tools: Tool,
    store: Store | None = None,
    preparation: Preparation | None = None,
    restrict: Restrict | None = None,
    observers: Sequence[Observer] = (),
    **settings: Any,
) -> AsyncIterator[LocalRuntime]:
    """A started runtime; its sessions find tools and preparation in the capability ``kit``."""
    kit = Capability(
        "kit",
        "Kit",
        "What a test wrote.",
        tools=tools,
        preparation=preparation,
        restrict=restrict,
    )
    runtime = LocalRuntime(
        store or MemoryStore(),
        Settings(
            **{
                "data_dir": Path("unused"),
                "delta_pace_ms": 0,
                "openai_api_key": None,
                "anthropic_api_key": None,
                **settings,
            }
        ),
        {**load_capabilities(), kit.id: kit},
        observers=observers,
    )
    if driver is not None:

        async def scripted(_account: ProviderAccount) -> Driver:
            return driver

        runtime.host.environment.driver = scripted
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.close()
