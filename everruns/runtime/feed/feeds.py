"""Feeds: what a host tells the processes whose readers follow its sessions.

What one session lacks never holds up another: a session that is not in memory, and events that are
not, are loaded in tasks of their own, and the answer has what is there without them.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from everruns.domain.base import MIB
from everruns.domain.events import Event
from everruns.runtime.feed.pace import LONGEST_PACE_S
from everruns.runtime.feed.poll import Poll, Reading
from everruns.runtime.feed.reading import size_of
from everruns.runtime.feed.subscription import Subscription
from everruns.runtime.session import LiveSession
from everruns.storage.logs import EventQuery, ReadEvents

# What one answer holds at most, but for its last reading.
ANSWER_SIZE = 4 * MIB
PAGES_AT_ONCE = 8
FORGET_AFTER_S = 60.0

Hold = Callable[[str], asyncio.Future[LiveSession]]


class Feed:
    """The host's side of one feed, for one life of the replica's side.

    Args:
        life: Which life this is.
        hold: Returns a live session, or what will be it once it is loaded.
        read_events: Reads events that are no longer in memory.
        pace_s: Seconds for which deltas gather at least.
    """

    def __init__(self, life: int, hold: Hold, read_events: ReadEvents, pace_s: float) -> None:
        self.life = life
        self._hold = hold
        self._read_events = read_events
        self._least_pace_s = self._pace_s = pace_s
        self._now = asyncio.get_running_loop().time
        self._subscriptions: dict[int, Subscription] = {}
        # In the order in which they changed: the ones that wait longest come first.
        self._changed: dict[Subscription, None] = {}
        self._gathering: dict[Subscription, None] = {}
        self._woken = asyncio.Event()
        self._next_number = 0
        self._gathered_at = 0.0
        self._waiting_polls = 0
        self._heard_at = self._now()

    @property
    def subscriptions(self) -> int:
        """How many subscriptions it has."""
        return len(self._subscriptions)

    @property
    def is_silent(self) -> bool:
        """Whether the replica has not polled for so long that it is taken to have gone."""
        return not self._waiting_polls and self._now() - self._heard_at > FORGET_AFTER_S

    async def poll(self, poll: Poll) -> list[Reading] | None:
        """Take the changes in and return what is new, or wait for it; see ``Feeds.poll``."""
        if poll.number != self._next_number:
            return None
        self._next_number += 1
        self._pace_s = max(self._least_pace_s, min(poll.pace_s, LONGEST_PACE_S))
        self._apply(poll)
        # A poll that still waits ends when the next one comes.
        self._woken.set()
        self._waiting_polls += 1
        try:
            return await self._news(poll)
        finally:
            self._waiting_polls -= 1
            self._heard_at = self._now()

    async def _news(self, poll: Poll) -> list[Reading]:
        until = self._now() + poll.wait_s
        while self._next_number == poll.number + 1:
            readings = self._collect()
            if readings or self._now() >= until:
                return readings
            self._woken.clear()
            due_at = self._gathered_at + self._pace_s if self._gathering else until
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(due_at, until)):
                    await self._woken.wait()
        return []

    def _apply(self, poll: Poll) -> None:
        for key in poll.drop:
            self._end(key)
        for wanted in poll.subscribe:
            held = self._hold(wanted.session_id)
            added = Subscription(wanted, held, self._read_events, self._look, self._gather)
            self._subscriptions[wanted.key] = added
            self._look(added)
        for key in poll.acknowledge:
            if subscription := self._subscriptions.get(key):
                self._look(subscription)

    def _look(self, subscription: Subscription) -> None:
        self._changed[subscription] = None
        self._woken.set()

    def _gather(self, subscription: Subscription) -> None:
        if subscription not in self._changed:
            if not self._gathering:
                self._woken.set()
            self._gathering[subscription] = None

    def _collect(self) -> list[Reading]:
        """Return what can be told now, and forget the subscriptions that this ends."""
        is_due = self._now() >= self._gathered_at + self._pace_s
        if is_due:
            self._changed |= self._gathering
            self._gathering.clear()
        readings: list[Reading] = []
        room = ANSWER_SIZE
        while self._changed and room > 0:
            subscription = next(iter(self._changed))
            del self._changed[subscription]
            self._gathering.pop(subscription, None)
            reading = subscription.next(is_due=is_due)
            if reading is not None:
                readings.append(reading)
                room -= size_of(reading.items)
                if reading.status != "open":
                    self._end(reading.key)
        if readings and is_due and not self._changed:
            self._gathered_at = self._now()
        return readings

    def _end(self, key: int) -> None:
        if subscription := self._subscriptions.pop(key, None):
            subscription.end()
            self._changed.pop(subscription, None)
            self._gathering.pop(subscription, None)

    def close(self) -> None:
        """End all subscriptions, and the poll that waits."""
        self._next_number = -1
        self._woken.set()
        for key in list(self._subscriptions):
            self._end(key)


class Feeds:
    """The feeds of one host.

    Args:
        hold: Returns a live session, or what will be it once it is loaded.
        read_events: Reads events that are no longer in memory.
        pace_s: Seconds for which deltas gather at least.
    """

    def __init__(self, hold: Hold, read_events: ReadEvents, pace_s: float) -> None:
        self._hold = hold
        self._load_events = read_events
        self._pace_s = pace_s
        self._feeds: dict[str, Feed] = {}
        self._reading_pages = asyncio.Semaphore(PAGES_AT_ONCE)

    async def poll(self, poll: Poll) -> Sequence[Reading] | None:
        """Take a replica's changes in and return what is new for it, or wait for it.

        A durable event and the first words of a draft are answered at once, and alone; further
        words of all sessions gather for a moment, so that fast models cost one answer for many
        tokens. An answer has a limit: what does not fit comes with the next one, and first.

        Returns:
            One reading for each subscription that has news; empty when there are none, or when
            the next poll has come meanwhile. ``None`` when the host does not know the feed as the
            replica does, because it has forgotten it or a poll was lost: the replica has to
            subscribe anew, in its next life.

        Raises:
            PlacedElsewhere: The host stops.
        """
        feed = self._feeds.get(poll.subscriber)
        if poll.number == 0 and (feed is None or feed.life < poll.life):
            if feed is not None:
                feed.close()
            feed = Feed(poll.life, self._hold, self._read_events, self._pace_s)
            self._feeds[poll.subscriber] = feed
        if feed is None or feed.life != poll.life:
            return None
        return await feed.poll(poll)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions all feeds have together."""
        return sum(feed.subscriptions for feed in self._feeds.values())

    def forget_silent(self) -> None:
        """Forget the replicas that have gone without a word."""
        for name, feed in list(self._feeds.items()):
            if feed.is_silent:
                feed.close()
                del self._feeds[name]

    async def _read_events(self, session_id: str, query: EventQuery) -> Sequence[Event]:
        async with self._reading_pages:
            return await self._load_events(session_id, query)
