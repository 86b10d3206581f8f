"""What is wrong with a value from outside, in words for the people who sent it.

pydantic finds the problems; its own words speak of Python. Here each of its types of error has
words of ours, and each problem has the path of its field as the sender wrote it.

Source: docs/contract.md, "Requests".
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic.fields import FieldInfo

from everruns.domain.forms import words_of_form
from everruns.domain.names import LONGEST_SHOWN, unknown_name

Context = Mapping[str, Any]
UNKNOWN_FIELD = "extra_forbidden"
QUOTED = re.compile(r"'([^']*)'")

_WORDS: Mapping[str, Callable[[Context], str]] = {
    "missing": lambda _: "is required",
    "string_type": lambda _: "must be a text",
    "string_unicode": lambda _: "must be a text in Unicode",
    "string_too_short": lambda limits: _size(limits["min_length"], "at least", "character"),
    "string_too_long": lambda limits: _size(limits["max_length"], "at most", "character"),
    "string_pattern_mismatch": lambda context: words_of_form(context["pattern"]),
    "int_type": lambda _: "must be a whole number",
    "int_parsing": lambda _: "must be a whole number",
    "int_parsing_size": lambda _: "must be a whole number of at most 64 bits",
    "int_from_float": lambda _: "must be a whole number",
    "float_type": lambda _: "must be a number",
    "float_parsing": lambda _: "must be a number",
    "finite_number": lambda _: "must be a finite number",
    "bool_type": lambda _: "must be true or false",
    "bool_parsing": lambda _: "must be true or false",
    "none_required": lambda _: "must be null or left out",
    "list_type": lambda _: "must be a list",
    "dict_type": lambda _: "must be an object",
    "model_type": lambda _: "must be an object",
    "model_attributes_type": lambda _: "must be an object",
    "too_short": lambda limits: _size(limits["min_length"], "at least", "item"),
    "too_long": lambda limits: _size(limits["max_length"], "at most", "item"),
    "greater_than": lambda limits: f"must be greater than {_number(limits['gt'])}",
    "greater_than_equal": lambda limits: f"must be at least {_number(limits['ge'])}",
    "less_than": lambda limits: f"must be less than {_number(limits['lt'])}",
    "less_than_equal": lambda limits: f"must be at most {_number(limits['le'])}",
    "literal_error": lambda context: _one_of(context["expected"]),
    "enum": lambda context: _one_of(context["expected"]),
    "union_tag_invalid": lambda context: (
        f"{_unquoted(context['discriminator'])} {_one_of(context['expected_tags'])}"
    ),
    "union_tag_not_found": lambda context: f"needs a {_unquoted(context['discriminator'])}",
}


def problems_of(error: ValidationError, kind: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield the path of each wrong field and what is wrong with it.

    Args:
        error: What validation raised.
        kind: What the value had to be.
    """
    for problem in error.errors(include_url=False, include_input=False):
        path, models = _follow(kind, problem["loc"])
        if problem["type"] == UNKNOWN_FIELD:
            name = str(problem["loc"][-1])
            fields = {field for model in models for field in _fields(model)}
            yield ".".join([*path, name[:LONGEST_SHOWN]]), unknown_name(fields, name)
        else:
            yield ".".join(path), words_of(problem)


def words_of(problem: Mapping[str, Any]) -> str:
    """Return what is wrong with a value, without the name of its field.

    Args:
        problem: As pydantic reports it.
    """
    words = _WORDS.get(problem["type"])
    if words is not None:
        return words(problem.get("ctx", {}))
    if problem["type"] in {"value_error", "assertion_error"}:
        return str(problem["msg"]).partition(", ")[2]
    # Errors of our own validators have words of their own; those of pydantic's other types do not.
    return str(problem["msg"]) if "ctx" not in problem else f"is not valid ({problem['type']})"


def _size(limit: int, comparison: str, noun: str) -> str:
    if comparison == "at least" and limit == 1:
        return "must not be empty"
    return f"must have {comparison} {limit} {noun}{'' if limit == 1 else 's'}"


def _number(value: float) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _unquoted(text: str) -> str:
    return text.strip("'")


def _one_of(expected: str) -> str:
    """Say which values there are; pydantic writes them as ``'a', 'b' or 'c'``."""
    values = QUOTED.findall(expected) or [expected]
    return f"must be {values[0]}" if len(values) == 1 else f"must be one of {', '.join(values)}"


def _follow(kind: Any, place: Sequence[int | str]) -> tuple[list[str], list[type[BaseModel]]]:
    """Follow pydantic's place of a problem through types.

    Returns:
        The path as the sender wrote it, without the names of types that pydantic puts between, and
        the models at the place; for an unknown field, those that do not have it.
    """
    path: list[str] = []
    kinds = _alternatives(kind)
    for item in place:
        models = [each for each in kinds if _is_model(each)]
        tagged = [each for each in models if item in _tags(each)]
        if len(models) > 1 and tagged:
            kinds = tagged
            continue
        below = [each for kind in kinds for each in _below(kind, item)]
        if below:
            path.append(str(item)[:LONGEST_SHOWN])
            kinds = below
    return path, [each for each in kinds if _is_model(each)]


def models_of(kind: Any) -> list[type[BaseModel]]:
    """Return the models that a value of this type can be."""
    return [each for each in _alternatives(kind) if _is_model(each)]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _alternatives(kind: Any) -> list[Any]:
    """Return the types that a value of this type can have."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _alternatives(get_args(kind)[0])
    if origin in {Union, UnionType}:
        return [each for alternative in get_args(kind) for each in _alternatives(alternative)]
    return [kind]


def _below(kind: Any, item: int | str) -> list[Any]:
    """Return the types of what is at a place in a value of this type; none if it has no such."""
    if _is_model(kind):
        field = _fields(kind).get(str(item))
        return [] if field is None else _alternatives(field)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list and isinstance(item, int):
        return _alternatives(arguments[0])
    if origin is dict and item != "[key]":
        return _alternatives(arguments[1])
    return []


def _fields(model: type[BaseModel]) -> Mapping[str, Any]:
    """Return the types of a model's fields by the names that a sender gives them."""
    fields = {
        given: field.annotation
        for name, field in model.model_fields.items()
        for given in _names(name, field)
    }
    return {**fields, **cast("dict[str, Any]", getattr(model, "shorthands", {}))}


def _names(name: str, field: FieldInfo) -> Sequence[str]:
    """Return what a field can be called."""
    if isinstance(field.validation_alias, AliasChoices):
        return [choice for choice in field.validation_alias.choices if isinstance(choice, str)]
    return [field.alias or name]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    """Return the values of ``type`` that tell a model from others."""
    field = model.model_fields.get("type")
    if field is None or get_origin(field.annotation) is not Literal:
        return ()
    return get_args(field.annotation)
