"""A subscriber: this process's side of the feed of one host.

Streams at the same place of the same session form a group, which is one subscription at the host.
A stream that falls behind its group subscribes at its own place, and joins another group where it
meets one. So a slow reader gets its readings less often, and each has more in it.
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from weakref import WeakValueDictionary

import structlog

from everruns.errors import EverrunsError
from everruns.ids import new_id
from everruns.log import error_kind, no_ids
from everruns.runtime.feed.batch import Batch
from everruns.runtime.feed.cursor import Place
from everruns.runtime.feed.pace import Pace
from everruns.runtime.feed.poll import Poll, Reading, Subscribe
from everruns.runtime.host import SessionHost

POLL_WAIT_S = 10.0
# Of the event loop, for the streams to hand on their batches, so that one poll serves all.
ROUNDS_TO_HAND_ON = 4

log = structlog.get_logger(__name__)


class Answer:
    """A reading as its streams share it.

    Attributes:
        batch: What is new.
        reading: The rest of what the host said.
    """

    def __init__(self, reading: Reading) -> None:
        self.batch = Batch(reading.items)
        self.reading = reading


Answers = WeakValueDictionary[Place, Answer]
"""The answers that some stream of this process has not handed on yet, by where they begin."""


class Group:
    """Streams at one place of a session, and the subscription that feeds them.

    Attributes:
        key: The subscription's key.
        place: Where the streams stand.
        members: How many streams belong to it, including those that still hand on a batch.
        waiting: What is done with its next reading; empty while nobody can take one.
        is_fed: Whether the host waits until its last reading is acknowledged.
    """

    def __init__(self, key: int, place: Place) -> None:
        self.key = key
        self.place = place
        self.members = 0
        self.waiting: set[asyncio.Future[Answer]] = set()
        self.is_fed = False

    def give(self, answer: Answer) -> None:
        """Give all that wait what is new."""
        for waiting in self._take_waiting():
            waiting.set_result(answer)

    def fail(self, error: BaseException) -> None:
        """Tell all that wait why nothing comes."""
        for waiting in self._take_waiting():
            waiting.set_exception(error)

    def _take_waiting(self) -> list[asyncio.Future[Answer]]:
        waiting, self.waiting = self.waiting, set()
        return [answer for answer in waiting if not answer.done()]


class Seat:
    """Where one stream belongs: to a group, or to none."""

    def __init__(self) -> None:
        self._subscriber: Subscriber | None = None
        self._group: Group | None = None

    def take(self, subscriber: "Subscriber", group: Group) -> None:
        """Join a group and leave the one before."""
        if group is self._group:
            return
        group.members += 1
        self.leave()
        self._subscriber, self._group = subscriber, group

    def leave(self) -> None:
        """Leave the group."""
        if self._subscriber is not None and self._group is not None:
            self._subscriber.leave(self._group)
        self._subscriber = self._group = None


class Subscriber:
    """Follows sessions of one host for the streams of this process.

    Args:
        host: The host.
        answers: What streams of this process hold.
        pace: The pace of this process.
    """

    def __init__(self, host: SessionHost, answers: Answers, pace: Pace) -> None:
        self._host = host
        self._answers = answers
        self._pace = pace
        self._name = new_id("subscriber")
        self._life = 0
        self._keys = itertools.count()
        self._numbers = itertools.count()
        self._groups: dict[int, Group] = {}
        self._at: dict[Place, Group] = {}
        # What the host does not know yet.
        self._new: dict[int, Group] = {}
        self._acknowledged: dict[int, None] = {}
        self._dropped: list[int] = []
        self._changed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    async def next(self, place: Place, seat: Seat) -> Answer:
        """Return what is new at a place, whenever that is; the last batch has been handed on."""
        group = self._at.get(place) or self._subscribe(place)
        seat.take(self, group)
        if group.is_fed:
            group.is_fed = False
            self._acknowledged[group.key] = None
            self._changed.set()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting = group.waiting
        waiting.add(answer)
        try:
            return await answer
        finally:
            waiting.discard(answer)  # Unless it was taken out.

    def leave(self, group: Group) -> None:
        """Let a stream go from its group; nobody follows a group without streams."""
        group.members -= 1
        if not group.members and self._groups.get(group.key) is group:
            self._forget(group)
            self._acknowledged.pop(group.key, None)
            if self._new.pop(group.key, None) is None:
                self._dropped.append(group.key)
                self._changed.set()

    def _subscribe(self, place: Place) -> Group:
        group = Group(next(self._keys), place)
        self._groups[group.key] = self._new[group.key] = self._at[place] = group
        self._changed.set()
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow(), context=no_ids())
            self._following.add_done_callback(self._ended)
        return group

    def _forget(self, group: Group) -> None:
        del self._groups[group.key]
        if self._at.get(group.place) is group:
            del self._at[group.place]

    # The feed

    async def _follow(self) -> None:
        """Poll as long as there is something to follow."""
        call: asyncio.Future[Sequence[Reading] | None] | None = None
        try:
            while self._groups or self._dropped or call:
                last, call = call, asyncio.ensure_future(self._host.poll(self._poll()))
                call.add_done_callback(lambda done: done.cancelled() or done.exception())
                if last:
                    self._take(await last)  # The host ends it when the next one comes.
                await self._done_or_changed(call)
                if call.done():
                    fed = self._take(call.result())
                    call = None
                    await self._hand_on(fed)
        except EverrunsError as error:
            log.info("session host not followed", subscriber=self._name, error=error_kind(error))
            self._give_up()
        finally:
            if call:
                call.cancel()

    def _poll(self) -> Poll:
        self._changed.clear()
        poll = Poll(
            self._name,
            self._life,
            next(self._numbers),
            [Subscribe(group.key, *group.place) for group in self._new.values()],
            list(self._acknowledged),
            self._dropped,
            self._pace.interval_s,
            POLL_WAIT_S if self._groups else 0.0,
        )
        self._new.clear()
        self._acknowledged.clear()
        self._dropped = []
        return poll

    async def _done_or_changed(self, call: asyncio.Future[Sequence[Reading] | None]) -> None:
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({call, changed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()

    def _take(self, readings: Sequence[Reading] | None) -> int:
        """Give readings to those who wait for them; return how many groups have to go on."""
        if readings is None:
            self._begin_life()
            return 0
        fed = 0
        for reading in readings:
            group = self._groups.get(reading.key)
            if group is None:
                continue  # It was dropped meanwhile.
            answer = self._shared(group.place, reading)
            if self._at.get(group.place) is group:
                del self._at[group.place]
            if reading.status == "open":
                group.is_fed = True
                group.place = Place(group.place.session_id, reading.cursor)
                self._at.setdefault(group.place, group)
                fed += 1
            else:
                del self._groups[group.key]
            group.give(answer)
        return fed

    def _shared(self, place: Place, reading: Reading) -> Answer:
        """Return a reading as streams at the same place hold it already, if some do."""
        if not reading.items:
            return Answer(reading)
        begin = Place(place.session_id, reading.start) if reading.start else place
        answer = self._answers.get(begin)
        if answer is None:
            answer = self._answers[begin] = Answer(reading)
        return answer

    async def _hand_on(self, fed: int) -> None:
        """Let the fed streams hand on their batches and ask again, so that one poll serves all."""
        began_s = time.perf_counter()
        for _ in range(ROUNDS_TO_HAND_ON):
            await asyncio.sleep(0)
            if len(self._acknowledged) >= fed:
                break
        now_s = time.perf_counter()
        self._pace.spend(now_s - began_s, now_s)

    def _begin_life(self) -> None:
        """Subscribe anew for all that wait, from where they stand."""
        self._life += 1
        self._numbers = itertools.count()
        self._new.clear()
        self._acknowledged.clear()
        self._dropped = []
        for group in list(self._groups.values()):
            if group.waiting:
                self._new[group.key] = group
            else:
                self._forget(group)

    def _give_up(self) -> None:
        """Let every stream look for its session anew: this host cannot be asked."""
        for group in list(self._groups.values()):
            group.give(Answer(Reading(group.key, status="moved")))
            self._forget(group)
        self._begin_life()

    def _ended(self, following: asyncio.Task[None]) -> None:
        if not following.cancelled() and (error := following.exception()):
            for group in list(self._groups.values()):
                group.fail(error)
                self._forget(group)
            self._begin_life()
