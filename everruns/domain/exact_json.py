"""Reading JSON that a model wrote, without changing a number in it.

Source: docs/contract.md, "Structured answers", and the calls of tools.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, cast

import orjson

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
# Such a number may be beyond 64 bits; orjson would round it.
_LONG_NUMBER = re.compile(r"\d{19}")


class InexactNumber(ValueError):
    """A number that no 64 bits hold, or that is not finite.

    Attributes:
        number: The number as it was written, cut to 40 characters.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text[:40])
        self.number = text[:40]


def decode_exactly(text: str) -> Any:
    """Return the value of a JSON text that a model wrote.

    Line breaks within strings, which models forget to escape, are read as they are.

    Raises:
        InexactNumber: A number in it cannot be passed on exactly.
        json.JSONDecodeError: It is not JSON.
        RecursionError: It is nested too deeply.
        TypeError: It cannot be written as JSON again, such as half a surrogate pair.
    """
    if not _LONG_NUMBER.search(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    value = json.loads(
        text, strict=False, parse_int=_integer, parse_float=_real, parse_constant=_real
    )
    orjson.dumps(value)
    return value


def is_deeper(value: Any, depth: int) -> bool:
    """Tell whether a value is nested more than ``depth`` levels deep."""
    if not isinstance(value, dict | list):
        return False
    items = cast("Sequence[Any]", value.values() if isinstance(value, dict) else value)
    return depth == 0 or any(is_deeper(item, depth - 1) for item in items)


def _integer(text: str) -> int:
    if len(text) > len(str(MIN_INTEGER)) or not MIN_INTEGER <= int(text) <= MAX_INTEGER:
        raise InexactNumber(text)
    return int(text)


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InexactNumber(text)
    return number
