"""Pages of lists, limited in bytes, whatever a list contains."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from everruns.domain.base import MIB
from everruns.domain.events import Event, body_bytes
from everruns.storage.logs import EventQuery

MAX_PAGE_BYTES = 16 * MIB

Item = TypeVar("Item")


@dataclass(frozen=True)
class ListQuery:
    """A query for a page of a list, newest first. A page may have fewer items if they are large.

    Attributes:
        offset: Number of items to skip.
        limit: Maximum number of items to return.
    """

    offset: int = 0
    limit: int = 20


def cut(
    items: Iterable[Item], size_of: Callable[[Item], int], full_bytes: int | None = None
) -> list[Item]:
    """Return the first items, up to the one that fills a page.

    A page has at least one item, so that paging reaches the end.

    Args:
        items: All items.
        size_of: Returns an item's size in bytes.
        full_bytes: The size at which a page is full; ``MAX_PAGE_BYTES`` if it is not given.
    """
    page: list[Item] = []
    size_bytes = 0
    for item in items:
        page.append(item)
        size_bytes += size_of(item)
        if size_bytes >= (full_bytes or MAX_PAGE_BYTES):
            break
    return page


def is_last(events: Sequence[Event], query: EventQuery) -> bool:
    """Tell whether a page of events ends at the end of the log, rather than because it is full."""
    is_full = query.limit is not None and len(events) >= query.limit
    full_bytes = query.size_bytes or MAX_PAGE_BYTES
    return not is_full and body_bytes(events) < full_bytes
