"""Streams: every event exactly once, deltas that rebuild every text, bounded memory."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from everruns.domain.events import Delta, Event, EventType, Passing
from everruns.domain.logged_messages import message_of
from everruns.domain.messages import Message
from everruns.ids import read_event_id
from everruns.runtime import recent_events
from everruns.runtime.feed import subscription
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.feed.poll import Poll, Reading
from everruns.runtime.feed.streams import Streams
from everruns.tools.function import tool
from tests.conversations import Conversation, Reader
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says


@tool()
async def work() -> str:
    """Work."""
    await asyncio.sleep(0)
    return "done"


async def test_send_then_connect_misses_nothing():
    async with local_runtime(ScriptedDriver(says("One."), says("Two."))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("one")
        sent = await talk.send("two")
        async with talk.reading(Cursor()) as reader:
            await reader.until_type("session.completed")
            assert reader.events[0].data["message"]["id"] == sent.id
            assert reader.events == (await talk.log())[4:]


async def test_a_stream_opened_before_the_first_message_sees_it_all_live():
    async with local_runtime(ScriptedDriver(says("Hel", "lo."))) as runtime:
        talk = await Conversation.begin(runtime)
        async with talk.reading(Cursor()) as reader:
            await talk.send("hi")
            await reader.until_type("session.completed")
            assert reader.events == await talk.log()
            assert reader.text == "Hello."


async def test_first_words_come_at_once_and_later_ones_are_gathered():
    gate = Gate()
    words = [f"w{number} " for number in range(300)]
    driver = ScriptedDriver(says("First ", gate, *words))
    async with local_runtime(driver, delta_pace_ms=5) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        async with talk.reading() as reader:
            await reader.until(lambda: reader.text == "First ")
            gate.open()
            await reader.until_type("session.completed")
            assert reader.text == "First " + "".join(words)
            assert len(reader.deltas) < 150


async def test_later_words_are_held_back_while_what_another_session_does_is_shown_at_once():
    gates = [Gate(), Gate()]
    driver = ScriptedDriver(says("First ", gates[0], "second ", gates[1], "last."), says("Hello."))
    async with local_runtime(driver, delta_pace_ms=60_000) as runtime:
        slow, quick = [await Conversation.begin(runtime) for _ in range(2)]
        async with slow.reading() as held_back, quick.reading() as served:
            await slow.send("hi")
            await held_back.until(lambda: held_back.text)
            next_words = asyncio.create_task(held_back.next())
            gates[0].open()
            await gates[1].reached.wait()
            await quick.send("hi")
            await served.until_type("session.completed")
            assert served.text == "Hello."
            assert not next_words.done()
            assert held_back.text == "First "
            gates[1].open()
            await next_words
            await held_back.until_type("session.completed")
            assert held_back.text == "First second last."


async def test_a_reader_that_does_not_read_costs_nothing_and_catches_up_at_once():
    gate = Gate()
    driver = ScriptedDriver(says("First ", gate, *["word "] * 5000))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        async with talk.reading() as slow:
            await slow.until(lambda: slow.text == "First ")
            gate.open()
            await talk.ended()
            taken = len(slow.items)
            await slow.until_type("session.completed")
            assert slow.text == "First " + "word " * 5000
            assert len(slow.items) - taken <= 4, "fewer, larger deltas"


async def test_a_reader_that_goes_away_disturbs_neither_the_turn_nor_other_readers():
    gates = [Gate(), Gate()]
    driver = ScriptedDriver(says("a", gates[0], "b", gates[1], "c"))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        async with talk.reading() as stays:
            async with talk.reading() as leaves:
                await leaves.until(lambda: leaves.text == "a")
                await stays.until(lambda: stays.text == "a")
            gates[0].open()
            await stays.until(lambda: stays.text == "ab")
            gates[1].open()
            await stays.until_type("session.completed")
            assert stays.text == "abc"


async def test_a_reader_that_comes_just_as_the_last_one_leaves_is_served():
    async with local_runtime(ScriptedDriver(*[says("Hello.")] * 9)) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        for ticks in range(8):
            first = Reader(await runtime.sessions.stream(talk.id, Cursor(0)))
            await first.next()
            waiting = asyncio.create_task(first.next())
            for _ in range(10):
                await asyncio.sleep(0)
            waiting.cancel()
            for _ in range(ticks):
                await asyncio.sleep(0)
            async with talk.reading() as second:
                await asyncio.wait_for(second.until_type("session.completed"), 5)
                await talk.send("again")
                await asyncio.wait_for(second.until(lambda: second.text == "Hello."), 5)
            await asyncio.wait([waiting])
            await first.close()
            await talk.ended()


async def test_many_readers_of_many_sessions_each_get_their_own():
    async def echo(request):
        async for chunk in says("You ", "said ", request.messages[-1].text)(request):
            yield chunk

    async with local_runtime(ScriptedDriver(*[echo] * 20)) as runtime:
        talks = [await Conversation.begin(runtime) for _ in range(10)]

        async def follow(talk: Conversation, number: int) -> None:
            async with talk.reading(Cursor()) as reader:
                if number % 2:
                    await talk.send(f"{talk.id} {number}")
                while len([e for e in reader.events if e.type == "session.completed"]) < 1:
                    await reader.next()
                assert {event.session_id for event in reader.events} == {talk.id}
                assert talk.id in reader.text

        await asyncio.gather(*(follow(talk, number) for talk in talks for number in range(2)))


async def test_a_long_log_is_replayed_in_pages(monkeypatch):
    monkeypatch.setattr(subscription, "READ_PAGE", 20)
    monkeypatch.setattr(recent_events, "RECENT_EVENTS", 10)

    async def answer(request):
        done = sum(message.role == "agent" for message in request.messages)
        wanted = calls(call("work", f"call_{done}")) if done < 30 else says("Done.")
        async for chunk in wanted(request):
            yield chunk

    async with local_runtime(ScriptedDriver(*[answer] * 31), work, max_repeated_calls=0) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("go")
        await talk.ended()
        async with talk.reading() as reader:
            await reader.until_type("session.completed")
            assert reader.events == await talk.log()
            assert len(reader.events) > 90
            assert max(map(len, reader.batches)) == 20


async def test_a_loop_that_fails_for_no_known_reason_ends_its_streams_with_the_error():
    async with local_runtime() as runtime:
        talk = await Conversation.begin(runtime)
        reader = Reader(await runtime.sessions.stream(talk.id, Cursor(0)))

        async def broken(*_args):
            raise LookupError("unforeseen")

        runtime.host.poll = broken
        try:
            await asyncio.wait_for(reader.next(), 5)
            raise AssertionError("the stream went on")
        except LookupError:
            pass


class FaithfulReader:
    """Reads with many short connections and checks everything that the contract promises."""

    def __init__(self, talk: Conversation, chance: Random) -> None:
        self.talk = talk
        self.chance = chance
        self.cursor = Cursor(0)
        self.events: list[Event] = []
        self.texts: dict[str, str] = {}
        self.whole: set[str] = set()  # Messages of which no word was missed so far.

    async def read(self, turns: int) -> None:
        ends = 0
        while ends < turns:
            batches = await self.talk.runtime.sessions.stream(self.talk.id, self.cursor)
            ends += await self.connection(batches, self.chance.randint(1, 12))
            await batches.aclose()
            for _ in range(self.chance.choice([0, 0, 1, 5, 30])):
                await asyncio.sleep(0)

    async def connection(self, batches: AsyncIterator, items_left: int) -> int:
        """Take some items, then drop the connection, in the middle of a batch or not."""
        ends = 0
        last_id = ""
        async for batch in batches:
            for item in batch:
                identity = item.id if isinstance(item, Event) else item.id(self.talk.id)
                assert identity > last_id, "ids sort in the order in which they are sent"
                last_id = identity
                ends += self.take(item)
                items_left -= 1
                if items_left == 0:
                    break
            if items_left <= 0 or ends:
                break
        self.resume_from(last_id)
        return ends

    def take(self, item: Event | Passing) -> bool:
        if isinstance(item, Delta):
            if item.type == EventType.MESSAGE_DELTA:
                known = self.texts.get(item.message_id, "")
                assert item.offset <= len(known), "a gap between deltas"
                if item.offset == 0:
                    self.whole.add(item.message_id)
                self.texts[item.message_id] = known[: item.offset] + item.text
            return False
        self.events.append(item)
        if item.type == EventType.MESSAGE_CREATED:
            self.check(message_of(item))
        return item.type.startswith("session.") and item.type != "session.started"

    def check(self, message: Message) -> None:
        seen = self.texts.get(message.id)
        if message.role == "agent" and seen is not None:
            assert message.text.startswith(seen)
            if message.id in self.whole:
                assert message.text == seen, "the deltas alone rebuild the text"

    def resume_from(self, last_id: str) -> None:
        place = read_event_id(self.talk.id, last_id)
        sequence, was_delta = place.sequence, place.position > 0
        if self.chance.random() < 0.5:  # As browsers do, which know ids of durable events only.
            sequence, was_delta = (self.events[-1].sequence if self.events else 0), False
        if not was_delta:
            self.whole.clear()
        self.cursor = Cursor(sequence, live=was_delta)


WORDS = st.lists(st.text(min_size=1, max_size=4), max_size=6)


@settings(max_examples=40, deadline=None)
@given(first=WORDS, second=WORDS, thought=WORDS, ticks=st.integers(0, 40), seed=st.integers())
def test_every_event_comes_exactly_once_over_any_reconnects(first, second, thought, ticks, seed):
    async def scenario() -> None:
        steps = [
            calls(call("work", "c1"), call("work", "c2"), words=first),
            says(*second, reasoning=thought),
            says(*first),
            says(*second),
        ]
        async with local_runtime(ScriptedDriver(*steps), work) as runtime:
            talk = await Conversation.begin(runtime, capabilities=["kit"])
            await talk.send("one")
            readers = [FaithfulReader(talk, Random(seed + number)) for number in range(2)]
            reading = [asyncio.create_task(reader.read(turns=2)) for reader in readers]
            for _ in range(ticks):
                await asyncio.sleep(0)
            await talk.send("steering, or a turn of its own")
            await talk.ended()
            if (await talk.types()).count("session.completed") == 1:
                await talk.send("two")
                await talk.ended()
            await asyncio.wait_for(asyncio.gather(*reading), 20)
            log = await talk.log()
            assert all(reader.events == log for reader in readers)

    asyncio.run(scenario())


class FollowedHost:
    """A host that has a new event for every reader that can take one, when it is let."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.sent: dict[int, int] = {}

    async def poll(self, poll: Poll) -> list[Reading]:
        if not poll.subscribe and not poll.acknowledge:
            return []
        await self.gate.pass_through()
        self.sent |= {wanted.key: wanted.cursor.sequence for wanted in poll.subscribe}
        ready = [*(wanted.key for wanted in poll.subscribe), *poll.acknowledge]
        for key in ready:
            self.sent[key] += 1
        return [Reading(key, [event_at(self.sent[key])], Cursor(self.sent[key])) for key in ready]


def event_at(sequence: int) -> Event:
    return Event("session_1", sequence, f"event_{sequence}", "tool.call", None, sequence, b"{}")


async def test_a_stream_that_follows_its_session_to_another_host_is_fed_by_that_one_alone():
    """Someone else in this process may have found out first that the session has moved."""
    places = ["old"]
    hosts = {"old": FollowedHost(Gate()), "new": FollowedHost(Gate())}

    async def place(_session_id: str) -> str:
        return places[-1]

    async def find_host(name: str) -> FollowedHost:
        return hosts[name]

    streams = Streams(place, lambda _session_id: None, find_host)
    batches = await streams.open("session_1", Cursor(0))
    hosts["old"].gate.open()
    assert [event.sequence for event in await anext(batches)] == [1]
    places.append("new")
    hosts["new"].gate.open()
    taken = [event.sequence for _ in range(5) for event in await anext(batches)]
    assert taken == [2, 3, 4, 5, 6]
    assert list(hosts["old"].sent.values()) == [1]
    await batches.aclose()
