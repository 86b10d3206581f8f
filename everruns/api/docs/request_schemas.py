"""Schemas of requests: separate from those of responses, and as strict as their face.

A model can be sent as well as shown, and be sent to both faces. What `/v1` takes has no fields but
those of its schema; what `/api/v1` takes may have others, and what is shown may gain some. So a
schema that is used in several of these ways is described once for each.

Generators of clients take a property with a default for one that is always there, so no property
of a request states one.

Source: docs/contract.md, "Requests".
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from everruns.api.http.faces import Face

Schema = dict[str, Any]

PREFIX = "#/components/schemas/"


def separate_requests(document: Schema, faces: Iterable[Face]) -> None:
    """Give each use of a schema a schema of its own, and drop those that nothing uses.

    Args:
        document: The OpenAPI document, which is changed.
        faces: The faces it describes, of which names of schemas follow in this order.
    """
    schemas: dict[str, Schema] = document["components"]["schemas"]
    operations = list(_operations(document))
    answers = [operation["responses"] for _, operation in operations]
    shown = _reachable(schemas, [*answers, document["components"]["responses"]])
    separate = {name: _shown(schemas[name]) for name in shown}
    taken = set(shown)
    for face in faces:
        sent = _reachable(schemas, _bodies(operations, face))
        names = {name: face.schema_name(name) if name in taken else name for name in sent}
        taken |= sent
        for name, new_name in names.items():
            body_schema = _sent(schemas[name], names, is_strict=face.is_strict)
            separate[new_name] = {**body_schema, "title": new_name}
        for body in _bodies(operations, face):
            body["content"] = _with_names(body["content"], names)
    document["components"]["schemas"] = separate


def _operations(document: Schema) -> Iterator[tuple[str, Schema]]:
    paths: dict[str, dict[str, Schema]] = document["paths"]
    for path, operations in paths.items():
        for operation in operations.values():
            yield path, operation


def _bodies(operations: Iterable[tuple[str, Schema]], face: Face) -> list[Schema]:
    return [
        operation["requestBody"]
        for path, operation in operations
        if path.startswith(f"{face.prefix}/") and "requestBody" in operation
    ]


def _reachable(schemas: Mapping[str, Schema], roots: Iterable[Any]) -> set[str]:
    """Return the names of the schemas that values refer to, directly or through others."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        for name in _references(waiting.pop()):
            if name not in found:
                found.add(name)
                waiting.append(schemas[name])
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for below in cast("Schema", value).values():
            yield from _references(below)
    elif isinstance(value, list):
        for below in cast("list[Any]", value):
            yield from _references(below)
    elif isinstance(value, str) and value.startswith(PREFIX):
        yield value.removeprefix(PREFIX)


def _with_names(value: Any, names: Mapping[str, str]) -> Any:
    """Return a value whose references lead to schemas of other names."""
    if isinstance(value, dict):
        fields = cast("Schema", value)
        return {name: _with_names(below, names) for name, below in fields.items()}
    if isinstance(value, list):
        return [_with_names(below, names) for below in cast("list[Any]", value)]
    if isinstance(value, str) and value.startswith(PREFIX):
        return PREFIX + names[value.removeprefix(PREFIX)]
    return value


def _sent(schema: Schema, names: Mapping[str, str], *, is_strict: bool) -> Schema:
    """Return the schema of what a face takes."""
    sent: Schema = _with_names(schema, names)
    if "properties" not in sent:
        return sent
    sent["properties"] = {
        name: _without(field, "default") for name, field in sent["properties"].items()
    }
    return {**sent, "additionalProperties": False} if is_strict else sent


def _shown(schema: Schema) -> Schema:
    """Return the schema of what is shown: a field without a value is left out, not null."""
    fields: dict[str, Schema] = schema.get("properties", {})
    if not fields:
        return schema
    shown = {
        name: _without(field, "default") if field.get("default", ...) is None else field
        for name, field in fields.items()
    }
    return {**schema, "properties": shown}


def _without(schema: Schema, name: str) -> Schema:
    return {key: value for key, value in schema.items() if key != name}
