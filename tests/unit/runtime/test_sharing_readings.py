"""Streams at one place: asked for once, read once, shown once."""

import asyncio
import itertools
from collections.abc import Sequence

from everruns.api.events.requests import EventsRequest
from everruns.api.events.routes import Frames
from everruns.api.sdk.events import EVERRUNS
from everruns.errors import HostLost
from everruns.ids import EventPlace
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.feed.poll import Poll, Reading
from everruns.runtime.feed.streams import LONGEST_RETRY_S, Streams
from everruns.runtime.host import SessionHost
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, local_runtime, says
from tests.simulated_processes import SimulatedLoop


class CountingHost:
    """Passes polls on and keeps them."""

    def __init__(self, host: SessionHost) -> None:
        self._host = host
        self.polls: list[Poll] = []

    async def poll(self, poll: Poll) -> Sequence[Reading] | None:
        self.polls.append(poll)
        return await self._host.poll(poll)


async def test_streams_at_one_place_are_asked_for_once_and_share_what_is_read():
    async with local_runtime(ScriptedDriver(says("Hello."))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        host = CountingHost(runtime.host)

        async def place(_session_id: str) -> str:
            return "host"

        async def find_host(_name: str) -> CountingHost:
            return host

        streams = Streams(place, lambda _: None, find_host)
        opened = [await streams.open(talk.id, Cursor(0)) for _ in range(50)]
        batches = await asyncio.gather(*map(anext, opened))
        assert len({id(batch) for batch in batches}) == 1
        assert [len(poll.subscribe) for poll in host.polls] == [1]
        for stream in opened:
            await stream.aclose()


async def test_streams_that_came_in_different_ways_are_shown_a_batch_once():
    async with local_runtime(ScriptedDriver(says("One."), says("Two."))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("one")
        log = await talk.log()
        starts = [EventPlace(0, 0, 0), EventPlace(log[2].ts, log[2].sequence, 0)]
        streams = [
            await runtime.sessions.stream(talk.id, EVERRUNS.cursor(start)) for start in starts
        ]
        frames = [Frames(EVERRUNS.begin(talk.id, start), EventsRequest()) for start in starts]
        for stream, sent in zip(streams, frames, strict=True):
            sent.of(await anext(stream))
        await talk.send("two")
        ours, theirs = [], []
        while not any(b"turn.completed" in frame for frame in ours):
            first, second = [await anext(stream) for stream in streams]
            assert first is second
            ours, theirs = frames[0].of(first), frames[1].of(second)
            assert len(first.shown) == 1
            assert all(one is other for one, other in zip(ours, theirs, strict=True))
        for stream in streams:
            await stream.aclose()


def test_a_stream_whose_host_is_away_asks_less_and_less_often():
    attempts: list[float] = []

    async def scenario() -> None:
        async def place(_session_id: str) -> str:
            return "host"

        async def find_host(_name: str) -> SessionHost:
            attempts.append(asyncio.get_running_loop().time())
            raise HostLost("It has gone.")

        streams = Streams(place, lambda _: None, find_host)
        stream = await streams.open("session_1", Cursor(0))
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(60)
        reading.cancel()
        await asyncio.wait([reading])

    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(scenario())
    waits = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    assert waits[0] <= 0.1
    assert min(waits[6:]) >= LONGEST_RETRY_S / 2
    assert len(set(waits[6:])) > 1, "different for each stream"
