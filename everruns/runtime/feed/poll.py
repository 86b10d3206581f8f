"""What travels between the two sides of a feed."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from everruns.domain.events import Event, Passing
from everruns.errors import EverrunsError
from everruns.runtime.feed.cursor import Cursor


class Subscribe(NamedTuple):
    """A new subscription.

    Attributes:
        key: What the replica calls it; never used twice.
        session_id: The session.
        cursor: Where its readers stand.
    """

    key: int
    session_id: str
    cursor: Cursor


class Poll(NamedTuple):
    """A replica's changes since its last poll, and a request for what is new.

    Attributes:
        subscriber: The name of the replica's side.
        life: Which of its lives this is, counted up: a higher one replaces the one before.
        number: Which poll of its life this is, counted from 0.
        subscribe: New subscriptions.
        acknowledge: Keys whose last reading was handed on: they can take the next one.
        drop: Keys that nobody reads any more.
        pace_s: Seconds for which deltas should gather at least.
        wait_s: Seconds to wait for something new.
    """

    subscriber: str
    life: int
    number: int
    subscribe: Sequence[Subscribe] = ()
    acknowledge: Sequence[int] = ()
    drop: Sequence[int] = ()
    pace_s: float = 0.0
    wait_s: float = 0.0


class Reading(NamedTuple):
    """What is new for a subscription. With another status than ``open`` it is the last one.

    Attributes:
        key: The subscription.
        items: Durable events and deltas in order.
        cursor: Where the readers stand after them.
        start: Where the items begin, if that is not where the subscription stood, because its
            cursor had no sequence.
        status: ``open``; ``gone`` when the session was deleted; ``moved`` when another host
            holds it; ``failed`` when it cannot be read.
        error: Why it failed.
    """

    key: int
    items: Sequence[Event | Passing] = ()
    cursor: Cursor = Cursor()
    start: Cursor | None = None
    status: Literal["open", "gone", "moved", "failed"] = "open"
    error: EverrunsError | None = None
