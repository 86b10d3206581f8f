"""The values of a server's form: what can be chosen, and a reply in the type that is wanted.

Source: the protocol's "Elicitation" (2026-07-28); docs/mcp.md, "Questions".
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, cast

from everruns.mcp.failures import said

YES, NO = "Yes", "No"
TO_CHOOSE = "Choose from the options."

Schema = Mapping[str, Any]


def labels_of(schema: Schema) -> dict[str, Any]:
    """Return the values to choose from, by what people are shown."""
    if schema.get("type") == "boolean":
        return {YES: True, NO: False}
    if schema.get("type") == "array":
        schema = cast("Schema", schema.get("items", {}))
    named: list[Any] = schema.get("oneOf") or schema.get("anyOf") or []
    if named:
        return {said(str(one.get("title") or one["const"])): one["const"] for one in named}
    names: list[Any] = schema.get("enumNames") or []
    values: list[Any] = schema.get("enum") or []
    shown = names if len(names) == len(values) else values
    return {said(str(name)): value for name, value in zip(shown, values, strict=True)}


def value_of(schema: Schema, reply: Sequence[str]) -> Any:
    """Return a reply in the type that the form wants.

    Raises:
        ValueError: It is not of this type; the message is for the person.
    """
    labels = labels_of(schema)
    match schema.get("type"):
        case "array":
            return _chosen(reply, labels, schema)
        case "boolean":
            return _chosen(reply, labels)[0]
        case "integer":
            return _number(int, reply[0], "A whole number is needed.", schema)
        case "number":
            return _number(float, reply[0], "A number is needed.", schema)
        case _:
            if labels:
                return _chosen(reply, labels)[0]
            return _text(reply[0], schema)


def _chosen(
    reply: Sequence[str], labels: Mapping[str, Any], schema: Schema | None = None
) -> list[Any]:
    """Return the values of what was chosen: one, or as many as the schema of an array allows."""
    if not reply or not labels.keys() >= set(reply):
        raise ValueError(TO_CHOOSE)
    least, most = (schema.get("minItems"), schema.get("maxItems")) if schema else (1, 1)
    if (least is not None and len(reply) < least) or (most is not None and len(reply) > most):
        raise ValueError(f"Choose {least or 1} to {most or len(labels)} of the options.")
    return [labels[label] for label in reply]


def _number(kind: type[int] | type[float], text: str, problem: str, schema: Schema) -> float:
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(problem) from None
    if not isfinite(value):
        raise ValueError(problem)
    least, most = schema.get("minimum"), schema.get("maximum")
    if (least is not None and value < least) or (most is not None and value > most):
        bounds = f"from {least}" if least is not None else ""
        raise ValueError(f"A number {bounds}{f' to {most}' if most is not None else ''} is needed.")
    return value


def _text(text: str, schema: Schema) -> str:
    least, most = schema.get("minLength"), schema.get("maxLength")
    if (least is not None and len(text) < least) or (most is not None and len(text) > most):
        raise ValueError(f"A text of {least or 0} to {most or 'any'} characters is needed.")
    return text
