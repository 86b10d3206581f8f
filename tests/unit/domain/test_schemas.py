"""How a broken JSON Schema rule is told."""

from contextlib import nullcontext

import pytest

from everruns.domain.schemas import (
    UnusableSchema,
    check_foreign_schema,
    find_foreign_violation,
    find_violation,
)

SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "maxLength": 5},
        "days": {"type": "integer"},
        "units": {"type": "string", "enum": ["c", "f"]},
        "either": {"type": ["string", "null"]},
        "tasks": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": ["name"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["path"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"path": "/a"}, None),
        ({"path": "/a", "days": 3.0, "either": None}, None),
        ({}, "Missing required parameter: path"),
        ({"path": 3}, "Parameter 'path' must be a string"),
        ({"path": "/a", "days": True}, "Parameter 'days' must be an integer"),
        ({"path": "/a", "days": 1.5}, "Parameter 'days' must be an integer"),
        ({"path": "/a", "either": 1}, "Parameter 'either' must be a string or null"),
        ({"path": "/a", "units": "k"}, "Parameter 'units' must be one of: c, f"),
        ({"path": "/a", "color": 1}, "Unknown parameter: color"),
        ({"path": "/a", "tasks": [{}]}, "Missing required parameter: name in 'tasks[0]'"),
        ({"path": "/a", "tasks": [{"name": 1}]}, "Parameter 'tasks[0].name' must be a string"),
        ({"path": "/a", "tasks": [{"name": "", "x": 1}]}, "Unknown parameter: x in 'tasks[0]'"),
        ({"path": "abcdef"}, "Parameter 'path' is not valid: 'abcdef' is too long"),
    ],
)
def test_violation_is_one_line_of_plain_words(value, words):
    assert find_violation(SCHEMA, value) == words


def test_violation_never_repeats_a_large_value():
    words = find_violation(SCHEMA, {"path": "x" * 100_000})
    assert words is not None
    assert len(words) < 300


def test_fields_are_called_what_the_caller_calls_them():
    assert find_violation(SCHEMA, {}, subject="setting") == "Missing required setting: path"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array"}, "named"),
        ({"type": "objekt"}, "objekt"),
        ({"properties": {"a": {"type": 3}}}, "properties.a.type"),
        ({"properties": []}, "properties"),
        ({"$ref": "https://example.com/schema.json"}, "example.com"),
        ({"$ref": "#/$defs/missing"}, "missing"),
        ({"$ref": "#"}, "without end"),
    ],
)
def test_a_clients_schema_that_cannot_be_used_is_refused(schema: dict, words: str):
    with pytest.raises(UnusableSchema, match=words):
        check_foreign_schema(schema)


@pytest.mark.parametrize("kind", ["object", "array"])
def test_a_clients_schema_is_checked_once_however_often_it_comes(kind: str, monkeypatch):
    checked: list[object] = []
    monkeypatch.setattr("everruns.domain.schemas.check_is_schema", checked.append)
    for _ in range(3):
        with nullcontext() if kind == "object" else pytest.raises(UnusableSchema, match="named"):
            check_foreign_schema({"type": kind, "title": "comes again"})
    assert len(checked) == 1


def test_a_clients_schema_with_a_number_of_any_size_is_checked():
    check_foreign_schema({"properties": {"a": {"maximum": 2**80}}})


def test_a_clients_schema_is_followed_where_it_refers_to_itself():
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}, "size": {"type": "integer"}}}
    check_foreign_schema(tree)
    assert find_foreign_violation(tree, {"left": {"left": {"size": 1}}}) is None
    wrong = find_foreign_violation(tree, {"left": {"left": {"size": "1"}}})
    assert wrong == "Parameter 'left.left.size' must be an integer"


def test_a_clients_schema_cannot_occupy_the_process():
    doubling = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    laughs = {"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {**doubling, "d40": {}}}
    assert "too many steps" in str(find_foreign_violation(laughs, {"a": 1}))
    many = {"properties": {"a": {"items": {"allOf": [{"type": "integer"}] * 1000}}}}
    assert "too many steps" in str(find_foreign_violation(many, {"a": [1] * 1000}))
    rows = {"properties": {"a": {"uniqueItems": True}}}
    assert find_foreign_violation(rows, {"a": [{"n": n} for n in range(100_000)]}) is None
    slow = {"type": "string", "pattern": "^(a+)+$"}
    hidden = {
        "properties": {"default": slow, "b": {"$ref": "#/examples/0"}},
        "patternProperties": {"(a+)+$": {}},
        "additionalProperties": False,
        "examples": [slow],
    }
    text = "a" * 40 + "!"
    assert find_foreign_violation(hidden, {"default": text, "b": text, text: 1}) is None


def test_null_counts_as_absent_unless_it_is_required():
    assert find_foreign_violation(SCHEMA, {"path": "a", "days": None}) is None
    assert find_foreign_violation(SCHEMA, {"path": None}) == "Parameter 'path' must be a string"
