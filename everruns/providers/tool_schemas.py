"""The schemas of tools in a form that a provider takes.

What is left out of a schema here costs no safety: calls are checked against the whole one.

Source: docs/providers.md, "Tools".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

import orjson

from everruns.providers.base import ModelRequest
from everruns.providers.tool_rules import ANY_TOOLS, ToolRules, sent_description, sent_name

Schema = dict[str, Any]

# Beyond these bounds stands any object.
MAX_DEPTH = 12
MAX_SCHEMAS = 2000
PLAIN_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
# What every provider takes at the root; the other keywords describe choices.
_ROOT = ("title", "description", "properties", "required", "additionalProperties")
_BRANCHES = ("allOf", "anyOf", "oneOf")
_DEFINITIONS = ("$defs", "definitions")
# Formats that Gemini knows.
_FORMATS = ("date-time", "int32", "int64", "float", "double")
_ANYTHING: Schema = {"type": "string"}


class SentTool(NamedTuple):
    """A tool as a provider is told of it."""

    name: str
    description: str
    parameters: Schema


def sent_tools(request: ModelRequest, rules: ToolRules = ANY_TOOLS) -> list[SentTool]:
    """Return the tools of a request in a form that a provider takes.

    Where a conversation with calls needs tools and none are left, those that were called stand for
    them. They must not be called again: ``request.tools`` is empty.
    """
    if request.tools or not rules.with_calls:
        return [
            SentTool(
                sent_name(tool.name, rules),
                sent_description(tool, rules),
                sent_schema(tool.parameters, rules),
            )
            for tool in request.tools
        ]
    called = {sent_name(call.name, rules) for said in request.messages for call in said.tool_calls}
    return [SentTool(name, "Not available any more.", sent_schema({})) for name in sorted(called)]


def sent_schema(parameters: Mapping[str, Any], rules: ToolRules = ANY_TOOLS) -> Schema:
    """Return the schema of a tool's arguments in a form that a provider takes.

    Its root is an object with properties and without choices: what these describe becomes
    optional. Where keywords are limited, references are replaced by what they refer to.
    """
    whole = dict(parameters)
    schema = _Expansion(whole, rules.keywords or frozenset())
    root = schema.flat_root(whole, 0)
    if rules.keywords is not None:
        root = schema.limited(root, 0)
    else:
        root |= {name: whole[name] for name in _DEFINITIONS if name in whole}
    if rules.plain_properties:
        root = cast("Schema", _with_plain_properties(root))
    return {**root, "type": "object", "properties": root.get("properties") or {}}


class _Expansion:
    """Writes out what a schema refers to, within bounds: a few references can stand for millions.

    Args:
        whole: The schema, to whose parts references lead.
        keywords: The keywords of ``limited`` schemas.
    """

    def __init__(self, whole: Schema, keywords: frozenset[str]) -> None:
        self._whole = whole
        self._keywords = keywords
        self._left = MAX_SCHEMAS

    def flat_root(self, schema: Schema, depth: int) -> Schema:
        """Merge the choices at the root of a schema into its properties."""
        schema = self._resolved(schema)
        flat = {name: schema[name] for name in _ROOT if name in schema}
        properties: Schema = dict(schema.get("properties") or {})
        required: list[str] = list(schema.get("required") or ())
        for keyword in _BRANCHES:
            for branch in schema.get(keyword) or ():
                if isinstance(branch, dict) and self._may_go_on(depth):
                    inner = self.flat_root(cast("Schema", branch), depth + 1)
                    properties = {**inner["properties"], **properties}
                    required += inner.get("required", ()) if keyword == "allOf" else ()
        flat["properties"] = properties
        if required:
            flat["required"] = list(dict.fromkeys(required))
        return flat

    def limited(self, schema: Any, depth: int) -> Schema:
        """Return a schema of the known keywords, without references, each part with one type."""
        if not isinstance(schema, dict):
            return dict(_ANYTHING)
        if not self._may_go_on(depth):
            return {"type": "object"}
        full = self._resolved(cast("Schema", schema))
        if full.get("allOf"):
            full = {**full, **self.flat_root(full, depth)}
        limited = {name: value for name, value in full.items() if name in self._keywords}
        if limited.get("format") not in _FORMATS:
            limited.pop("format", None)
        choices = [self.limited(part, depth + 1) for part in _choices(full)]
        limited.pop("anyOf", None)
        if len(choices) == 1:
            limited = {**choices[0], **limited}
        elif choices:
            said = {name: limited[name] for name in ("title", "description") if name in limited}
            return {**said, "anyOf": choices}
        limited |= _one_type(full, limited)
        if "enum" in full or "const" in full:
            limited |= _words(full)
        return self._of_its_type(limited, full, depth)

    def _of_its_type(self, limited: Schema, full: Schema, depth: int) -> Schema:
        """Return a schema with the keywords that its type has."""
        kind = limited["type"]
        properties: Schema = limited.pop("properties", None) or {}
        required = [name for name in limited.pop("required", None) or () if name in properties]
        items = limited.pop("items", None) or {"anyOf": full.get("prefixItems") or [_ANYTHING]}
        if kind != "string":
            limited.pop("enum", None)
        if kind == "array":
            limited["items"] = self.limited(items, depth + 1)
        if kind == "object":
            limited["properties"] = {
                name: self.limited(part, depth + 1) for name, part in properties.items()
            }
            limited |= {"required": required} if required else {}
        return limited

    def _may_go_on(self, depth: int) -> bool:
        self._left -= 1
        return depth < MAX_DEPTH and self._left > 0

    def _resolved(self, schema: Schema) -> Schema:
        """Return a schema with what it refers to within the same document."""
        for _ in range(MAX_DEPTH):
            if "$ref" not in schema:
                return schema
            others = {name: value for name, value in schema.items() if name != "$ref"}
            schema = {**self._referred(str(schema["$ref"])), **others}
        return {"type": "object"}

    def _referred(self, reference: str) -> Schema:
        found: Any = self._whole
        for step in reference.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = cast("Schema", found).get(name) if isinstance(found, dict) else None
        return cast("Schema", found) if isinstance(found, dict) else {}


def _choices(schema: Schema) -> Iterator[Any]:
    """Yield what a value may be, without what no value can be."""
    types: Any = schema.get("type")
    branches = schema.get("anyOf") or schema.get("oneOf") or ()
    if not branches and isinstance(types, list):
        kinds = [kind for kind in cast("list[str]", types) if kind != "null"]
        if len(kinds) > 1:
            branches = [{**schema, "type": kind} for kind in kinds]
    for branch in branches:
        # No value is what ``false`` allows.
        choice: Schema = cast("Schema", branch) if isinstance(branch, dict) else {"not": True}
        if "not" not in choice and choice.get("type") != "null":
            yield choice


def _one_type(schema: Schema, limited: Schema) -> Schema:
    types: Any = schema.get("type", limited.get("type"))
    if isinstance(types, list):
        kinds = cast("list[str]", types)
        kind = next((kind for kind in kinds if kind != "null"), "string")
        return {"type": kind, **({"nullable": True} if "null" in kinds else {})}
    if isinstance(types, str) and types != "null":
        return {"type": types}
    if limited.get("properties"):
        return {"type": "object"}
    return {"type": "array"} if limited.get("items") else dict(_ANYTHING)


def _words(schema: Schema) -> Schema:
    """Return the values that a schema allows, in its description unless all are texts."""
    values: list[Any] = schema.get("enum") or [schema.get("const")]
    if all(isinstance(value, str) and value for value in values):
        return {"type": "string", "enum": values}
    said = f"One of {orjson.dumps(values).decode()}."
    return {"description": " ".join(filter(None, [schema.get("description"), said]))}


def _with_plain_properties(schema: Any) -> Any:
    """Return a schema that tells of properties with other names in its description."""
    if isinstance(schema, list):
        return [_with_plain_properties(part) for part in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    plain: Schema = {}
    for name, part in cast("Schema", schema).items():
        holds_values = name in {"default", "enum", "const", "examples", "required"}
        plain[name] = part if holds_values else _with_plain_properties(part)
    properties: Any = plain.get("properties")
    if not isinstance(properties, dict):
        return plain
    named = cast("Schema", properties)
    odd = {name: part for name, part in named.items() if not PLAIN_PROPERTY.fullmatch(name)}
    if not odd:
        return plain
    plain["properties"] = {name: part for name, part in named.items() if name not in odd}
    if isinstance(plain.get("required"), list):
        plain["required"] = [name for name in plain["required"] if name not in odd]
    if plain.get("additionalProperties") is False:
        del plain["additionalProperties"]
    said = f"It also has these properties: {orjson.dumps(odd).decode()}"
    plain["description"] = " ".join(filter(None, [plain.get("description"), said]))
    return plain
