"""What streams at the same place share: one copy of a reading in a process."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from everruns.domain.events import Event, Passing


class Batch:
    """What is new for the streams at one place.

    Attributes:
        items: Durable events and deltas in order.
        shown: What faces of the API have made of the items, so that they do it once.
    """

    def __init__(self, items: Sequence[Event | Passing]) -> None:
        self.items = items
        self.shown: dict[Hashable, Any] = {}

    def __iter__(self) -> Iterator[Event | Passing]:
        return iter(self.items)
