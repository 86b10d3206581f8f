"""Strict JSON."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.api.http.body import MAX_INTEGER, parse_json
from everruns.errors import InvalidJson

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
numbers = st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_what_json_can_say_is_read_as_it_was_written(value: object):
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=40))
def test_whatever_comes_is_read_or_refused(body: bytes):
    with suppress(InvalidJson):
        parse_json(body)


@given(values, st.integers(0, 3))
def test_a_nul_anywhere_is_refused(value: object, depth: int):
    bad: object = {"key\0": value} if depth % 2 else ["\0", value]
    for _ in range(depth):
        bad = {"deeper": [bad]}
    with pytest.raises(InvalidJson, match="NUL"):
        parse_json(json.dumps(bad).encode())


@pytest.mark.parametrize("number", [MAX_INTEGER, -MAX_INTEGER, 0])
def test_numbers_of_64_bits_are_exact(number: int):
    assert parse_json(str(number).encode()) == number


@pytest.mark.parametrize("number", [MAX_INTEGER + 1, -MAX_INTEGER - 2, 10**30])
def test_longer_numbers_are_refused(number: int):
    with pytest.raises(InvalidJson, match="64 bits"):
        parse_json(str(number).encode())
