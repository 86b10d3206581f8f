"""Tools go to a provider under names and with schemas that it takes."""

from typing import Any

import pytest

from everruns.domain.messages import ToolCallPart, ToolResultPart
from everruns.domain.tools import ToolDefinition
from everruns.providers.chat_answer import ChatAnswer
from everruns.providers.dialects import DIALECTS
from everruns.providers.tool_calls import RawCall, read_calls
from everruns.providers.tool_rules import (
    ANTHROPIC_TOOLS,
    GATEWAY_TOOLS,
    GEMINI_TOOLS,
    OPENAI_TOOLS,
    own_names,
    sent_description,
    sent_name,
)
from everruns.providers.tool_schemas import MAX_SCHEMAS, sent_schema, sent_tools


def tool(name: str = "tool", **parameters: Any) -> ToolDefinition:
    return ToolDefinition(name=name, description="Does it.", parameters=parameters)


def test_a_usual_name_stays():
    assert sent_name("mcp__server__tool-1") == "mcp__server__tool-1"


def test_two_long_names_stay_two():
    first, second = (sent_name("n" * 64 + end) for end in "ab")

    assert first != second
    assert len(first) == len(second) == 64


def test_a_call_under_a_changed_name_is_one_of_the_tool():
    changed = sent_name("1st", GEMINI_TOOLS)
    names = own_names([tool("1st"), tool("other")], GEMINI_TOOLS)

    ((call,), _) = read_calls([RawCall("call_1", changed, "{}")], [], names)

    assert changed.startswith("t1st_")
    assert call.name == "1st"


def test_an_answer_of_gemini_calls_the_tool_by_its_own_name(provider, ask):
    request = ask("gemini-3-flash-preview", tools=[tool("1st")])
    answer = ChatAnswer(provider.wire(), request, DIALECTS["gemini"].tools)
    function = {"name": sent_name("1st", GEMINI_TOOLS), "arguments": "{}"}
    answer.read({"choices": [{"delta": {"tool_calls": [{"id": "a", "function": function}]}}]})
    answer.close()

    assert [call.name for call in answer.end().tool_calls] == ["1st"]


def test_a_long_description_is_cut():
    long = ToolDefinition(name="tool", description="x" * 2000, parameters={})

    assert len(sent_description(long, OPENAI_TOOLS)) == 1024
    assert sent_description(long, ANTHROPIC_TOOLS) == long.description


def test_choices_at_the_root_become_optional_properties():
    text, number = {"type": "string"}, {"type": "number"}

    schema = sent_schema(
        {
            "type": "object",
            "properties": {"a": text},
            "anyOf": [{"required": ["a"]}, {"properties": {"b": number}, "required": ["b"]}],
            "allOf": [{"properties": {"c": text}, "required": ["c"]}],
            "not": {"required": ["d"]},
        }
    )

    assert schema == {
        "type": "object",
        "properties": {"a": text, "b": number, "c": text},
        "required": ["c"],
    }


def test_references_stay_where_they_are_known():
    definitions = {"$defs": {"A": {"type": "string"}}}
    parameters = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, **definitions}

    assert sent_schema(parameters) == parameters


def test_references_are_written_out_where_they_are_not_known():
    schema = sent_schema(
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}, "n": {"type": ["integer", "null"]}},
            "$defs": {"A": {"type": "array", "items": {"const": "x"}}},
            "additionalProperties": False,
        },
        GEMINI_TOOLS,
    )

    assert schema == {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "string", "enum": ["x"]}},
            "n": {"type": "integer", "nullable": True},
        },
    }


@pytest.mark.parametrize("keyword", ["properties", "anyOf"])
def test_a_schema_that_refers_to_itself_a_million_times_is_bounded(keyword: str):
    again = [{"$ref": "#/$defs/A"}] * 9
    inner = dict(enumerate(again)) if keyword == "properties" else again
    definition = {"type": "object", keyword: inner}

    schema = sent_schema({"$ref": "#/$defs/A", "$defs": {"A": definition}}, GEMINI_TOOLS)

    assert str(schema).count("'type'") < 10 * MAX_SCHEMAS


def test_properties_with_other_names_are_told_in_words():
    schema = sent_schema(
        {
            "type": "object",
            "properties": {"größe": {"type": "number"}, "a": {}},
            "required": ["größe", "a"],
            "additionalProperties": False,
        },
        ANTHROPIC_TOOLS,
    )

    assert schema == {
        "type": "object",
        "properties": {"a": {}},
        "required": ["a"],
        "description": 'It also has these properties: {"größe":{"type":"number"}}',
    }


def test_tools_that_are_gone_stand_for_their_calls_where_calls_need_tools(ask, say):
    history = [
        say("user", "hi"),
        say("agent", ToolCallPart(id="a", name="gone")),
        say("tool_result", ToolResultPart(tool_call_id="a", result=1)),
    ]
    request = ask("claude-sonnet-4-5", *history)

    assert [sent.name for sent in sent_tools(request, GATEWAY_TOOLS)] == ["gone"]
    assert sent_tools(request) == []
