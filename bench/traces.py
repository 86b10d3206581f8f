"""What traces cost a host: CPU of turns with and without them, in alternated blocks.

``python -m bench.traces`` runs the turns of one process over a store in memory, so that what is
measured is the part that traces add to; a server's turn also costs its requests, its journal and
its streams. A collector in another process takes the spans.
"""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from aiohttp import web

from everruns.capabilities.registry import load_capabilities
from everruns.domain.llm import ProviderInput
from everruns.domain.messages import SendMessage
from everruns.domain.sessions import SessionInput
from everruns.runtime.local import LocalRuntime
from everruns.runtime.tracing import open_traces
from everruns.settings import Settings
from everruns.storage.memory.store import MemoryStore
from everruns.telemetry.ended_turns import EndedTurns
from everruns.telemetry.observing import GatheredObservers
from everruns.telemetry.turn_log import log_turn

TURNS = 200
AT_ONCE = 20
BLOCKS = 8
SCRIPT = [
    {"tool_calls": [{"name": "add", "arguments": {"a": 19, "b": 23}}]},
    {"text": "19 and 23 make 42."},
]


def collect(pipe: Connection) -> None:
    """Take traces in a process of its own; its first message is the port."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    async def serve() -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/traces", take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(serve())


@asynccontextmanager
async def running(endpoint: str | None) -> AsyncIterator[LocalRuntime]:
    """A runtime with the line of each turn's end, as every host has it, and traces if wanted."""
    settings = Settings(data_dir=Path("unused"), trace_endpoint=endpoint)
    runtimes: list[LocalRuntime] = []

    async def read(*query: object) -> object:
        return await runtimes[0].registry.logs.events(*query)

    class Agents:
        async def get(self, agent_id: str) -> object:
            return await runtimes[0].registry.agents.get(agent_id)

    traces = open_traces(settings, Agents(), lambda _spans: None)
    ended = EndedTurns(read, [log_turn, traces.report] if traces else [log_turn])
    tasks = [asyncio.ensure_future(ended.run())]
    if traces:
        tasks.append(asyncio.ensure_future(traces.run()))
    observers = GatheredObservers([ended])
    runtime = LocalRuntime(MemoryStore(), settings, load_capabilities(), observers=[observers])
    runtimes.append(runtime)
    await runtime.start()
    wanted = {"name": "s", "provider_type": "simulated", "settings": {"script": SCRIPT}}
    await runtime.registry.providers.add(ProviderInput.model_validate(wanted))
    try:
        yield runtime
        observers.settle()
        if traces:
            await traces.close(30)
    finally:
        for task in tasks:
            task.cancel()
        await runtime.close()


async def block(endpoint: str | None) -> float:
    """Return the CPU of a turn in microseconds."""
    async with running(endpoint) as runtime:
        slots = asyncio.Semaphore(AT_ONCE)

        async def turn() -> None:
            async with slots:
                fields = {"model_id": "s/simulated-1", "capabilities": ["test_math"]}
                session = await runtime.registry.sessions.create(
                    SessionInput.model_validate(fields)
                )
                sent = SendMessage.model_validate({"content": "What is 19 + 23?"})
                await runtime.sessions.send(session.id, sent)
                while (await runtime.sessions.get(session.id)).status != "idle":
                    await asyncio.sleep(0.005)

        before = time.process_time()
        await asyncio.gather(*(turn() for _ in range(TURNS)))
    # The spans that were left are part of the cost.
    return (time.process_time() - before) / TURNS * 1e6


def main() -> None:
    """Measure and print."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    collector = multiprocessing.get_context("spawn").Process(target=collect, args=(theirs,))
    collector.start()
    endpoint = f"http://127.0.0.1:{ours.recv()}/v1/traces"
    without: list[float] = []
    having: list[float] = []
    try:
        asyncio.run(block(endpoint))
        for _ in range(BLOCKS):
            without.append(asyncio.run(block(None)))
            having.append(asyncio.run(block(endpoint)))
    finally:
        collector.terminate()
    off, on = statistics.median(without), statistics.median(having)
    print(
        f"CPU of a turn: {off:,.0f} µs without traces, {on:,.0f} µs with; {on - off:,.0f} µs more"
    )


if __name__ == "__main__":
    main()
