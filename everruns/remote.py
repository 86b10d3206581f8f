"""What may be called from another process, and what becomes of a call whose outcome is unknown.

A process can be lost after it has carried out a call and before it has answered. Whether the call
may be made again is declared at the method, with ``@remote``; a method without it cannot be called
from another process at all.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

_DECLARATION = "__repeat__"


class Repeat(Enum):
    """What becomes of a call whose outcome is unknown."""

    YES = "yes"
    """It is made again: carried out twice it does what it does once, and answers the same."""

    KEYED = "keyed"
    """It is made again with the same ``idempotency``, by which the method knows the first try.

    A caller that gives none is given one. The method answers a repeat as it answered the first
    try, if that had its effect.
    """

    NO = "no"
    """It fails: only the caller can tell whether it is to be made again."""


Method = TypeVar("Method", bound=Callable[..., Any])


def remote(repeat: Repeat) -> Callable[[Method], Method]:
    """Let a coroutine method be called from another process.

    Args:
        repeat: What becomes of a call whose outcome is unknown.
    """

    def declare(method: Method) -> Method:
        setattr(method, _DECLARATION, repeat)
        return method

    return declare


def declared(kind: type, method: str) -> Repeat:
    """Return what a class declares of one of its methods.

    Raises:
        AttributeError: There is no such method, or it cannot be called from another process.
    """
    repeat: Repeat | None = getattr(getattr(kind, method), _DECLARATION, None)
    if repeat is None:
        raise AttributeError(f"{kind.__name__}.{method} cannot be called from another process")
    return repeat
