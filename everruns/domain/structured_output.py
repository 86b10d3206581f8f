"""Structured answers: the value that a model's answer is, and corrections until it is one.

An answer that is not the value asked for is stored with what is wrong with it. That is part of the
conversation, so how often a model was corrected follows from the log alone.

Source: docs/contract.md, "Structured answers".
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from everruns.domain.base import MAX_DEPTH, MIB
from everruns.domain.exact_json import InexactNumber, decode_exactly, is_deeper
from everruns.domain.messages import Message
from everruns.domain.output_schemas import referred

MAX_CORRECTIONS = 2
MAX_VALUE_BYTES = MIB
# How often parts of a schema may be looked at for one value.
MAX_FORMS = 20_000
# The property that holds the value where a provider takes only schemas of objects.
WRAPPER = "value"

_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)


class NoValue(ValueError):
    """An answer is not a JSON value that can be kept; the message tells the model why."""


def corrections(history: Sequence[Message], unread: Sequence[Message]) -> int:
    """Return how many answers in a row were not the value asked for.

    If there are any, the model is to correct the last one now, without tools.

    Args:
        history: The messages that a model has read or written.
        unread: User messages that come after it. They are answered instead.
    """
    count = 0
    for message in reversed(() if unread else history):
        if message.output is None or message.output.error is None:
            break
        count += 1
    return count


def read_value(text: str) -> Any:
    """Return the value that an answer is: all of it, or what is in its only fenced block.

    Raises:
        NoValue: It is not JSON, is too large or nested too deeply, or has a number that 64 bits
            cannot hold.
    """
    if not text.strip():
        raise NoValue("It is empty.")
    size_bytes = len(text.encode())
    if size_bytes > MAX_VALUE_BYTES:
        raise NoValue(f"It has {size_bytes} bytes, and at most {MAX_VALUE_BYTES} are allowed.")
    fenced = _FENCE.findall(text)
    try:
        try:
            value = decode_exactly(text.strip())
        except json.JSONDecodeError:
            if len(fenced) != 1:
                raise
            value = decode_exactly(fenced[0])
    except json.JSONDecodeError as error:
        raise NoValue(f"It is not JSON: {error}.") from None
    except InexactNumber as error:
        raise NoValue(f"The number {error.number} does not fit into 64 bits.") from None
    except (RecursionError, TypeError):
        raise NoValue("It is not valid JSON.") from None
    if is_deeper(value, MAX_DEPTH):
        raise NoValue(f"It is nested more than {MAX_DEPTH} levels deep.")
    return value


def readings(value: Any, schema: Mapping[str, Any], *, is_wrapped: bool) -> Iterator[Any]:
    """Yield what an answer's value may mean, the most literal first.

    Args:
        value: What the model wrote.
        schema: The schema that a client has sent.
        is_wrapped: Whether the model was asked for an object that holds the value.
    """
    if is_wrapped and isinstance(value, dict) and value.keys() == {WRAPPER}:
        value = cast("dict[str, Any]", value)[WRAPPER]
    yield value
    # Some providers require every property; models then write null for those that are optional.
    spare = _SpareNulls(schema).left_out_of(value, schema)
    if spare != value:
        yield spare


class _SpareNulls:
    """Leaves out optional properties that are null where the schema does not allow null.

    Args:
        whole: The schema of the whole value.
    """

    def __init__(self, whole: Mapping[str, Any]) -> None:
        self._whole = whole
        self._left = MAX_FORMS

    def left_out_of(self, value: Any, schema: Any) -> Any:
        """Return a part of the value without them, by its schema."""
        if not isinstance(value, dict | list):
            return value
        forms = list(self._forms(schema, set()))
        if isinstance(value, list):
            items: Any = next((form["items"] for form in forms if "items" in form), None)
            return [self.left_out_of(item, items) for item in cast("list[Any]", value)]
        kept: dict[str, Any] = {}
        for name, item in cast("dict[str, Any]", value).items():
            described = [form for form in forms if name in form.get("properties", ())]
            part: Any = described[0]["properties"][name] if described else None
            is_optional = any(name not in form.get("required", ()) for form in described)
            if item is not None or not is_optional or self._takes_null(part):
                kept[name] = self.left_out_of(item, part)
        return kept

    def _forms(self, schema: Any, seen: set[int]) -> Iterator[Mapping[str, Any]]:
        """Yield a schema and those that it refers to or chooses among, each once."""
        self._left -= 1
        if not isinstance(schema, dict) or id(cast("Any", schema)) in seen or self._left < 0:
            return
        form = cast("dict[str, Any]", schema)
        seen.add(id(form))
        yield form
        if isinstance(form.get("$ref"), str):
            yield from self._forms(referred(self._whole, form["$ref"]), seen)
        for keyword in ("allOf", "anyOf", "oneOf"):
            for part in form.get(keyword, ()):
                yield from self._forms(part, seen)

    def _takes_null(self, schema: Any) -> bool:
        for form in self._forms(schema, set()):
            kinds: Any = form.get("type", ())
            is_named = None in form.get("enum", ()) or ("const" in form and form["const"] is None)
            if is_named or "null" in ([kinds] if isinstance(kinds, str) else kinds):
                return True
        return False
