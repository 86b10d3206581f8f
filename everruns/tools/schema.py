"""Validating JSON values against JSON Schemas, with errors in one plain line."""

from collections.abc import Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match  # type: ignore[reportUnknownVariableType]

MAX_DETAIL_CHARACTERS = 200

_NOUNS = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}


def find_violation(
    schema: Mapping[str, Any], value: Mapping[str, Any], subject: str = "parameter"
) -> str | None:
    """Return what is wrong with an object, or ``None`` if it matches its schema.

    Args:
        schema: A JSON Schema of type object, trusted.
        value: The object to check.
        subject: What the error text calls the object's fields.
    """
    errors = cast("Any", Draft202012Validator(schema)).iter_errors(value)
    error: ValidationError | None = cast("Any", best_match)(errors)
    return None if error is None else _describe(error, subject)


def _describe(error: ValidationError, subject: str) -> str:
    place = _place(error)
    within = f" in '{place}'" if place else ""
    holder = f"{subject.capitalize()} '{place}'" if place else f"The {subject}s"
    rule: Any = error.validator_value
    instance: Any = error.instance
    match error.validator:
        case "required":
            missing = next(name for name in rule if name not in instance)
            return f"Missing required {subject}: {missing}{within}"
        case "additionalProperties":
            known = cast("Mapping[str, Any]", error.schema).get("properties", {})
            unknown = next((name for name in instance if name not in known), "?")
            return f"Unknown {subject}: {unknown[:MAX_DETAIL_CHARACTERS]}{within}"
        case "type":
            allowed: list[str] = [rule] if isinstance(rule, str) else list(rule)
            return f"{holder} must be {' or '.join(_NOUNS.get(name, name) for name in allowed)}"
        case "enum":
            return f"{holder} must be one of: {', '.join(map(str, rule))}"
        case _:
            detail = " ".join(error.message.split())
            if len(detail) > MAX_DETAIL_CHARACTERS:
                detail = detail[:MAX_DETAIL_CHARACTERS] + "…"
            return f"{holder} is not valid: {detail}"


def _place(error: ValidationError) -> str:
    """Format the location of an error, such as ``todos[0].status``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    return "".join(steps).removeprefix(".")
