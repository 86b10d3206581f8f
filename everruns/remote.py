"""Methods that other processes may call, and how a call with an unknown outcome is retried.

A process can die after it has carried out a call but before it answers. ``@remote`` declares for
each method whether the call may be retried; methods without it cannot be called remotely.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

_DECLARATION = "__repeat__"


class Repeat(Enum):
    """How a call with an unknown outcome is handled."""

    YES = "yes"
    """Retried: the method is idempotent and returns the same answer."""

    KEYED = "keyed"
    """Retried with the same ``idempotency``, by which the method recognises the first attempt.

    A caller without a key is given one. If the first attempt took effect, the method returns
    its answer again.
    """

    NO = "no"
    """Not retried: only the caller can decide whether to repeat it."""


Method = TypeVar("Method", bound=Callable[..., Any])


def remote(repeat: Repeat) -> Callable[[Method], Method]:
    """Let a coroutine method be called from another process.

    Args:
        repeat: How a call with an unknown outcome is handled.
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
