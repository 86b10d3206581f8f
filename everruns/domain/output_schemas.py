"""The schema that a structured answer must match: what a client may send as ``output_schema``.

Unlike the schemas of tools it may describe any value, not only an object, and all of its keywords
count. So a value is checked in this process only if that cannot take long.

Source: docs/contract.md, "Structured answers".
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import orjson

from everruns.domain.base import KIB, MAX_DEPTH
from everruns.domain.exact_json import is_deeper
from everruns.domain.schemas import (
    PROPERTY,
    UNBOUNDED,
    UnusableSchema,
    check_is_schema,
    find_any_violation,
    find_bounded_violation,
)

MAX_SCHEMA_BYTES = 64 * KIB
# Within these bounds each of the steps of a check compares few values.
SMALL_SCHEMA_BYTES = 16 * KIB
SMALL_VALUE_BYTES = 256 * KIB

# Keywords whose values are values, not schemas.
_VALUES = frozenset({"const", "default", "enum", "examples"})


def check_output_schema(schema: Mapping[str, Any]) -> None:
    """Check that a client's schema can be used for structured answers.

    Raises:
        UnusableSchema: It is not a JSON Schema, is too large, or refers to something outside it or
            to something that does not exist.
    """
    if is_deeper(schema, MAX_DEPTH):
        raise UnusableSchema(f"output_schema: must be at most {MAX_DEPTH} levels deep")
    size_bytes = len(orjson.dumps(schema))
    if size_bytes > MAX_SCHEMA_BYTES:
        raise UnusableSchema(
            f"output_schema: must be at most {MAX_SCHEMA_BYTES} bytes of JSON, and has {size_bytes}"
        )
    try:
        check_is_schema(schema)
        _check_references(schema)
    except UnusableSchema as error:
        raise UnusableSchema(f"output_schema: {error}") from None


def _check_references(schema: Mapping[str, Any]) -> None:
    for reference in _references(schema):
        if referred(schema, reference) is None:
            raise UnusableSchema(
                f"it refers to {reference[:200]!r}; a $ref must name a part of the schema itself, "
                "such as '#/$defs/Name'"
            )


def referred(schema: Mapping[str, Any], reference: str) -> Any | None:
    """Return the part of a schema that a reference names, if it names one.

    Args:
        schema: The whole schema.
        reference: A JSON Pointer after ``#``.
    """
    start, *steps = reference.split("/")
    if start != "#":
        return None
    found: Any = schema
    for step in steps:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = cast("dict[str, Any]", found)[name]
        elif isinstance(found, list) and name.isdecimal():
            items = cast("list[Any]", found)
            found = items[int(name)] if int(name) < len(items) else None
        else:
            return None
    return cast("Any", found) if isinstance(found, dict | bool) else None


def is_quickly_checked(schema: Mapping[str, Any], value: Any) -> bool:
    """Tell whether checking a value cannot hold up this process."""
    return (
        len(orjson.dumps(value)) <= SMALL_VALUE_BYTES
        and len(orjson.dumps(schema)) <= SMALL_SCHEMA_BYTES
        and not any(keyword in part for part in _parts(schema) for keyword in UNBOUNDED)
    )


def find_violation_quickly(schema: Mapping[str, Any], value: Any) -> str | None:
    """Return what is wrong with a value that is quickly checked; ``None`` if it matches.

    Raises:
        UnusableSchema: It takes too many steps nevertheless.
    """
    return find_bounded_violation(schema, value, PROPERTY)


def find_violation_in_child(frames: Iterator[bytes]) -> bytes:
    """Find what is wrong with a value; for a child process, because it may take for ever.

    Args:
        frames: The schema and the value, as JSON.

    Returns:
        JSON: ``{"violation": text or null}``, or ``{"unusable": reason}`` for a schema by which
        nothing can be checked.
    """
    schema, value = (orjson.loads(frame) for frame in frames)
    try:
        return orjson.dumps({"violation": find_any_violation(schema, value, PROPERTY)})
    except UnusableSchema as error:
        return orjson.dumps({"unusable": str(error)})


def _references(schema: Mapping[str, Any]) -> Iterator[str]:
    for part in _parts(schema):
        for keyword in ("$ref", "$dynamicRef"):
            if isinstance(part.get(keyword), str):
                yield part[keyword]


def _parts(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every object in a schema, apart from values that it names."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        yield fields
        for name, item in fields.items():
            if name not in _VALUES:
                yield from _parts(item)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _parts(item)
