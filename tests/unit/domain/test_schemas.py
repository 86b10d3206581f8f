"""How a broken JSON Schema rule is told."""

import pytest

from everruns.domain.schemas import find_violation

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
