"""A collector of traces over OTLP/HTTP, and a runtime that sends its traces to it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from anyio.from_thread import start_blocking_portal
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from everruns.runtime.local import LocalRuntime
from everruns.runtime.tracing import open_traces
from everruns.settings import Settings
from everruns.telemetry.ended_turns import EndedTurns
from tests.scripts import local_runtime

PATIENCE_S = 30.0
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    """A span as a collector sees it."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    started_ms: int
    ended_ms: int
    attributes: dict[str, Any]
    is_error: bool


class Collector:
    """Takes traces at ``url``; the next requests can be answered in other ways.

    Attributes:
        url: Where it takes them.
        bodies: What it has taken, as it came.
        headers: The headers of all requests.
        replies: How the next requests are answered; those after them are taken.
    """

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.replies: deque[Reply] = deque()
        self._came = asyncio.Condition()

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with self._came:
            self.headers.append({name.lower(): value for name, value in request.headers.items()})
            self._came.notify_all()
        reply = await self.replies.popleft()(request) if self.replies else web.Response()
        async with self._came:
            if reply.status == 200:
                self.bodies.append(body)
            self._came.notify_all()
        return reply

    @property
    def requests(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    @property
    def resource(self) -> dict[str, Any]:
        resource = self.requests[0].resource_spans[0].resource
        return {pair.key: _value(pair.value) for pair in resource.attributes}

    @property
    def spans(self) -> list[Received]:
        return [
            Received(
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                span.name,
                span.kind,
                span.start_time_unix_nano // 1_000_000,
                span.end_time_unix_nano // 1_000_000,
                {pair.key: _value(pair.value) for pair in span.attributes},
                span.status.code == 2,
            )
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> Received:
        """The only span of a name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._came:
            await self._came.wait_for(condition)


def answering(status: int, body: bytes = b"", **headers: str) -> Reply:
    """Answer with this."""

    async def reply(_request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers=named)

    return reply


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    found = getattr(value, kind)
    return [_value(one) for one in found.values] if kind == "array_value" else found


@asynccontextmanager
async def collecting(port: int = 0) -> AsyncIterator[Collector]:
    """A collector that listens."""
    collector = Collector()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    try:
        yield collector
    finally:
        await runner.cleanup()


@contextmanager
def collecting_in_background() -> Iterator[Collector]:
    """A collector that listens in a thread of its own: look at it, but do not wait for it."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(collecting()) as collector,
    ):
        yield collector


@asynccontextmanager
async def traced_runtime(
    collector: Collector, *args: Any, dropped: Callable[[int], None] = lambda _: None, **fields: Any
) -> AsyncIterator[LocalRuntime]:
    """A runtime in this process whose turns are traced, as a session actor does it."""
    traced = {name: value for name, value in fields.items() if name.startswith("trace_")}
    settings = Settings(trace_endpoint=collector.url, **traced)
    runtimes: list[LocalRuntime] = []

    class Agents:
        async def get(self, agent_id: str) -> Any:
            return await runtimes[0].registry.agents.get(agent_id)

    async def read(*query: Any) -> Any:
        return await runtimes[0].registry.logs.events(*query)

    traces = open_traces(settings, Agents(), dropped)
    ended = EndedTurns(read, [traces.report], with_contents=settings.trace_content)
    tasks = [asyncio.ensure_future(ended.run()), asyncio.ensure_future(traces.run())]
    more = {"trace_endpoint": collector.url, **fields}
    try:
        async with local_runtime(*args, observers=[ended], **more) as runtime:
            runtimes.append(runtime)
            yield runtime
            await ended.close(5.0)
        await traces.close(5.0)
    finally:
        for task in tasks:
            task.cancel()
