"""JSON values written as YAML."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.base import MAX_DEPTH, MAX_VALUES
from everruns.domain.yaml_values import read_yaml, write_yaml
from everruns.errors import InvalidRequest

# Breaks and marks of YAML come often, so that texts which look like its syntax come up.
SYNTAX = st.text(
    st.sampled_from("\n\r\t\x85\u2028\ufeff -:#'\"|>?&*!%@{}[],~=<0123456789.eExonyab")
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | SYNTAX
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda values: st.lists(values) | st.dictionaries(TEXTS, values),
)


@given(VALUES)
def test_what_is_written_reads_back_as_the_same_value(value: Any):
    assert read_yaml(write_yaml(value)) == value


@given(st.dictionaries(TEXTS, TEXTS))
def test_other_readers_take_what_is_written_for_the_same_texts(value: dict[str, str]):
    assert yaml.safe_load(write_yaml(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_stay_floats(number: float):
    read = read_yaml(write_yaml(number))

    assert isinstance(read, float)
    assert math.copysign(1, read) == math.copysign(1, number)


def test_fields_keep_their_order_and_texts_their_lines():
    assert write_yaml({"b": "one\ntwo\n", "a": [1]}) == "b: |\n  one\n  two\na:\n- 1\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("2026-01-31", "2026-01-31"),
        ("12:30", "12:30"),
        ("0x10", "0x10"),
        ("010", 10),
        ("1e3", 1000.0),
        ("'1'", "1"),
        ("~", None),
        ("True", True),
        ("{1: x, null: y}", {"1": "x", "null": "y"}),
        ("# nothing but a comment", None),
        ("", None),
    ],
)
def test_values_are_those_of_json(text: str, value: object):
    assert read_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x [1]\nb: *x", "YAML, line 2: the alias *x is not allowed"),
        ("a: 1\nb: !!python/name:os.system x", "YAML, line 2: tags (!) are not allowed"),
        ("a: 1\nb: 2\na: 3", "YAML, line 3: 'a' appears twice"),
        ("a: 1\n---\nb: 2", "YAML, line 2: a second document begins"),
        ("? [a]\n: 1", "YAML, line 1: a key must be a string"),
        ("a: 1\n b: 2", "YAML, line 2: mapping values are not allowed"),
        ("a: [1", "YAML, line 2: did not find expected ',' or ']'"),
        ("a: \x01", "YAML: unacceptable character"),
        ('a: "\\ud800"', "YAML, line 1: found invalid Unicode character escape code"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_line(text: str, reason: str):
    with pytest.raises(InvalidRequest) as refusal:
        read_yaml(text)

    assert refusal.value.message.startswith(reason)


def test_depth_is_bounded():
    assert read_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(InvalidRequest, match="line 1: values are nested more than 64 levels"):
        read_yaml("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
    with pytest.raises(InvalidRequest, match="depth"):
        read_yaml("[" * 1_000_000)


def test_the_number_of_values_is_bounded():
    with pytest.raises(InvalidRequest, match="100000 values"):
        read_yaml("- x\n" * MAX_VALUES)
