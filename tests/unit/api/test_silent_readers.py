"""Readers that read nothing: how much they hold, and when they are ended."""

import asyncio
import pickle
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from everruns.api.events.requests import EventsRequest
from everruns.api.events.routes import Frames
from everruns.api.http import progress, sse
from everruns.api.http.sse import (
    ABORT,
    CONNECTED,
    CONNECTION_CYCLE,
    EventStream,
    OpenStreams,
    disconnecting,
)
from everruns.api.http.vocabulary import AS_LOGGED, Vocabulary
from everruns.api.sdk.events import EVERRUNS
from everruns.domain.base import KIB, MIB
from everruns.errors import SessionUnreadable
from everruns.ids import EventPlace
from everruns.runtime.feed.batch import Batch
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.local import LocalRuntime
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, local_runtime, says
from tests.waiting import eventually

READERS = 300
ANSWER = ["y" * 4000] * 500


class SilentReader:
    """A connection that takes so many bytes, and then no more until it is let.

    Attributes:
        waiting: Bytes of what was sent last and is not taken.
        aborted: Whether the connection was dropped.
    """

    def __init__(self, takes_bytes: int = 0) -> None:
        self.room = takes_bytes
        self.taken: list[bytes] = []
        self.waiting = 0
        self.aborted = False
        self.reads = asyncio.Event()

    async def send(self, message) -> None:
        body = message.get("body", b"")
        if body and self.room < len(body):
            self.waiting = len(body)
            await self.reads.wait()
            self.waiting = 0
        self.room -= len(body)
        self.taken.append(body)

    async def receive(self):
        await asyncio.Event().wait()

    def abort(self) -> None:
        self.aborted = True

    async def read(self, stream: EventStream) -> None:
        scope = {"type": "http", "path": "/", "extensions": {ABORT: self.abort}}
        await stream(scope, self.receive, self.send)


async def stream_of(
    runtime: LocalRuntime, talk: Conversation, vocabulary: Vocabulary = AS_LOGGED
) -> EventStream:
    start = EventPlace(0, 0, 0)
    frames = Frames(vocabulary.begin(talk.id, start), EventsRequest())
    batches = await runtime.sessions.stream(talk.id, Cursor(0))
    return EventStream(batches, frames.of, OpenStreams(), heartbeat_s=60, cycle_s=3600)


@contextmanager
def growth() -> Iterator[list[int]]:
    """Measure by how many bytes this process grows at most while a block runs."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    measured: list[int] = []
    try:
        yield measured
        measured.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("vocabulary", [AS_LOGGED, EVERRUNS], ids=["v1", "sdk"])
async def test_many_of_them_hold_a_slice_each_and_one_copy_of_an_answer(vocabulary: Vocabulary):
    """They stop at different places, as sockets do, and others come when all is written."""
    gate = Gate()
    driver = ScriptedDriver(says(gate, *ANSWER), *[says("Hello.")] * 3)
    async with local_runtime(driver) as runtime:
        talk, other = [await Conversation.begin(runtime) for _ in range(2)]
        await talk.send("hi")
        await gate.reached.wait()
        readers = [SilentReader(KIB + number * 3 * KIB) for number in range(READERS)]
        with growth() as grown:
            reading = [
                asyncio.create_task(reader.read(await stream_of(runtime, talk, vocabulary)))
                for reader in readers[::2]
            ]
            gate.open()
            for _ in range(3):
                async with asyncio.timeout(20):
                    assert await other.say("hi") == "Hello."
            await talk.ended()
            reading += [
                asyncio.create_task(reader.read(await stream_of(runtime, talk, vocabulary)))
                for reader in readers[1::2]
            ]
            await eventually(lambda: all(reader.waiting for reader in readers), 60)
        assert max(reader.waiting for reader in readers) <= progress.SLICE_BYTES
        taken = sum(len(part) for reader in readers for part in reader.taken)
        assert grown[0] - taken < 64 * MIB, f"grown by {grown[0] / MIB:.0f} MiB"
        for task in reading:
            task.cancel()
        await asyncio.wait(reading)


async def test_those_that_come_one_by_one_and_stop_in_one_event_share_a_single_copy_of_it():
    async with local_runtime(ScriptedDriver(says(*ANSWER))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        poll = runtime.host.poll

        async def poll_another_process(*args):
            return pickle.loads(pickle.dumps(await poll(*args)))

        runtime.host.poll = poll_another_process
        readers = [SilentReader(100 * KIB) for _ in range(30)]
        reading: list[asyncio.Task[None]] = []
        with growth() as grown:
            for reader in readers:
                stream = await stream_of(runtime, talk)
                reading.append(asyncio.create_task(reader.read(stream)))
                await eventually(lambda waits=reader: waits.waiting)
        taken = sum(len(part) for reader in readers for part in reader.taken)
        assert grown[0] - taken < 20 * MIB, f"grown by {grown[0] / MIB:.0f} MiB"
        for task in reading:
            task.cancel()
        await asyncio.wait(reading)


async def test_one_that_takes_no_slice_in_time_is_dropped_without_a_last_word(monkeypatch):
    monkeypatch.setattr(sse, "SLICE_TIMEOUT_S", 0.05)
    async with local_runtime(ScriptedDriver(says(*ANSWER))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        reader = SilentReader(100 * KIB)
        await reader.read(await stream_of(runtime, talk))
        assert reader.aborted
        assert b"disconnecting" not in b"".join(reader.taken)


async def test_one_that_takes_less_than_the_floor_is_dropped(monkeypatch):
    monkeypatch.setattr(progress, "WINDOW_S", 0.05)
    monkeypatch.setattr(progress, "LEAST_BYTES_PER_S", 100 * MIB)

    class Trickle(SilentReader):
        async def send(self, message) -> None:
            await asyncio.sleep(0.01)
            self.taken.append(message.get("body", b""))

    async with local_runtime(ScriptedDriver(says(*ANSWER))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        reader = Trickle()
        await reader.read(await stream_of(runtime, talk))
        assert reader.aborted
        assert sum(map(len, reader.taken)) < 2 * MIB


async def test_one_that_reads_at_last_gets_everything_in_order():
    async with local_runtime(ScriptedDriver(says(*ANSWER))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        reader = SilentReader(100 * KIB)
        reading = asyncio.create_task(reader.read(await stream_of(runtime, talk)))
        await eventually(lambda: reader.waiting)
        reader.room = 100 * MIB
        reader.reads.set()
        await eventually(lambda: b"session.completed" in b"".join(reader.taken[-2:]))
        sent = b"".join(reader.taken)
        places = [sent.index(event.body) for event in await talk.log()]
        assert places == sorted(places)
        reading.cancel()
        await asyncio.wait([reading])


async def test_one_that_has_to_connect_anew_gets_the_rest_of_what_was_begun():
    long = b"x" * MIB

    async def batches():
        yield Batch([])
        await asyncio.Event().wait()

    open_streams = OpenStreams()
    stream = EventStream(batches(), lambda _: [long], open_streams, heartbeat_s=60, cycle_s=3600)
    reader = SilentReader(100 * KIB)
    reading = asyncio.create_task(reader.read(stream))
    await eventually(lambda: reader.waiting)
    open_streams.close()
    for _ in range(10):
        await asyncio.sleep(0)
    reader.room = 2 * MIB
    reader.reads.set()
    async with asyncio.timeout(20):
        await reading
    assert b"".join(reader.taken) == CONNECTED + long + disconnecting(CONNECTION_CYCLE)


async def test_a_stream_whose_session_becomes_unreadable_sends_its_reader_elsewhere():
    async def batches():
        raise SessionUnreadable.of("session_1")
        yield

    stream = EventStream(batches(), lambda _: [], OpenStreams(), heartbeat_s=60, cycle_s=3600)
    reader = SilentReader(MIB)
    await reader.read(stream)
    assert b"event: disconnecting" in b"".join(reader.taken)
    assert not reader.aborted
