"""Which schemas of a server's tools can be used, and within which bounds.

Source: docs/mcp.md, "Bounds".
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import orjson

from everruns.domain.base import KIB
from everruns.domain.schemas import UnusableSchema, check_foreign_schema

MAX_BYTES = 32 * KIB
MAX_DEPTH = 32


def check_tool_schema(schema: Mapping[str, Any]) -> None:
    """Check the schema of a tool's arguments.

    Raises:
        UnusableSchema: It is too large or too deep, does not describe an object, or refers to
            something outside itself, which would have to be fetched.
    """
    try:
        size = len(orjson.dumps(schema))
    except (TypeError, RecursionError):
        raise UnusableSchema("it is not a JSON value that can be stored") from None
    if size > MAX_BYTES:
        raise UnusableSchema(f"it has {size} bytes; at most {MAX_BYTES} are read")
    for name, value in _members(schema, 0):
        is_reference = name in {"$ref", "$dynamicRef"} and isinstance(value, str)
        if is_reference and not value.startswith("#"):
            raise UnusableSchema(f"it refers to {value[:100]!r}; only its own parts are read")
    check_foreign_schema(schema)


def _members(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield every member of every object within a value."""
    if depth > MAX_DEPTH:
        raise UnusableSchema(f"it is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        for name, member in cast("Mapping[str, Any]", value).items():
            yield name, member
            yield from _members(member, depth + 1)
    elif isinstance(value, list):
        for member in cast("list[Any]", value):
            yield from _members(member, depth + 1)
