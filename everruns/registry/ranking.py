"""A ranking: which of many names has the lowest rank, while ranks change all the time."""

import heapq
from collections.abc import Iterator
from typing import Any, Generic, NamedTuple, TypeVar

# Ranks are anything that can be ordered.
Rank = TypeVar("Rank", bound=Any)

MIN_HEAP = 16


class Lowest(NamedTuple, Generic[Rank]):
    """The lowest rank, and a name that has it."""

    rank: Rank
    name: str


class Ranking(Generic[Rank]):
    """Names with ranks. A rank is changed, and the lowest found, in logarithmic time.

    A heap keeps what each name has had, and what is out of date leaves it when it gets to the top.
    The heap is made anew when most of it is out of date, so it stays as large as there are names.
    """

    def __init__(self) -> None:
        self._ranks: dict[str, Rank] = {}
        self._heap: list[Lowest[Rank]] = []

    def __len__(self) -> int:
        return len(self._ranks)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ranks)

    def put(self, name: str, rank: Rank) -> None:
        """Give a name a rank, instead of the one that it may have."""
        if self._ranks.get(name) == rank:
            return
        self._ranks[name] = rank
        heapq.heappush(self._heap, Lowest(rank, name))
        if len(self._heap) > max(MIN_HEAP, 4 * len(self._ranks)):
            self._heap = [Lowest(rank, name) for name, rank in self._ranks.items()]
            heapq.heapify(self._heap)

    def remove(self, name: str) -> None:
        """Forget a name, if it is known."""
        self._ranks.pop(name, None)

    @property
    def lowest(self) -> Lowest[Rank] | None:
        """The lowest rank and one of the names that have it; ``None`` without any names."""
        while self._heap:
            lowest = self._heap[0]
            if self._ranks.get(lowest.name) == lowest.rank:
                return lowest
            heapq.heappop(self._heap)
        return None
