"""Which tools vendors refuse, on every wire."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

NAMES = re.compile(r"[a-zA-Z0-9_-]{1,64}")
PROPERTY_NAMES = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
CHOICES = ("anyOf", "oneOf", "allOf", "enum", "not")

Schema = dict[str, Any]


def tool_problems(tools: Iterable[tuple[str, Schema]]) -> Iterator[str]:
    """Yield what every vendor refuses: bad tool names, and schemas whose type is not object."""
    names: set[str] = set()
    for name, schema in tools:
        if not NAMES.fullmatch(name):
            yield f"tools: the name {name!r} does not match"
        if name in names:
            yield f"tools: Tool names must be unique ({name})"
        names.add(name)
        if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
            yield f"tools: the schema of {name} is not that of an object"


def flat_root(schema: Schema) -> Iterator[str]:
    """Refuse a schema whose root is a choice.

    Source: https://github.com/anomalyco/opencode/issues/35516 (Anthropic),
    https://github.com/openclaw/openclaw/issues/113130 (Moonshot), and OpenAI's words "schema must
    have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level".
    """
    for keyword in CHOICES:
        if keyword in schema:
            yield f"input_schema does not support {keyword} at the top level"


def property_names(schema: Any) -> Iterator[str]:
    """Refuse properties whose names have other letters.

    Source: Anthropic's words "Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'".
    """
    for inner in _within(schema):
        for name in inner.get("properties") or {}:
            if not PROPERTY_NAMES.fullmatch(name):
                yield f"Property keys should match pattern '^[a-zA-Z0-9_.-]{{1,64}}$': {name!r}"


def geminis(schema: Any) -> Iterator[str]:
    """Refuse what Gemini's own form of schemas has no place for.

    Source: https://ai.google.dev/api/caching#Schema and the words of its errors: "Unknown name
    \\"$schema\\": Cannot find field", "items: missing field", "enum: only allowed for STRING type".
    """
    for inner in _within(schema):
        for name in sorted(set(inner) - GEMINIS_KEYWORDS):
            yield f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
        if inner.get("type") == "array" and "items" not in inner:
            yield "items: missing field."
        if not isinstance(inner.get("type", ""), str):
            yield "Proto field is not repeating, cannot start list."
        if "enum" in inner and inner.get("type") != "string":
            yield "enum: only allowed for STRING type"
        for name in inner.get("required") or ():
            if name not in (inner.get("properties") or {}):
                yield f"required: property is not defined: {name}"


GEMINIS_KEYWORDS = frozenset(
    {
        *("type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems"),
        *("properties", "required", "minProperties", "maxProperties", "minLength", "maxLength"),
        *("pattern", "example", "anyOf", "propertyOrdering", "default", "items", "minimum"),
        "maximum",
    }
)


def _within(schema: Any) -> Iterator[Schema]:
    """Yield a schema and all schemas within it."""
    if not isinstance(schema, dict):
        yield {"a boolean in place of a schema": schema}
        return
    fields = cast("Schema", schema)
    yield fields
    for name in ("properties", "$defs", "definitions", "patternProperties"):
        for inner in (fields.get(name) or {}).values():
            yield from _within(inner)
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for inner in fields.get(name) or ():
            yield from _within(inner)
    for name in ("items", "additionalProperties", "not"):
        if isinstance(fields.get(name), dict):
            yield from _within(fields[name])
