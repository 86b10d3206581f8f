"""Gathering: what happens often is handled a moment later, together with what has come meanwhile.

Code that has just run takes a fraction of the time that it takes between a thousand other things,
and a process is woken once for all of it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

import structlog

# Gathered things wait so long at most, and so many at a time.
GATHER_S = 0.25
MAX_GATHERED = 1_000

Item = TypeVar("Item")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Gathering(Generic[Item]):
    """Hands over items within ``GATHER_S`` seconds, or as soon as there are ``MAX_GATHERED``.

    It is used in one event loop, and whoever uses it settles it before the loop ends.

    Args:
        take: Handles items, in the order in which they came. It is called in the event loop, so it
            must not wait. What it raises is logged: whoever adds an item has nothing to do with it.
    """

    def __init__(self, take: Callable[[Sequence[Item]], None]) -> None:
        self._take = take
        self._items: list[Item] = []

    def add(self, item: Item) -> None:
        """Take note of an item."""
        self._items.append(item)
        if len(self._items) == 1:
            asyncio.get_running_loop().call_later(GATHER_S, self.settle)
        elif len(self._items) >= MAX_GATHERED:
            self.settle()

    def settle(self) -> None:
        """Hand over what has been gathered, now."""
        items, self._items = self._items, []
        if items:
            # They come from many pieces of work, not only from that which runs now, so lines have
            # the ids of none. The log gathers its lines, too, so that it cannot be imported here.
            Context().run(self._handle, items)

    def _handle(self, items: Sequence[Item]) -> None:
        try:
            self._take(items)
        except Exception:
            log.exception("gathered items not handled", items=len(items))
