"""What the Responses API is sent."""

import pytest

from everruns.domain.controls import AnswerControls
from everruns.domain.messages import (
    ThinkingBlock,
    ToolCallPart,
)
from everruns.domain.tools import ToolDefinition
from everruns.providers.concessions import Attempt
from everruns.providers.responses import ResponsesDriver
from everruns.providers.responses_request import response_body
from tests.odd_images import PIXEL
from tests.response_events import (
    MODEL,
    SEALED,
    completed,
)

WEATHER = ToolDefinition(name="weather", description="Tell it.", parameters={})


def body_of(request):
    return response_body(Attempt(request))


async def test_a_conversation_is_sent_in_full_and_stored_nowhere(provider, ask, say, talk, collect):
    provider.streams(completed())
    request = ask(
        MODEL,
        *talk(),
        say("user", "Hurry"),
        system_prompt="Be brief.",
        tools=[WEATHER],
        parallel_tool_calls=False,
        effort="low",
    )

    await collect(ResponsesDriver(provider.wire()), request)

    assert provider.requests[0].path == "/v1/responses"
    assert provider.requests[0].headers["authorization"].startswith("Bearer ")
    assert provider.bodies == [
        {
            "model": MODEL,
            "instructions": "Be brief.",
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "Look"},
                        {
                            "type": "input_image",
                            "image_url": "https://x.test/a.png",
                            "detail": "auto",
                        },
                    ],
                },
                {
                    "type": "message",
                    "role": "user",
                    "content": [
                        {
                            "type": "input_image",
                            "image_url": f"data:image/png;base64,{PIXEL}",
                            "detail": "auto",
                        }
                    ],
                },
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Let me see."}],
                },
                {
                    "type": "function_call",
                    "call_id": "call_1",
                    "name": "weather",
                    "arguments": '{"city":"Rome"}',
                },
                {
                    "type": "function_call",
                    "call_id": "call_2",
                    "name": "weather",
                    "arguments": "{}",
                },
                {"type": "function_call_output", "call_id": "call_1", "output": '{"c":21}'},
                {
                    "type": "function_call_output",
                    "call_id": "call_2",
                    "output": '{"error":"No city."}',
                },
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hurry"}],
                },
            ],
            "store": False,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
            "reasoning": {"effort": "low", "summary": "auto"},
            "tools": [
                {
                    "type": "function",
                    "name": "weather",
                    "description": "Tell it.",
                    "parameters": {"type": "object", "properties": {}},
                    "strict": False,
                }
            ],
            "parallel_tool_calls": False,
        }
    ]


@pytest.mark.parametrize("model_id", ["gpt-4.1", "my-deployment"])
def test_a_model_that_does_not_reason_is_not_asked_for_reasoning(ask, model_id):
    body = body_of(ask(model_id))

    assert "reasoning" not in body
    assert "include" not in body


def test_an_unknown_model_is_asked_for_reasoning_with_an_effort(ask):
    body = body_of(ask("my-deployment", effort="high"))

    assert body["reasoning"] == {"effort": "high", "summary": "auto"}


@pytest.mark.parametrize(
    ("model_id", "effort", "reasoning"),
    [
        ("gpt-6-luna", "none", {"effort": "none"}),
        ("gpt-6-astra", "none", {"effort": "low", "summary": "auto"}),
        ("gpt-5.4", "minimal", {"effort": "low", "summary": "auto"}),
        ("gpt-5-mini", "minimal", {"effort": "minimal", "summary": "auto"}),
        ("gpt-5.4", None, {"summary": "auto"}),
    ],
)
def test_an_effort_that_a_model_refuses_becomes_its_lowest(ask, model_id, effort, reasoning):
    assert body_of(ask(model_id, effort=effort))["reasoning"] == reasoning


def test_options_are_sent_under_the_names_of_the_api(ask):
    controls = AnswerControls(
        temperature=0.5, top_p=0.9, max_output_tokens=100, stop=["END"], seed=1
    )

    body = body_of(ask("gpt-4.1", controls=controls))

    assert (body["temperature"], body["top_p"], body["max_output_tokens"]) == (0.5, 0.9, 100)
    # The API has no such options.
    assert not {"stop", "seed"} & set(body)


def test_reasoning_goes_back_where_it_stood(ask, say):
    more = {**SEALED, "id": "rs_2"}
    answer = say(
        "agent",
        "I look. It rains.",
        ToolCallPart(id="call_1", name="weather"),
        ToolCallPart(id="call_2", name="weather"),
        thoughts=[
            ThinkingBlock(item=SEALED),
            ThinkingBlock(item=more, text_before=17, calls_before=1),
        ],
    )

    sent = body_of(ask(MODEL, answer))["input"]

    assert [item["type"] for item in sent] == [
        "reasoning",
        "message",
        "function_call",
        "reasoning",
        "function_call",
    ]
    assert (sent[0], sent[3]) == (SEALED, more)


def test_phases_go_back_with_their_messages(ask, say):
    answer = say(
        "agent",
        "I look.\n\nIt rains.",
        thoughts=[
            ThinkingBlock(item={"type": "message", "phase": "commentary"}),
            ThinkingBlock(item={"type": "message", "phase": "final_answer"}, text_before=9),
        ],
    )

    sent = body_of(ask(MODEL, answer))["input"]

    assert [(item["phase"], item["content"][0]["text"].strip()) for item in sent] == [
        ("commentary", "I look."),
        ("final_answer", "It rains."),
    ]


def test_another_providers_reasoning_is_not_sent(ask, say):
    answer = say("agent", "Hi", thoughts=[ThinkingBlock(item=SEALED)])
    foreign = answer.model_copy(update={"model": "other/gpt-6-sol"})

    assert [item["type"] for item in body_of(ask(MODEL, foreign))["input"]] == ["message"]


@pytest.mark.parametrize(
    "thought",
    [
        ThinkingBlock(thinking="Hm"),
        ThinkingBlock(thinking="Hm", signature="sig"),
        ThinkingBlock(item={"type": "reasoning", "id": "rs_1", "summary": []}),
        ThinkingBlock(item={"type": "reasoning.text", "text": "Hm"}),
    ],
)
def test_reasoning_that_is_not_sealed_is_not_sent(ask, say, thought):
    answer = say("agent", "Hi", thoughts=[thought])

    assert [item["type"] for item in body_of(ask(MODEL, answer))["input"]] == ["message"]


def test_reasoning_that_led_to_nothing_is_not_sent(ask, say):
    answer = say("agent", "Hi", thoughts=[ThinkingBlock(item=SEALED, text_before=2)])

    assert [item["type"] for item in body_of(ask(MODEL, answer))["input"]] == ["message"]
