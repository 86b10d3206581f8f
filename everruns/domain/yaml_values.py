"""YAML as a notation for JSON values: parsed within limits, written so that it round-trips.

The supported values are those of JSON, in the notation of YAML 1.2: objects, lists, strings,
numbers, ``true``, ``false`` and ``null``. So ``no`` and ``2026-01-31`` are strings, unlike in
YAML 1.1, and keys are always strings. Aliases, which can expand a short text into a huge value,
and tags, which can construct arbitrary types, are refused.

libyaml parses the text into events without building a tree; the value is built here, where its size
can be limited while it grows.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from everruns.domain.base import MAX_DEPTH, MAX_VALUES
from everruns.errors import InvalidRequest

WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Python refuses to parse numbers of thousands of digits; nothing beyond 64 bits can be stored.
INTEGER = re.compile(r"[-+]?[0-9]{1,100}")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+")
# YAML treats all of these as line breaks and does not distinguish them.
OTHER_BREAKS = re.compile("[\r\x85\u2028\u2029]")
NEVER_FOLD = 2**31 - 1


def read_yaml(text: str) -> Any:
    """Parse a YAML text; ``None`` if it is empty.

    Raises:
        InvalidRequest: It is malformed, too deep, has too many values, or uses features without a
            counterpart in JSON. The message names the line.
    """
    try:
        return _Reader(text).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _refusal(mark.line if mark else 0, error.problem or "is not valid YAML") from None
    except yaml.YAMLError as error:
        raise InvalidRequest(f"YAML: {error}") from None


class _Reader:
    def __init__(self, text: str) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(  # pyright: ignore[reportUnknownMemberType]
            text, Loader=yaml.CSafeLoader
        )
        self._values = 0

    def read(self) -> Any:
        next(self._events)  # The stream starts.
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events), depth=1)
        next(self._events)  # The document ends.
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _refusal(after.start_mark.line, "a second document begins; only one is allowed")
        return value

    def _value(self, event: yaml.Event, depth: int) -> Any:
        line = event.start_mark.line
        self._values += 1
        if self._values > MAX_VALUES:
            raise _refusal(line, f"there are more than {MAX_VALUES} values")
        if isinstance(event, yaml.AliasEvent):
            raise _refusal(line, f"the alias *{event.anchor} is not allowed; repeat its value")
        if getattr(event, "tag", None) is not None:
            raise _refusal(line, "tags (!) are not allowed")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event.value) if event.implicit[0] else event.value
        if depth > MAX_DEPTH:
            raise _refusal(line, f"values are nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(depth)
        return self._object(depth)

    def _list(self, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return items

    def _object(self, depth: int) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _refusal(event.start_mark.line, "a key must be a string")
            name = event.value
            if name in fields:
                raise _refusal(event.start_mark.line, f"{name[:64]!r} appears twice")
            fields[name] = self._value(next(self._events), depth + 1)
        return fields


def _scalar(text: str) -> Any:
    """Return the value of an unquoted scalar."""
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text):
        return float(text)
    return text


def _refusal(line: int, problem: str) -> InvalidRequest:
    return InvalidRequest(f"YAML, line {line + 1}: {problem}")


class _Writer(yaml.CSafeDumper):
    """Writes strings so that parsers of YAML 1.1 and 1.2 read them alike."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library's
        """Never write aliases."""
        return True


def _write_text(writer: _Writer, text: str) -> yaml.ScalarNode:
    style = None
    if _scalar(text) is not text or OTHER_BREAKS.search(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    tag = "tag:yaml.org,2002:str"
    return writer.represent_scalar(tag, text, style)  # pyright: ignore[reportUnknownMemberType]


_Writer.add_representer(str, _write_text)


def write_yaml(value: Any) -> str:
    """Return a JSON value as YAML, fields in order, multi-line strings as blocks."""
    return yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=NEVER_FOLD)
