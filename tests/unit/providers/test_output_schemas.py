"""Schemas of structured answers as each provider takes them, and what a model is told otherwise."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from everruns.domain.controls import AnswerControls
from everruns.domain.llm import ModelProfile, OfferedModel
from everruns.domain.messages import Message, TextPart
from everruns.domain.tools import ToolDefinition
from everruns.providers.anthropic_request import message_body
from everruns.providers.base import ModelRequest
from everruns.providers.catalogue import profile_of
from everruns.providers.chat_completions import ChatCompletionsDriver
from everruns.providers.chat_request import completion_body
from everruns.providers.concessions import Attempt, Learned, concede, first_attempt
from everruns.providers.dialects import DIALECTS
from everruns.providers.output_rules import (
    ANTHROPIC_OUTPUT,
    OPENAI_OUTPUT,
    USUAL_OUTPUT,
    OutputRules,
)
from everruns.providers.output_schemas import IN_WORDS, sent_output
from everruns.providers.responses_request import response_body
from everruns.turn_failures import ProviderRejected

NOW = "2026-11-01T00:00:00.000Z"
CITY = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "description": "Its name."},
        "people": {"type": "integer", "minimum": 0},
    },
    "required": ["name"],
}
TOOL = ToolDefinition(name="look_up", description="Look up.", parameters={"type": "object"})


def request(
    schema: Any, profile: ModelProfile | None = None, *tools: ToolDefinition
) -> ModelRequest:
    model = OfferedModel(
        id="model_1",
        provider_id="provider_1",
        provider_name="fake",
        provider_type="openai",
        model_id="model",
        display_name="model",
        profile=profile or profile_of("openai", "gpt-5-mini"),
        created_at=NOW,
        updated_at=NOW,
    )
    said = Message(
        id="message_1",
        session_id="session_1",
        role="user",
        content=[TextPart(text="Which city?")],
        created_at=NOW,
    )
    return ModelRequest(model, "Be brief.", [said], tools, AnswerControls(output_schema=schema))


def test_openai_requires_every_property_and_one_that_need_not_be_there_may_be_null():
    assert sent_output(request(CITY), OPENAI_OUTPUT) == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": 'Its name.\nAlso: {"minLength":1}'},
            "people": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
        },
        "required": ["name", "people"],
        "additionalProperties": False,
    }


def test_anthropic_takes_optional_properties_and_fewer_keywords():
    assert sent_output(request(CITY), ANTHROPIC_OUTPUT) == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": 'Its name.\nAlso: {"minLength":1}'},
            "people": {"type": "integer", "description": 'Also: {"minimum":0}'},
        },
        "required": ["name"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize("rules", [OPENAI_OUTPUT, ANTHROPIC_OUTPUT])
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"enum": ["a", 1, None]},
        {"$ref": "#/$defs/C", "$defs": {"C": CITY}},
    ],
)
def test_a_value_that_is_no_object_is_asked_for_within_one(schema: Any, rules: OutputRules):
    sent = sent_output(request(schema), rules)
    assert sent is not None
    assert (sent["type"], sent["required"]) == ("object", ["value"])
    Draft202012Validator.check_schema(sent)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "number"}},
        {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]},
        {"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}], "$defs": {"A": CITY}},
        {"properties": {"me": {"$ref": "#"}}, "type": "object"},
    ],
)
def test_what_no_provider_can_enforce_is_told_in_words(schema: Any):
    for rules in (OPENAI_OUTPUT, ANTHROPIC_OUTPUT):
        assert sent_output(request(schema), rules) is None
        attempt = first_attempt(request(schema), Learned(), rules)
        assert "must match this JSON Schema" in attempt.request.system_prompt
        assert attempt.request.controls.output_schema is None


def test_a_recursive_schema_goes_to_those_that_take_it():
    tree = {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#/definitions/Tree"}}},
        "required": ["children"],
    }
    schema = {"$ref": "#/definitions/Tree", "definitions": {"Tree": tree}}
    sent = sent_output(request(schema), OPENAI_OUTPUT)
    assert sent is not None
    assert sent["$defs"]["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    assert sent_output(request(schema), ANTHROPIC_OUTPUT) is None


def test_each_wire_has_its_field():
    attempt = Attempt(request(CITY))
    described = {"name": "answer", "schema": sent_output(attempt.request, OPENAI_OUTPUT)}
    chat = completion_body(attempt, DIALECTS["openai"])
    assert chat["response_format"] == {
        "type": "json_schema",
        "json_schema": {**described, "strict": True},
    }
    assert response_body(attempt)["text"]["format"] == {
        "type": "json_schema",
        **described,
        "strict": True,
    }
    assert message_body(attempt)["output_config"]["format"] == {
        "type": "json_schema",
        "schema": sent_output(attempt.request, ANTHROPIC_OUTPUT),
    }


@pytest.mark.parametrize("knows", [True, False, None])
def test_only_a_model_that_is_known_to_enforce_schemas_is_not_told_in_words(knows: bool | None):
    profile = ModelProfile(name="m", structured_output=knows)
    attempt = first_attempt(request(CITY, profile), Learned(), USUAL_OUTPUT)
    assert ("JSON Schema" in attempt.request.system_prompt) is (knows is not True)
    assert ("response_format" in completion_body(attempt, DIALECTS["vllm"])) is (knows is not False)


def test_a_server_that_binds_its_model_to_a_grammar_gets_the_schema_when_no_tool_can_be_called():
    profile = ModelProfile(name="m", structured_output=True)
    with_tools = first_attempt(request(CITY, profile, TOOL), Learned(), USUAL_OUTPUT)
    assert "response_format" not in completion_body(with_tools, DIALECTS["vllm"])
    assert "JSON Schema" in with_tools.request.system_prompt
    without = first_attempt(request(CITY, profile), Learned(), USUAL_OUTPUT)
    assert "response_format" in completion_body(without, DIALECTS["vllm"])


@pytest.mark.parametrize(
    "reason",
    [
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported",
        "This response_format type is unavailable now",
        "output_config.format: Extra inputs are not permitted",
        "Schema is too complex for compilation",
        "Function calling with a response mime type: 'application/json' is unsupported",
        "Failed to parse grammar",
    ],
)
@pytest.mark.parametrize("has_system_role", [True, False])
def test_a_schema_that_is_refused_is_told_in_words_from_then_on(reason: str, has_system_role: bool):
    asked = request(CITY)
    learned = Learned(has_system_role=has_system_role)
    attempt = first_attempt(asked, learned, OPENAI_OUTPUT)
    refusal = ProviderRejected("refused")
    refusal.reason = reason
    body = completion_body(attempt, DIALECTS["openai"])
    less = concede(attempt, body, refusal, lambda one: completion_body(one, DIALECTS["openai"]))
    assert less is not None
    body = completion_body(less, DIALECTS["openai"])
    assert "response_format" not in body
    first = body["messages"][0]
    assert first["role"] == ("system" if has_system_role else "user")
    assert IN_WORDS.partition(":")[0] in str(first["content"])
    again = first_attempt(asked, less.learned, OPENAI_OUTPUT)
    assert again.request.controls.output_schema is None


WORDS = {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(("schema", "is_wrapped"), [(CITY, False), (WORDS, True)])
async def test_an_answer_says_whether_its_value_was_asked_for_within_an_object(
    provider: Any, collect: Any, schema: Any, is_wrapped: bool
):
    said = {"choices": [{"index": 0, "delta": {"content": "{}"}, "finish_reason": "stop"}]}
    provider.streams(said)
    driver = ChatCompletionsDriver(provider.wire(), DIALECTS["openai"])
    end = (await collect(driver, request(schema)))[-1]
    assert end.is_output_wrapped is is_wrapped


async def test_a_server_that_refuses_schemas_is_asked_again_in_words(provider: Any, collect: Any):
    said = {"choices": [{"index": 0, "delta": {"content": "[]"}, "finish_reason": "stop"}]}
    words = "'response_format' of type 'json_schema' is not supported with this model"
    provider.refuses(400, {"message": words, "type": "invalid_request_error"})
    provider.streams(said)
    driver = ChatCompletionsDriver(provider.wire(), DIALECTS["openai"])
    end = (await collect(driver, request(WORDS)))[-1]
    assert not end.is_output_wrapped
    first, again = provider.bodies
    assert "response_format" in first
    assert "response_format" not in again
    assert "JSON Schema" in again["messages"][0]["content"]
