"""Pages of lists that are short enough to be held whole."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from everruns.domain.base import Page

Item = TypeVar("Item")


def page_of(
    items: Sequence[Item],
    offset: int,
    limit: int,
    search: str | None = None,
    text: Callable[[Item], str] = str,
) -> Page[Item]:
    """Return one page of a list.

    Args:
        items: The whole list, in order.
        offset: How many to pass over.
        limit: How many to return at most.
        search: Only what holds this text, in any case.
        text: Where to search an item.
    """
    if search:
        items = [item for item in items if search.lower() in text(item).lower()]
    data = list(items[offset : offset + limit])
    return Page(data=data, total=len(items), offset=offset, limit=limit)
