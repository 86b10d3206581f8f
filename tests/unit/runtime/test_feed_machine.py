"""Whatever is lost between replicas and a host: each reader gets every event once, in order.

A state machine drives real streams, feeds and sessions in no time. What it injects is what happens
on the way and at the far end: polls and answers that are lost, hosts that forget a replica or
everything, sessions that leave, readers that stall and go.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from actors.calls.dispatch import dispatch
from actors.calls.stub import stub
from everruns.domain.events import Event, EventType
from everruns.domain.logged_messages import message_of
from everruns.errors import HostLost
from everruns.providers.base import ModelAnswer, ModelChunk, ModelRequest, TextDelta
from everruns.runtime import recent_events
from everruns.runtime.feed import subscription
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.feed.feeds import FORGET_AFTER_S, Feeds
from everruns.runtime.feed.subscriber import POLL_WAIT_S
from everruns.runtime.hibernation import LONGEST_INTERVAL_S
from everruns.runtime.host import SessionHost
from everruns.runtime.runtime import Runtime
from tests.conversations import Conversation
from tests.scripts import USAGE, ScriptedDriver, local_runtime
from tests.simulated_processes import SimulatedLoop

SESSIONS = 3
REPLICAS = 2
ALL_READ_WITHIN_S = 300.0
HIBERNATE_AFTER_S = 20
# A poll that was lost had left another one waiting; then a silent replica is forgotten, and after
# that a quiet session, each at the next look.
ALL_FORGOTTEN_WITHIN_S = POLL_WAIT_S + FORGET_AFTER_S + HIBERNATE_AFTER_S + 2 * LONGEST_INTERVAL_S

sessions = st.integers(0, SESSIONS - 1)
replicas = st.integers(0, REPLICAS - 1)


class Typist(ScriptedDriver):
    """A model that says what the test types, until the test ends the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.typed: dict[str, asyncio.Queue[str | None]] = {}

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        asked = [message.text for message in request.messages if message.role == "user"]
        typed = self.typed[asked[-1]]
        while (word := await typed.get()) is not None:
            yield TextDelta(word)
        yield ModelAnswer(usage=USAGE)


class LossyChannel:
    """The way from one replica to the host; loses the next poll or its answer if told to."""

    def __init__(self, host: SessionHost) -> None:
        self._host = host
        self.lose_next_poll = self.lose_next_answer = False

    async def call(self, request: bytes, _timeout_s: float) -> bytes:
        await asyncio.sleep(0.001)
        if self.lose_next_poll:
            self.lose_next_poll = False
            raise HostLost("The poll was lost.")
        answer = await dispatch(self._targets, request)
        await asyncio.sleep(0.001)
        if self.lose_next_answer:
            self.lose_next_answer = False
            raise HostLost("The answer was lost.")
        return answer

    async def _targets(self) -> dict[str, object]:
        return {"host": self._host}

    async def find_host(self, _name: str) -> SessionHost:
        return stub(SessionHost, self, "host")


class StallingReader:
    """Reads one stream and checks it; takes a batch only while it is let."""

    def __init__(self, talk: Conversation, runtime: Runtime, cursor: Cursor) -> None:
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.events: list[Event] = []
        self._texts: dict[str, str] = {}
        self._talk = talk
        self._runtime = runtime
        self._cursor = cursor

    async def read(self) -> None:
        batches = await self._runtime.sessions.stream(self._talk.id, self._cursor)
        try:
            async for batch in batches:
                for item in batch:
                    self._take(item)
                del batch
                await self.goes_on.wait()
        finally:
            await batches.aclose()

    def _take(self, item: Any) -> None:
        if not isinstance(item, Event):
            known = self._texts.get(item.message_id, "")
            assert item.offset == len(known), "a stretch is missing, or came twice"
            self._texts[item.message_id] = known + item.text
            return
        if self.events:
            assert item.sequence == self.events[-1].sequence + 1, "an event is missing, or not new"
        self.events.append(item)
        if item.type == EventType.MESSAGE_CREATED:
            message = message_of(item)
            assert self._texts.get(message.id, message.text) == message.text


class FeedMachine(RuleBasedStateMachine):
    """Readers come, stall and go while their replicas and their host lose each other."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = SimulatedLoop()
        self.opened = AsyncExitStack()
        self.readers: list[tuple[int, StallingReader, asyncio.Task[None]]] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize(pace_ms=st.sampled_from([0, 25]), recent=st.sampled_from([2, 256]))
    def start(self, pace_ms: int, recent: int) -> None:
        for name, module in (("RECENT_EVENTS", recent_events), ("READ_PAGE", subscription)):
            self.opened.enter_context(patch.object(module, name, recent))
        self.run(self._start(pace_ms))

    async def _start(self, pace_ms: int) -> None:
        self.typist = Typist()
        runtime = await self.opened.enter_async_context(
            local_runtime(self.typist, delta_pace_ms=pace_ms, hibernate_after_s=HIBERNATE_AFTER_S)
        )
        self.host = runtime.host
        self.channels = [LossyChannel(self.host) for _ in range(REPLICAS)]
        self.replicas = [
            Runtime(runtime.registry, way.find_host, runtime.analyst) for way in self.channels
        ]
        self.talks = [await Conversation.begin(runtime) for _ in range(SESSIONS)]
        self.asked = [0] * SESSIONS

    # What sessions do

    @rule(session=sessions, words=st.lists(st.text(min_size=1, max_size=3), max_size=4))
    def answer(self, session: int, words: list[str]) -> None:
        """Let a session be asked, and its model say some words."""
        self.run(self._answer(session, words))

    async def _answer(self, session: int, words: list[str]) -> None:
        text = f"{session}: {self.asked[session]}"
        if text not in self.typist.typed:
            self.typist.typed[text] = asyncio.Queue()
            await self.talks[session].send(text)
        for word in words:
            self.typist.typed[text].put_nowait(word)

    @rule(session=sessions)
    def end_answer(self, session: int) -> None:
        text = f"{session}: {self.asked[session]}"
        if text in self.typist.typed:
            self.typist.typed[text].put_nowait(None)
            self.asked[session] += 1
            self.run(self.talks[session].ended())

    # What readers do

    @rule(session=sessions, replica=replicas, cursor=st.sampled_from([Cursor(0), Cursor()]))
    def open(self, session: int, replica: int, cursor: Cursor) -> None:
        reader = StallingReader(self.talks[session], self.replicas[replica], cursor)
        self.readers.append((session, reader, self.loop.create_task(reader.read())))

    @rule(number=st.integers(0, 20))
    def leave(self, number: int) -> None:
        if self.readers:
            *_, reading = self.readers.pop(number % len(self.readers))
            self.run(self._end(reading))

    @rule(number=st.integers(0, 20))
    def stall(self, number: int) -> None:
        if self.readers:
            self.readers[number % len(self.readers)][1].goes_on.clear()

    @rule(number=st.integers(0, 20))
    def go_on(self, number: int) -> None:
        if self.readers:
            self.readers[number % len(self.readers)][1].goes_on.set()

    # What is lost

    @rule(replica=replicas)
    def lose_poll(self, replica: int) -> None:
        self.channels[replica].lose_next_poll = True

    @rule(replica=replicas)
    def lose_answer(self, replica: int) -> None:
        self.channels[replica].lose_next_answer = True

    @rule()
    def forget_replicas(self) -> None:
        self.run(self._forget_replicas())

    async def _forget_replicas(self) -> None:
        old = self.host._feeds
        self.host._feeds = Feeds(old._hold, old._load_events, old._pace_s)
        self.host._hibernation._feeds = self.host._feeds
        for feed in old._feeds.values():
            feed.close()

    @rule(session=sessions)
    def let_go(self, session: int) -> None:
        self.run(self.host.leave([self.talks[session].id]))

    @rule(seconds=st.sampled_from([0.0, 0.0005, 0.0015, 0.01, 0.05, 0.5, 12.0]))
    def wait(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))
        self._raise_what_failed()

    def _raise_what_failed(self) -> None:
        for *_, reading in self.readers:
            if reading.done():
                reading.result()

    # What must hold in the end

    def teardown(self) -> None:
        try:
            if self.readers:
                self.run(self._come_to_rest())
        finally:
            self.run(self._stop())
            self.loop.close()

    async def _stop(self) -> None:
        await self.opened.aclose()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    async def _come_to_rest(self) -> None:
        for session, talk in enumerate(self.talks):
            await self._answer(session, ["last"])
            self.typist.typed[f"{session}: {self.asked[session]}"].put_nowait(None)
            await talk.ended()
        for _, reader, _ in self.readers:
            reader.goes_on.set()
        async with asyncio.timeout(ALL_READ_WITHIN_S):
            for session, reader, reading in self.readers:
                log = await self.talks[session].log()
                while not reader.events or reader.events[-1].sequence < len(log):
                    await asyncio.sleep(0.1)
                    self._raise_what_failed()
                    assert not reading.done()
                assert reader.events == log[reader.events[0].sequence - 1 :]
        for *_, reading in self.readers:
            await self._end(reading)
        await asyncio.sleep(ALL_FORGOTTEN_WITHIN_S)
        assert not self.host.held.loaded, "nobody follows what nobody reads"
        assert not self.host._feeds._feeds

    @staticmethod
    async def _end(reading: asyncio.Task[None]) -> None:
        reading.cancel()
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.result()


FeedMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestFeeds = FeedMachine.TestCase
