"""Exactly once on the wire: a reader whose connection is cut at any byte ends up with the log."""

import asyncio
import itertools
import random
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
import uvicorn

from everruns.api.app import create_app, end_streams
from everruns.capabilities.registry import load_capabilities
from everruns.providers.base import ModelAnswer, ModelChunk, ModelRequest, ReasoningDelta, TextDelta
from everruns.providers.model_lists import ListedModel
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from everruns.tools.function import tool
from tests.conversations import Conversation
from tests.faults.broken_wire import PATIENCE_S, Proxy, Reader, SdkReader
from tests.scripts import USAGE, call, local_runtime
from tests.waiting import eventually

AT_ONCE = 16
both_faces = pytest.mark.parametrize("face", [Reader, SdkReader])
REASONING = "Ich überlege… 思考 "
WORDS = [
    "Größe ",
    "zählt ",
    "nicht: ",
    "🙂👩\u200d👩\u200d👧 ",
    "日本語 ",
    '"quoted"\n\n',
    "data: x\n",
    "Ende.",
]


@tool()
async def shout(text: str) -> str:
    """Shout a text."""
    return f"{text.upper()} 🗣"


class PacedDriver:
    """Thinks, speaks and calls a tool, then just speaks; each word when its reader lets it.

    Attributes:
        paces: A permit for each word, by what the user said; without one, words come at once.
        calls: How often it calls the tool, by what the user said; once by default.
    """

    def __init__(self) -> None:
        self.paces: dict[str, asyncio.Semaphore] = {}
        self.calls: dict[str, int] = {}

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        said = next(message for message in reversed(request.messages) if message.role == "user")
        pace = self.paces.get(said.text)
        called = list(request.messages[::-1]).index(said) // 2
        for chunk in (ReasoningDelta(REASONING), *map(TextDelta, WORDS)):
            if pace is not None:
                await pace.acquire()
            yield chunk
        shouting = call("shout", f"call_{len(request.messages)}", text="grüße 🙂")
        calls = [shouting] if called < self.calls.get(said.text, 1) else []
        yield ModelAnswer(tool_calls=calls, usage=USAGE)

    async def list_models(self) -> Sequence[ListedModel]:
        return []


@dataclass
class Server:
    runtime: LocalRuntime
    driver: PacedDriver
    port: int

    async def begin(self) -> Conversation:
        return await Conversation.begin(self.runtime, capabilities=["kit"])


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """The API over real sockets, with a model that a test paces."""
    driver = PacedDriver()
    async with local_runtime(driver, shout, max_repeated_calls=0) as runtime:
        settings = Settings(data_dir="unused", delta_pace_ms=0)
        app = create_app(runtime, settings, load_capabilities())
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
        serving = uvicorn.Server(config)
        task = asyncio.create_task(serving.serve(sockets=[listener]))
        await eventually(lambda: serving.started)
        yield Server(runtime, driver, listener.getsockname()[1])
        end_streams(app)
        serving.should_exit = True
        await task


async def read_through(port: int, reader: Reader, cuts: Iterator[int]) -> None:
    """Read to the end, connecting anew after each cut."""
    async with asyncio.timeout(PATIENCE_S), Proxy(port, cuts).listening() as proxy:
        while not reader.is_complete:
            await reader.read(proxy)


async def all_of(reads: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do all, some of them at once."""
    room = asyncio.Semaphore(AT_ONCE)

    async def do(read: Coroutine[Any, Any, None]) -> None:
        async with room:
            await read

    async with asyncio.TaskGroup() as group:
        for read in reads:
            group.create_task(do(read))


async def three_turns(server: Server) -> Conversation:
    talk = await server.begin()
    for text in ("Grüße 🙂", "once\nmore", "再び"):
        await talk.say(text)
    return talk


async def replay_with_cuts(server: Server, face: type[Reader], every: int) -> None:
    talk = await three_turns(server)
    whole = face(talk.id, turns=3)
    log = await whole.expected(talk)
    await read_through(server.port, whole, iter(()))
    assert whole.events == log

    async def cut_at(offset: int) -> None:
        reader = face(talk.id, turns=3)
        await read_through(server.port, reader, iter([offset]))
        assert reader.events == log
        assert reader.lengths[0] == offset
        assert len(reader.lengths) == 2

    # The last two bytes end the chunk: without them the last frame is there as well.
    offsets = range(random.randrange(every), whole.lengths[0] - 2, every)
    await all_of([cut_at(offset) for offset in offsets])


@both_faces
async def test_a_replay_that_is_cut_once_goes_on_where_it_was(server: Server, face: type[Reader]):
    await replay_with_cuts(server, face, every=97)


@pytest.mark.long
@pytest.mark.timeout(1800)
@both_faces
async def test_a_replay_can_be_cut_at_any_byte(server: Server, face: type[Reader]):
    await replay_with_cuts(server, face, every=1)


async def live(
    server: Server, face: type[Reader], cuts: Iterator[int], *, calls: int = 1, **how: Any
) -> Reader:
    """Read a turn while it is written, and find each event once."""
    talk = await server.begin()
    reader = face(talk.id, **how)
    server.driver.paces[talk.id] = reader.pace
    server.driver.calls[talk.id] = calls
    await talk.send(talk.id)
    await read_through(server.port, reader, cuts)
    assert reader.events == await reader.expected(talk)
    return reader


@both_faces
@pytest.mark.parametrize("cursor", ["Last-Event-ID", "since_id"])
async def test_a_live_stream_that_is_cut_once_goes_on_where_it_was(
    server: Server, face: type[Reader], cursor: str
):
    whole = await live(server, face, iter(()), cursor=cursor)
    assert len(whole.deltas) >= len(WORDS)

    async def cut_somewhere() -> None:
        await live(server, face, iter([random.randrange(whole.lengths[0])]), cursor=cursor)

    await all_of([cut_somewhere() for _ in range(40)])


@both_faces
@pytest.mark.parametrize("cursor", ["Last-Event-ID", "since_id"])
async def test_a_live_stream_that_is_cut_again_and_again_ends_complete(
    server: Server, face: type[Reader], cursor: str
):
    whole = await live(server, face, iter(()), cursor=cursor)
    # A connection must bring a whole message, with its deltas for those who go on from a delta.
    least = max(map(len, whole.events)) + (400 if cursor == "Last-Event-ID" else 1600)
    cuts: list[int] = []

    async def cut_every(length: int) -> None:
        reader = await live(server, face, itertools.repeat(length), cursor=cursor, calls=30)
        cuts.append(len(reader.lengths) - 1)

    await all_of([cut_every(length) for length in range(least, least + 800, 160)])

    assert max(cuts) >= 24


@both_faces
async def test_a_delta_is_a_cursor_of_lists_and_streams(server: Server, face: type[Reader]):
    reader = await live(server, face, iter(()))
    url = f"http://127.0.0.1:{server.port}{face.list_path.format(reader.session_id)}"
    ids = [orjson.loads(event)["id"] for event in reader.events]

    async with httpx.AsyncClient(headers={"Accept": "application/json"}) as client:
        for delta in reader.deltas:
            rest = reader.events[sum(event_id < delta for event_id in ids) :]
            listed = await client.get(url, params={"since_id": delta})
            assert listed.content == b'{"data":[%b]}' % b",".join(rest)
            resumed = face(reader.session_id, f"since_id={delta}")
            await read_through(server.port, resumed, iter(()))
            assert resumed.events == rest
