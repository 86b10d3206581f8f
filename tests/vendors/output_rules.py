"""What vendors refuse in the schema of a structured answer.

Source: https://developers.openai.com/api/docs/guides/structured-outputs ("Supported schemas") and
https://platform.claude.com/docs/en/build-with-claude/structured-outputs ("JSON Schema
limitations").
"""

from collections.abc import Iterator
from typing import Any

from tests.vendors.tool_rules import NAMES

Schema = dict[str, Any]

_STRUCTURE = frozenset(
    {"type", "description", "properties", "required", "additionalProperties", "items", "anyOf"}
    | {"enum", "const", "$ref", "$defs", "title"}
)
_NUMBERS = {"multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"}
_OPENAI = _STRUCTURE | _NUMBERS | {"pattern", "format", "minItems", "maxItems"}
_ANTHROPIC = _STRUCTURE | {"format", "minItems", "allOf"}
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}


def openai_output(described: dict[str, Any]) -> Iterator[str]:
    """Check a schema with its name, of Chat Completions or Responses."""
    if described.get("strict") is not True or not NAMES.fullmatch(described["name"]):
        yield f"Invalid schema for response_format: {described}"
    schema = described["schema"]
    if schema.get("type") != "object":
        yield "schema must be a JSON Schema of 'type: \"object\"'"
    for part in _parts(schema):
        yield from _problems(part, _OPENAI, _FORMATS)
        if sorted(part.get("required", ())) != sorted(part.get("properties", ())):
            yield "'required' is required to include every key in properties"


def anthropic_output(described: dict[str, Any]) -> Iterator[str]:
    """Check a schema of the Messages API."""
    schema = described["schema"]
    if schema.get("type") != "object":
        yield "output_config.format.schema: the root must be an object"
    for part in _parts(schema):
        yield from _problems(part, _ANTHROPIC, _FORMATS | {"uri"})
        if part.get("minItems", 0) > 1:
            yield "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    definitions: dict[str, Schema] = schema.get("$defs", {})
    for name in definitions:
        if name in _reached(definitions, name):
            yield f"Circular reference detected in schema definitions: {name}"


def _problems(part: Schema, keywords: frozenset[str], formats: set[str]) -> Iterator[str]:
    if unknown := part.keys() - keywords:
        yield f"{sorted(unknown)} is not permitted"
    if not part.keys() & {"type", "anyOf", "$ref", "enum", "const"}:
        yield "schema must have a 'type' key"
    if part.get("type") == "object" and part.get("additionalProperties") is not False:
        yield "'additionalProperties' is required to be supplied and to be false"
    if part.get("type") == "array" and "items" not in part:
        yield "array schema missing items"
    if part.get("format") not in {None, *formats}:
        yield f"'format' {part['format']} is not supported"
    if "$ref" in part and not str(part["$ref"]).startswith("#/$defs/"):
        yield f"{part['$ref']} is not supported"


def _parts(schema: Schema) -> Iterator[Schema]:
    """Yield a schema and all in it."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    inner += schema.get("anyOf", [])
    inner += [schema["items"]] if "items" in schema else []
    for part in inner:
        yield from _parts(part)


def _reached(definitions: dict[str, Schema], start: str) -> set[str]:
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        for part in _parts(definitions[ahead.pop()]):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name in definitions and name not in reached:
                reached.add(name)
                ahead.append(name)
    return reached
