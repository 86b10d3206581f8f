"""Pages of lists that are short enough to keep in memory."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from everruns.domain.base import Model, Page
from everruns.storage.pages import cut

Item = TypeVar("Item", bound=Model)


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
        offset: Number of items to skip.
        limit: Maximum number of items to return.
        search: Only items that contain this text, ignoring case.
        text: Returns the searchable text of an item.
    """
    if search:
        items = [item for item in items if search.lower() in text(item).lower()]
    data = cut(items[offset : offset + limit], lambda item: len(item.model_dump_json().encode()))
    return Page.of(data, len(items), offset, limit)
