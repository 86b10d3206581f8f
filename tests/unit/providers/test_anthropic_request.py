"""What is sent to Messages."""

import pytest

from everruns.domain.controls import AnswerControls
from everruns.domain.messages import ThinkingBlock
from everruns.domain.tools import ToolDefinition
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.anthropic_request import message_body
from everruns.providers.concessions import Attempt
from tests.anthropic_events import END, start, stop
from tests.odd_images import PIXEL

WEATHER = ToolDefinition(name="weather", description="Tell it.", parameters={})
CACHED = {"type": "ephemeral"}


async def test_a_conversation_is_sent_in_full(provider, ask, say, talk, collect):
    provider.streams(start(), stop(), END)
    request = ask(
        "claude-sonnet-5-5",
        *talk(ThinkingBlock(thinking="Hm", signature="sig"), ThinkingBlock(redacted="xyz")),
        say("user", "Hurry"),
        system_prompt="Be brief.",
        tools=[WEATHER],
        parallel_tool_calls=False,
        effort="low",
    )

    await collect(AnthropicDriver(provider.wire()), request)

    assert provider.requests[0].path == "/v1/messages"
    assert provider.bodies == [
        {
            "model": "claude-sonnet-5-5",
            "max_tokens": 128000,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Look"},
                        {
                            "type": "image",
                            "source": {"type": "url", "url": "https://x.test/a.png"},
                        },
                        {
                            "type": "image",
                            "source": {
                                "type": "base64",
                                "media_type": "image/png",
                                "data": PIXEL,
                            },
                        },
                    ],
                },
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Hm", "signature": "sig"},
                        {"type": "redacted_thinking", "data": "xyz"},
                        {"type": "text", "text": "Let me see."},
                        {
                            "type": "tool_use",
                            "id": "call_1",
                            "name": "weather",
                            "input": {"city": "Rome"},
                        },
                        {"type": "tool_use", "id": "call_2", "name": "weather", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "call_1",
                            "content": '{"c":21}',
                            "is_error": False,
                        },
                        {
                            "type": "tool_result",
                            "tool_use_id": "call_2",
                            "content": '{"error":"No city."}',
                            "is_error": True,
                        },
                        {"type": "text", "text": "Hurry", "cache_control": CACHED},
                    ],
                },
            ],
            "stream": True,
            "system": [{"type": "text", "text": "Be brief.", "cache_control": CACHED}],
            "tools": [
                {
                    "name": "weather",
                    "description": "Tell it.",
                    "input_schema": {"type": "object", "properties": {}},
                }
            ],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "low"},
        }
    ]


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("claude-opus-5-5", None, {"thinking": {"type": "adaptive", "display": "summarized"}}),
        (
            "claude-opus-5-5",
            "none",
            {
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {"effort": "low"},
            },
        ),
        ("claude-haiku-4-5", None, {}),
        ("claude-haiku-4-5", "none", {}),
        (
            "claude-haiku-4-5-20251001",
            "high",
            {"thinking": {"type": "enabled", "budget_tokens": 24576}},
        ),
        ("claude-of-somebody-else", None, {}),
    ],
)
def test_effort_is_said_as_the_model_wants_it(ask, model, effort, sent):
    body = message_body(Attempt(ask(model, effort=effort)))

    assert {key: body[key] for key in ("thinking", "output_config") if key in body} == sent


@pytest.mark.parametrize(
    ("name", "options", "sent"),
    [
        ("claude-haiku-4-5", {"temperature": 0}, {"max_tokens": 64_000, "temperature": 0}),
        ("claude-haiku-4-5", {"top_p": 0.5}, {"max_tokens": 64_000, "top_p": 0.5}),
        (
            "claude-sonnet-5-5",
            {"stop": ["END", "STOP"], "max_output_tokens": 100},
            {"max_tokens": 100, "stop_sequences": ["END", "STOP"]},
        ),
        ("claude-sonnet-5-5", {"max_output_tokens": 999_999}, {"max_tokens": 128_000}),
        ("claude-unheard-of", {"max_output_tokens": 50_000}, {"max_tokens": 50_000}),
        ("claude-unheard-of", {}, {"max_tokens": 8192}),
    ],
)
def test_options_for_answers_are_sent_under_their_names_in_messages(ask, name, options, sent):
    body = message_body(Attempt(ask(name, controls=AnswerControls.model_validate(options))))

    names = {"max_tokens", "temperature", "top_p", "stop_sequences"}
    assert {field: body[field] for field in names & body.keys()} == sent


def test_a_budget_for_thinking_keeps_to_the_output_limit(ask):
    thinks = {"reasoning": {"effort": "high"}}
    large = AnswerControls.model_validate({"max_output_tokens": 4096, **thinks})
    small = AnswerControls.model_validate({"max_output_tokens": 2000, **thinks})

    assert message_body(Attempt(ask("claude-haiku-4-5", controls=large)))["thinking"] == {
        "type": "enabled",
        "budget_tokens": 2048,
    }
    assert "thinking" not in message_body(Attempt(ask("claude-haiku-4-5", controls=small)))


def test_blank_text_is_never_sent(ask, say):
    messages = say("user", " "), say("agent", "\n"), say("user", "hi")
    body = message_body(Attempt(ask("claude-haiku-4-5", *messages)))

    assert [m["content"][0]["text"] for m in body["messages"]] == ["hi"]


def test_reasoning_of_other_providers_is_not_sent(ask, say):
    answer = say("agent", "Hi", thoughts=[ThinkingBlock(thinking="unsigned")])

    asked = Attempt(ask("claude-opus-5-5", say("user", "hi"), answer, say("user", "so?")))
    body = message_body(asked)

    assert body["messages"][1]["content"] == [{"type": "text", "text": "Hi"}]
