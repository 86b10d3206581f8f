"""Validating JSON values against JSON Schemas, with errors in one plain line."""

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from hashlib import blake2s
from typing import Any, cast

import orjson
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import SchemaError, ValidationError, best_match  # type: ignore[reportUnknownVariableType]
from referencing import Registry
from referencing.exceptions import Unresolvable

MAX_DETAIL_CHARACTERS = 200
MAX_STEPS = 20_000
MAX_REMEMBERED = 20_000
PROPERTY = "property"
"""What error texts call a field of a value that need not be an object."""

_NOUNS = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
# Keywords of a client's schema that need regular expressions, or whose cost has no bound.
UNBOUNDED = (
    "pattern",
    "patternProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "uniqueItems",
    "$dynamicRef",
)


# Why foreign schemas cannot be used, or None if they can, by their digests.
_problems: dict[bytes, str | None] = {}


class UnusableSchema(ValueError):
    """A schema that cannot be used to check values; the message says why."""


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


def find_foreign_violation(schema: Mapping[str, Any], value: Mapping[str, Any]) -> str | None:
    """Return what is wrong with arguments, by a schema that a client has sent.

    Such a schema must not occupy the process: its regular expressions are not applied, nothing is
    fetched for it, and the check ends after ``MAX_STEPS`` steps. Null counts as absent unless the
    parameter is required.

    Args:
        schema: A JSON Schema of type object.
        value: The object to check.
    """
    required = schema.get("required", ())
    given = {name: item for name, item in value.items() if name in required or item is not None}
    try:
        return find_bounded_violation(schema, given)
    except UnusableSchema as error:
        return f"The tool's schema cannot be used: {error}"


def check_foreign_schema(schema: Mapping[str, Any]) -> None:
    """Check that a client's schema can be used to check arguments.

    The verdict on a schema is remembered: the same ones come again with each turn.

    Raises:
        UnusableSchema: It is not a JSON Schema of an object, or refers to what is not there.
    """
    if (problem := _remembered_problem(schema)) is not None:
        raise UnusableSchema(problem)


def _remembered_problem(schema: Mapping[str, Any]) -> str | None:
    try:
        digest = blake2s(orjson.dumps(schema)).digest()
    except TypeError:
        # Such as a number of more than 64 bits.
        return _problem_with(schema)
    if digest not in _problems:
        if len(_problems) >= MAX_REMEMBERED:
            _problems.clear()
        _problems[digest] = _problem_with(schema)
    return _problems[digest]


def _problem_with(schema: Mapping[str, Any]) -> str | None:
    try:
        check_is_schema(schema)
        if schema.get("type", "object") != "object":
            return 'its type must be "object", since arguments are named'
        find_bounded_violation(schema, {})
    except UnusableSchema as problem:
        return str(problem)
    return None


def check_is_schema(schema: Mapping[str, Any]) -> None:
    """Check that something is a JSON Schema.

    Raises:
        UnusableSchema: It is not.
    """
    try:
        cast("Any", Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        place = ".".join(map(str, error.absolute_path))
        detail = " ".join(error.message.split())[:MAX_DETAIL_CHARACTERS]
        raise UnusableSchema(f"{place or 'the schema'}: {detail}") from None
    except RecursionError:
        raise UnusableSchema("it is nested too deeply") from None


def find_bounded_violation(
    schema: Mapping[str, Any], value: Any, subject: str = "parameter"
) -> str | None:
    """Return what is wrong with a value, within ``MAX_STEPS`` and without ``UNBOUNDED`` keywords.

    Args:
        schema: A JSON Schema that a client has sent.
        value: The value to check.
        subject: What the error text calls the fields of objects.

    Raises:
        UnusableSchema: It takes too many steps, or refers to what is not there.
    """
    _steps_left.set([MAX_STEPS])
    return _first_violation(_ForeignValidator, schema, value, subject)


def find_any_violation(schema: Mapping[str, Any], value: Any, subject: str) -> str | None:
    """Return what is wrong with a value by every keyword, however long that takes.

    Args:
        schema: A JSON Schema that a client has sent.
        value: The value to check.
        subject: What the error text calls the fields of objects.

    Raises:
        UnusableSchema: The schema refers to what is not there.
    """
    return _first_violation(Draft202012Validator, schema, value, subject)


def _first_violation(kind: Any, schema: Mapping[str, Any], value: Any, subject: str) -> str | None:
    # Nothing is fetched from an empty registry.
    checker = kind(schema, registry=Registry[Any]())
    try:
        error: ValidationError | None = cast("Any", best_match)(checker.iter_errors(value))
    except Unresolvable as missing:
        raise UnusableSchema(f"nothing is at the reference {missing.ref!r}") from None
    except RecursionError:
        raise UnusableSchema("it refers to itself without end") from None
    return None if error is None else _describe(error, subject)


_steps_left: ContextVar[list[int]] = ContextVar("steps left")


def _counted(check: Callable[..., Iterator[Any] | None]) -> Callable[..., Iterator[Any]]:
    """Return a keyword's check that counts as a step."""

    def counted(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[Any]:
        left = _steps_left.get()
        left[0] -= 1
        if left[0] < 0:
            raise UnusableSchema("checking it takes too many steps")
        yield from check(validator, rule, instance, schema) or ()

    return counted


def _no_others(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[Any]:
    # Which names are others depends on regular expressions.
    if "patternProperties" not in schema:
        yield from _KEYWORDS["additionalProperties"](validator, rule, instance, schema)


def _unchecked(_validator: Any, _rule: Any, _instance: Any, _schema: Any) -> Iterator[Any]:
    return iter(())


_KEYWORDS: Mapping[str, Any] = Draft202012Validator.VALIDATORS
_BOUNDED = {name: _counted(check) for name, check in _KEYWORDS.items()}
_FOREIGN_KEYWORDS = {
    **_BOUNDED,
    "additionalProperties": _counted(_no_others),
    **dict.fromkeys(UNBOUNDED, _unchecked),
}
_ForeignValidator: Any = cast("Any", validators).extend(Draft202012Validator, _FOREIGN_KEYWORDS)


def _forms(error: ValidationError) -> str | None:
    """Return the forms that a setting may have: in the words of each, or of the setting."""
    schema = cast("Mapping[str, Any]", error.schema)
    forms: list[str | None] = [form.get("description") for form in schema["anyOf"]]
    described = [form for form in forms if form]
    return ", or ".join(described) if len(described) == len(forms) else schema.get("description")


def _describe(error: ValidationError, subject: str) -> str:
    whole: Any = error.parent
    # Of a setting with several forms, all are told.
    if subject == "setting" and whole is not None and "description" in whole.schema:
        error = whole
    place = _place(error)
    within = f" in '{place}'" if place else ""
    whole_name = "The value" if subject == PROPERTY else f"The {subject}s"
    holder = f"{subject.capitalize()} '{place}'" if place else whole_name
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
            if error.validator == "anyOf" and subject == "setting" and (words := _forms(error)):
                return f"{holder} must be {words}"
            detail = " ".join(error.message.split())
            if len(detail) > MAX_DETAIL_CHARACTERS:
                detail = detail[:MAX_DETAIL_CHARACTERS] + "…"
            return f"{holder} is not valid: {detail}"


def _place(error: ValidationError) -> str:
    """Format the location of an error, such as ``todos[0].status``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    return "".join(steps).removeprefix(".")
