"""Exceptions as the log shows them: where and of which class, without their messages."""

import traceback
from collections.abc import Iterator
from typing import cast

MAX_FRAMES = 30
MAX_EXCEPTIONS = 8

_CAUSED = "\nThe direct cause of:\n"
_DURING = "\nWhile that was handled:\n"


def describe_exception(error: BaseException) -> str:
    """Return the traceback of an exception and of what led to it, in Python's order.

    Lines of source are in it, values and messages are not: they may hold conversations and keys.
    """
    return "".join(_described(error, set()))


def _described(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    if len(seen) > MAX_EXCEPTIONS:
        yield "…\n"
        return
    context = None if error.__suppress_context__ else error.__context__
    earlier = error.__cause__ or context
    if earlier is not None and id(earlier) not in seen:
        yield from _described(earlier, seen)
        yield _CAUSED if error.__cause__ else _DURING
    # The last frames say where it happened.
    yield from traceback.format_tb(error.__traceback__, -MAX_FRAMES)
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for part in group.exceptions:
            if id(part) not in seen:
                yield "\nOne of its exceptions:\n"
                yield from _described(part, seen)
