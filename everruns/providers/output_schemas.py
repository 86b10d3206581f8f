"""The schemas of structured answers in a form that a provider can enforce.

Providers that write only what a schema allows take a part of JSON Schema: objects without other
properties, few keywords, an object at the root. A schema is rewritten to that; keywords that are
left out stand in a description, and values are checked against the whole schema anyway. Where a
schema does not fit, such as that of a map with any keys, the model is told of it in words.

Source: https://developers.openai.com/api/docs/guides/structured-outputs and
https://platform.claude.com/docs/en/build-with-claude/structured-outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import orjson

from everruns.domain.output_schemas import referred
from everruns.domain.structured_output import WRAPPER
from everruns.providers.base import ModelRequest
from everruns.providers.output_rules import NUMBERS, OutputRules
from everruns.providers.tool_schemas import PLAIN_PROPERTY

Schema = dict[str, Any]

OUTPUT_NAME = "answer"
MAX_DEPTH = 10
MAX_SCHEMAS = 2000
IN_WORDS = (
    "Your final answer must be one JSON value, and nothing else: no words around it, and no code "
    "fence. Use your tools first if you need them. The value must match this JSON Schema:\n{schema}"
)

_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_DEFINITIONS = ("$defs", "definitions")
# What is handled, and what says nothing about values.
_HANDLED = frozenset(
    {
        *("$comment", "$defs", "$id", "$ref", "$schema", "additionalProperties", "const"),
        *("definitions", "deprecated", "description", "discriminator", "enum", "items"),
        *("properties", "readOnly", "required", "title", "type", "writeOnly"),
    }
)
# No object or array without these is rewritten.
_MAPS = ("patternProperties", "unevaluatedProperties", "prefixItems", "unevaluatedItems")


class _Unfit(Exception):
    """A schema describes values that its form for a provider could not."""


def needs_wrapper(schema: Mapping[str, Any]) -> bool:
    """Tell whether the value is asked for within an object, which providers need at the root."""
    return schema.get("type") != "object" or "$ref" in schema or "allOf" in schema


def sent_output(request: ModelRequest, rules: OutputRules | None) -> Schema | None:
    """Return the schema that a provider is to enforce, if it can.

    Args:
        request: The request, perhaps for a structured answer.
        rules: What the provider takes; ``None`` if it enforces no schemas.
    """
    schema = request.controls.output_schema
    profile = request.model.profile
    if schema is None or rules is None or (request.tools and not rules.with_tools):
        return None
    if profile is not None and profile.structured_output is False:
        return None
    try:
        return _Rewriting(schema, rules).root()
    except _Unfit:
        return None


def in_words(request: ModelRequest) -> ModelRequest:
    """Return a request whose system prompt tells of the schema."""
    schema = orjson.dumps(request.controls.output_schema).decode()
    prompts = [request.system_prompt, IN_WORDS.format(schema=schema)]
    return replace(request, system_prompt="\n\n".join(prompt for prompt in prompts if prompt))


def without_schema(request: ModelRequest) -> ModelRequest:
    """Return a request without the schema, which the provider does not take."""
    controls = request.controls.model_copy(update={"output_schema": None})
    return replace(request, controls=controls)


def is_surely_enforced(request: ModelRequest) -> bool:
    """Tell whether the model is known to keep to a schema; others may ignore it silently."""
    profile = request.model.profile
    return profile is not None and profile.structured_output is True


class _Rewriting:
    """Rewrites one schema.

    Args:
        whole: The schema, to whose parts references lead.
        rules: What the provider takes.
    """

    def __init__(self, whole: Mapping[str, Any], rules: OutputRules) -> None:
        self._whole = whole
        self._rules = rules
        self._is_wrapped = needs_wrapper(whole)
        self._left = MAX_SCHEMAS
        self._definitions: dict[str, Schema] = {}
        self._open: list[str] = []

    def root(self) -> Schema:
        """Return the whole schema, an object.

        Raises:
            _Unfit: It does not fit.
        """
        schema = self._rewritten(self._whole, 0)
        if self._is_wrapped:
            schema = {
                "type": "object",
                "properties": {WRAPPER: schema},
                "required": [WRAPPER],
                "additionalProperties": False,
            }
        return schema | ({"$defs": self._definitions} if self._definitions else {})

    def _rewritten(self, given: Any, depth: int) -> Schema:
        self._left -= 1
        if not isinstance(given, dict) or depth > MAX_DEPTH or self._left < 0:
            raise _Unfit
        schema = cast("Schema", given)
        if "$ref" in schema:
            return self._reference(str(schema["$ref"]), depth)
        if len(parts := schema.get("allOf") or ()) == 1 and isinstance(parts[0], dict):
            others = {name: value for name, value in schema.items() if name != "allOf"}
            return self._rewritten({**cast("Schema", parts[0]), **others}, depth)
        kinds = _types(schema)
        choices = schema.get("anyOf") or schema.get("oneOf")
        if not kinds and choices:
            rewritten = [self._rewritten(choice, depth + 1) for choice in choices]
            return self._described({"anyOf": rewritten}, schema, ("anyOf", "oneOf"))
        if not kinds:
            raise _Unfit
        forms = [self._of_type(kind, schema, depth) for kind in kinds]
        if len(forms) == 1:
            return forms[0]
        return {"anyOf": forms}

    def _reference(self, reference: str, depth: int) -> Schema:
        """Return a reference to a definition; the definition is rewritten once."""
        name = reference.rpartition("/")[2]
        is_definition = reference in {f"#/{holder}/{name}" for holder in _DEFINITIONS}
        if not is_definition or (name in self._open and not self._rules.may_recur):
            raise _Unfit
        if name not in self._definitions and name not in self._open:
            self._open.append(name)
            self._definitions[name] = self._rewritten(referred(self._whole, reference), depth + 1)
            self._open.remove(name)
        return {"$ref": f"#/$defs/{name}"}

    def _of_type(self, kind: str, schema: Schema, depth: int) -> Schema:
        """Return the form of one type that a value may have."""
        form: Schema = {"type": kind}
        if named := _named_values(schema):
            form["enum"] = [value for value in named if kind in _kinds_of(value)]
            if not form["enum"] or kind in {"object", "array"}:
                raise _Unfit
        elif kind == "object":
            form |= self._object(schema, depth)
        elif kind == "array":
            if "items" not in schema or any(name in schema for name in _MAPS):
                raise _Unfit
            form["items"] = self._rewritten(schema["items"], depth + 1)
        kept = [name for name in sorted(self._rules.keywords) if self._is_kept(name, kind, schema)]
        form |= {name: schema[name] for name in kept}
        return self._described(form, schema, kept)

    def _object(self, schema: Schema, depth: int) -> Schema:
        properties: Schema = schema.get("properties") or {}
        required: Sequence[str] = schema.get("required") or ()
        is_map = isinstance(schema.get("additionalProperties"), dict)
        if not properties or is_map or any(name in schema for name in _MAPS):
            raise _Unfit
        if not properties.keys() >= set(required):
            raise _Unfit
        if self._rules.plain_properties and not all(map(PLAIN_PROPERTY.fullmatch, properties)):
            raise _Unfit
        rewritten: Schema = {}
        for name, part in properties.items():
            form = self._rewritten(part, depth + 1)
            if self._rules.is_all_required and name not in required:
                form = _or_null(form)
            rewritten[name] = form
        return {
            "properties": rewritten,
            "required": list(rewritten if self._rules.is_all_required else required),
            "additionalProperties": False,
        }

    def _is_kept(self, keyword: str, kind: str, schema: Schema) -> bool:
        if keyword not in schema or kind not in _KINDS_OF_KEYWORD[keyword]:
            return False
        if keyword == "format":
            return schema["format"] in self._rules.formats
        most = self._rules.most_items
        return keyword != "minItems" or most is None or schema["minItems"] <= most

    def _described(self, form: Schema, schema: Schema, kept: Sequence[str]) -> Schema:
        """Return a form with its description, to which the keywords that were left out belong."""
        left_out = {
            name: value
            for name, value in schema.items()
            if name not in _HANDLED and name not in kept
        }
        words = [schema.get("title"), schema.get("description")]
        if left_out:
            words.append(f"Also: {orjson.dumps(left_out).decode()}")
        said = "\n".join(word for word in words if isinstance(word, str) and word)
        return {**form, **({"description": said} if said else {})}


_KINDS_OF_KEYWORD: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(NUMBERS, ("integer", "number")),
    **dict.fromkeys(("pattern", "format"), ("string",)),
    **dict.fromkeys(("minItems", "maxItems"), ("array",)),
}


def _types(schema: Schema) -> list[str]:
    """Return the types that a value may have; none if the schema does not say."""
    given: Any = schema.get("type")
    if isinstance(given, str):
        return [given]
    if isinstance(given, list):
        return list(dict.fromkeys(cast("list[str]", given)))
    if named := _named_values(schema):
        found = {kind for value in named for kind in _kinds_of(value)[:1]}
        return [kind for kind in _TYPES if kind in found]
    if "properties" in schema:
        return ["object"]
    return ["array"] if "items" in schema else []


def _named_values(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum") or ())


def _kinds_of(value: Any) -> Sequence[str]:
    """Return the types of a value, the narrowest first."""
    # A Python bool is an int, so booleans come first.
    for kind, names in _KINDS:
        if isinstance(value, kind):
            return names
    return ("null",)


_KINDS: Sequence[tuple[type, Sequence[str]]] = (
    (bool, ("boolean",)),
    (int, ("integer", "number")),
    (float, ("number",)),
    (str, ("string",)),
    (list, ("array",)),
    (dict, ("object",)),
)


def _or_null(form: Schema) -> Schema:
    choices: Any = form.get("anyOf")
    if form.get("type") == "null" or any(one.get("type") == "null" for one in choices or ()):
        return form
    if choices:
        return {**form, "anyOf": [*choices, {"type": "null"}]}
    return {"anyOf": [form, {"type": "null"}]}
