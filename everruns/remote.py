"""The contract of calls between processes, declared at each method.

A process can die after it has carried out a call but before it answers. ``@remote`` declares for
each method whether the call may be retried, and how long it may take; methods without it cannot be
called remotely.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

_DECLARATION = "__remote__"

CALL_TIMEOUT_S = 15.0
"""How long a call may take whose method declares nothing else."""


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


@dataclass(frozen=True)
class Declaration:
    """What a method declares of its calls from other processes.

    Attributes:
        repeat: How a call with an unknown outcome is handled.
        timeout_s: Seconds after which a call without an answer counts as lost.
    """

    repeat: Repeat
    timeout_s: float


Method = TypeVar("Method", bound=Callable[..., Any])


def remote(repeat: Repeat, timeout_s: float = CALL_TIMEOUT_S) -> Callable[[Method], Method]:
    """Let a coroutine method be called from another process.

    Its parameters and its result must be of types that ``actors.calls.codec`` can carry.

    Args:
        repeat: How a call with an unknown outcome is handled.
        timeout_s: Seconds after which a call without an answer counts as lost. It does not include
            the time in which the process is looked for.
    """

    def declare(method: Method) -> Method:
        setattr(method, _DECLARATION, Declaration(repeat, timeout_s))
        return method

    return declare


def declarations(kind: type) -> dict[str, Declaration]:
    """Return what the methods of a class declare, by name; only these can be called remotely."""
    members = ((name, getattr(getattr(kind, name), _DECLARATION, None)) for name in dir(kind))
    return {name: declared for name, declared in members if declared is not None}
