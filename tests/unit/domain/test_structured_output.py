"""What an answer's text is as a value, and how often a model was corrected."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.messages import OutputPart, TextPart
from everruns.domain.output_schemas import find_violation_quickly, is_quickly_checked
from everruns.domain.structured_output import NoValue, corrections, read_value, readings
from everruns.domain.transcript import CORRECTION, build_transcript
from tests.logs import LogWriter

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_a_json_text_is_its_value_also_in_a_fence(value: Any):
    text = OutputPart(value=value).model_dump_json(include={"value"})[len('{"value":') : -1]
    assert read_value(text) == value
    assert read_value(f" \n{text}\n") == value
    assert read_value(f"Here it is:\n```json\n{text}\n```\nAnything else?") == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "It is empty"),
        ("   ", "It is empty"),
        ("Paris", "It is not JSON"),
        ('{"city": "Par', "It is not JSON"),
        ('{"a": 1} {"a": 2}', "It is not JSON"),
        ("```json\n1\n```\nor\n```json\n2\n```", "It is not JSON"),
        ("NaN", "The number NaN does not fit"),
        ('{"a": [Infinity]}', "The number Infinity does not fit"),
        ("-Infinity", "does not fit"),
        ("1e999", "does not fit"),
        ("18446744073709551616", "The number 18446744073709551616 does not fit"),
        ('"\\ud800"', "It is not valid JSON"),
        ("[" * 100 + "]" * 100, "more than 64 levels"),
        ("[" * 100_000, "It is not"),
        ('"' + "x" * 2**20 + '"', "at most 1048576 are allowed"),
    ],
)
def test_what_is_no_value_says_why(text: str, words: str):
    with pytest.raises(NoValue) as refused:
        read_value(text)
    assert words in str(refused.value)


def test_a_null_that_stands_for_an_absent_property_may_be_left_out():
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "mayor": {"$ref": "#/$defs/Person"},
            "note": {"type": ["string", "null"]},
            "districts": {"type": "array", "items": {"$ref": "#/$defs/Person"}},
        },
        "required": ["city"],
        "$defs": {"Person": {"type": "object", "properties": {"age": {"type": "integer"}}}},
    }
    said = {"city": "Paris", "mayor": None, "note": None, "districts": [{"age": None}]}
    literal, spare = readings(said, schema, is_wrapped=False)
    assert literal == said
    assert spare == {"city": "Paris", "note": None, "districts": [{}]}
    assert find_violation_quickly(schema, spare) is None


def test_only_what_was_wrapped_is_unwrapped():
    schema = {"anyOf": [{"type": "object"}, {"type": "string"}]}
    said = {"value": {"a": 1}}
    assert list(readings(said, schema, is_wrapped=False)) == [said]
    assert list(readings(said, schema, is_wrapped=True)) == [{"a": 1}]


def test_a_schema_that_refers_to_itself_without_end_takes_no_time():
    schema: dict[str, Any] = {
        "anyOf": [{"$ref": "#/$defs/A"}],
        "$defs": {
            "A": {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]},
            "B": {"$ref": "#"},
        },
    }
    assert list(readings({"a": None}, schema, is_wrapped=False)) == [{"a": None}]


@pytest.mark.parametrize("keyword", ["pattern", "uniqueItems", "patternProperties"])
def test_keywords_whose_cost_has_no_bound_are_checked_elsewhere(keyword: str):
    assert not is_quickly_checked({"properties": {"a": {keyword: "x"}}}, 1)
    assert is_quickly_checked({"properties": {"a": {"enum": [{keyword: "x"}]}}}, 1)


def answer(log: LogWriter, text: str, output: OutputPart) -> None:
    said = log.message("agent", [TextPart(text=text), output])
    data = {"message": said.wire(), "input_sequence": log.state.sequence}
    log.write("message.created", data)


def test_corrections_follow_from_the_log_alone():
    log = LogWriter()
    log.user("Tell me.")
    counts = []
    for text in ("a", "b"):
        answer(log, text, OutputPart(error=f"Not {text}."))
        counts.append(corrections(log.state.history, log.state.unread))
    log.user("Never mind.")
    counts.append(corrections(log.state.history, log.state.unread))
    answer(log, "1", OutputPart(value=1))
    counts.append(corrections(log.state.history, log.state.unread))
    assert counts == [1, 2, 0, 0]
    assert corrections(log.refold().history, []) == 0


def test_a_model_reads_its_text_and_why_it_was_asked_again():
    log = LogWriter()
    log.user("Tell me.")
    answer(log, "a", OutputPart(error="Not a."))
    answer(log, "b", OutputPart(error="Not b."))
    answer(log, "", OutputPart(value={"c": 1}))
    said = [(one.role, one.text) for one in build_transcript(log.state.history, [])]
    assert said == [
        ("user", "Tell me."),
        ("agent", "a"),
        ("user", CORRECTION.format(error="Not a.")),
        ("agent", "b"),
        ("user", CORRECTION.format(error="Not b.")),
        ("agent", '{"c":1}'),
    ]
