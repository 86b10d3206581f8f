"""What is sent to Messages, and what is made of its stream."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everruns.domain.controls import AnswerControls
from everruns.domain.messages import (
    ThinkingBlock,
    ToolCallPart,
)
from everruns.domain.tools import ToolDefinition
from everruns.domain.usage import Usage
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.anthropic_request import message_body
from everruns.providers.base import ReasoningDelta, TextDelta, UsageSoFar
from everruns.providers.concessions import Attempt
from everruns.turn_failures import (
    ContextTooLong,
    ModelFailure,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
)
from tests.odd_images import PIXEL
from tests.waiting import PATIENCE_S

WEATHER = ToolDefinition(name="weather", description="Tell it.", parameters={})
CACHED = {"type": "ephemeral"}


def start(**usage):
    return {"type": "message_start", "message": {"model": "claude-x", "usage": usage}}


def block(index, **content):
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index, **content):
    return {"type": "content_block_delta", "index": index, "delta": content}


def stop(reason="end_turn", **usage):
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


END = {"type": "message_stop"}
PING = {"type": "ping"}


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


async def test_text_and_thinking_become_deltas(provider, ask, collect):
    provider.streams(
        start(input_tokens=10, cache_read_input_tokens=100, cache_creation_input_tokens=7),
        PING,
        block(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="Hm"),
        delta(0, type="signature_delta", signature="si"),
        delta(0, type="signature_delta", signature="g"),
        {"type": "content_block_stop", "index": 0},
        block(1, type="redacted_thinking", data="xyz"),
        block(2, type="text", text=""),
        delta(2, type="text_delta", text="Hi"),
        delta(2, type="text_delta", text=" there"),
        stop("max_tokens", output_tokens=5),
        END,
    )

    chunks = await collect(AnthropicDriver(provider.wire()), ask("claude-haiku-4-5"))

    assert chunks[:-1] == [ReasoningDelta("Hm"), TextDelta("Hi"), TextDelta(" there")]
    answer = chunks[-1]
    assert answer.thinking_blocks == [
        ThinkingBlock(thinking="Hm", signature="sig"),
        ThinkingBlock(redacted="xyz"),
    ]
    assert answer.finish_reason == "length"
    assert answer.model == "claude-x"
    assert answer.usage.input_tokens == 117
    assert answer.usage.output_tokens == 5
    assert answer.usage.cache_read_tokens == 100
    assert answer.usage.cache_creation_tokens == 7


async def test_usage_is_told_as_soon_as_it_is_reported(provider, ask):
    provider.streams(
        start(input_tokens=10, cache_read_input_tokens=100, output_tokens=1),
        block(0, type="text", text="Hi"),
        stop(output_tokens=5),
        END,
    )

    chunks = [
        chunk async for chunk in AnthropicDriver(provider.wire()).stream(ask("claude-haiku-4-5"))
    ]

    assert chunks[:-1] == [
        UsageSoFar(Usage(input_tokens=110, output_tokens=1, cache_read_tokens=100)),
        TextDelta("Hi"),
        UsageSoFar(Usage(input_tokens=110, output_tokens=5, cache_read_tokens=100)),
    ]


async def test_counts_that_cannot_be_are_not_booked(provider, ask, collect):
    provider.streams(
        start(input_tokens=12, cache_read_input_tokens=-100, cache_creation_input_tokens=True),
        stop(input_tokens=-7, output_tokens=2.5, cache_read_input_tokens=10**15),
        END,
    )

    answer = (await collect(AnthropicDriver(provider.wire()), ask("claude-haiku-4-5")))[-1]

    assert answer.usage == Usage(input_tokens=12)


async def test_tool_calls_are_put_together_from_their_pieces(provider, ask, collect):
    provider.streams(
        start(),
        block(0, type="tool_use", id="toolu_1", name="weather", input={}),
        delta(0, type="input_json_delta", partial_json=""),
        delta(0, type="input_json_delta", partial_json='{"city":'),
        delta(0, type="input_json_delta", partial_json=' "Rome"}'),
        block(1, type="tool_use", id="toolu_2", name="clock", input={}),
        block(2, type="tool_use", id="toolu_3", name="broken", input={}),
        delta(2, type="input_json_delta", partial_json='{"a'),
        stop("tool_use"),
        END,
    )

    answer = (await collect(AnthropicDriver(provider.wire()), ask("claude-haiku-4-5")))[-1]

    assert [(c.id, c.name, c.arguments) for c in answer.tool_calls] == [
        ("toolu_1", "weather", {"city": "Rome"}),
        ("toolu_2", "clock", {}),
        ("toolu_3", "broken", {}),
    ]
    assert list(answer.refused_calls) == ["toolu_3"]
    assert answer.finish_reason == "tool_calls"


BLOCKS = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, st.text("ab ü🙂", min_size=1)),
        st.builds(
            lambda text: {"type": "thinking", "thinking": text, "signature": "s" + text},
            st.text("xyz"),
        ),
        st.just({"type": "redacted_thinking", "data": "sealed"}),
        st.just({"type": "tool_use", "name": "weather", "input": {}}),
    ),
    min_size=1,
    max_size=8,
)


def in_order(blocks):
    """Join what has no thinking between it: its text first, then its calls."""
    expected, text, calls = [], "", []
    for content in [*blocks, {"type": "thinking"}]:
        if content["type"] == "text":
            text += content["text"]
        elif content["type"] == "tool_use":
            calls.append(content)
        else:
            expected += [{"type": "text", "text": text}] if text.strip() else []
            expected += [*calls, content]
            text, calls = "", []
    return expected[:-1]


@given(blocks=BLOCKS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_an_answer_goes_back_with_its_thinking_where_it_stood(
    provider, ask, say, collect, blocks
):
    for index, content in enumerate(blocks):
        if content["type"] == "tool_use":
            blocks[index] = {**content, "id": f"toolu_{index}"}
    provider.streams(start(), *(block(i, **content) for i, content in enumerate(blocks)), stop())
    chunks = await collect(AnthropicDriver(provider.wire()), ask("claude-opus-5-5"))
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))
    calls = [ToolCallPart(**call.model_dump()) for call in chunks[-1].tool_calls]
    answer = say("agent", text, *calls, thoughts=chunks[-1].thinking_blocks)

    messages = message_body(Attempt(ask("claude-opus-5-5", answer)))["messages"]

    assert (messages[0]["content"] if messages else []) == in_order(blocks)


async def test_thinking_that_is_refused_is_left_out_and_the_call_made_again(
    provider, ask, say, collect
):
    message = "messages.1.content.0: Invalid `signature` in `thinking` block."
    provider.refuses(400, {"type": "invalid_request_error", "message": message})
    provider.streams(start(), block(0, type="text", text="Hi"), stop(), END)
    answer = say("agent", "Yes", thoughts=[ThinkingBlock(thinking="Hm", signature="old")])
    request = ask("claude-opus-5-5", say("user", "a"), answer, say("user", "b"))

    chunks = await collect(AnthropicDriver(provider.wire()), request)

    assert chunks[0] == TextDelta("Hi")
    assert [body["messages"][1]["content"][0]["type"] for body in provider.bodies] == [
        "thinking",
        "text",
    ]


async def test_another_refusal_is_not_tried_again(provider, ask, collect):
    provider.refuses(400, {"type": "invalid_request_error", "message": "tools: bad schema"})

    with pytest.raises(ProviderRejected, match="bad schema"):
        await collect(AnthropicDriver(provider.wire()), ask("claude-opus-5-5"))


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, ProviderUnavailable),
        ({"type": "rate_limit_error", "message": "Slow"}, ProviderRateLimited),
        (
            {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"},
            ContextTooLong,
        ),
    ],
)
async def test_an_error_within_the_stream_has_its_meaning(provider, ask, collect, error, failure):
    provider.streams(start(), block(0, type="text", text="Hi"), {"type": "error", "error": error})

    with pytest.raises(failure):
        await collect(AnthropicDriver(provider.wire()), ask("claude-haiku-4-5"))


@pytest.mark.parametrize(
    "event",
    [
        b"data: {nonsense\n\n",
        {"type": "content_block_delta"},
        delta(0, type="text_delta", text=7),
        {"type": "message_start", "message": 7},
    ],
)
async def test_nonsense_in_a_stream_is_not_asked_for_again(provider, ask, collect, event):
    provider.streams(start(), block(0, type="text", text="Hi"), event, stop(), END)

    with pytest.raises(ModelFailure, match="invalid data"):
        await collect(AnthropicDriver(provider.wire()), ask("claude-haiku-4-5"))


async def test_a_stream_without_an_end_broke_off(provider, ask, collect):
    provider.streams(start(), block(0, type="text", text="Hi"))

    with pytest.raises(ProviderUnavailable, match="broke off"):
        await collect(AnthropicDriver(provider.wire()), ask("claude-haiku-4-5"))


async def test_closing_the_stream_closes_the_connection(provider, ask):
    answer = provider.streams(start(), block(0, type="text", text="Hi"), ends=False)

    chunks = AnthropicDriver(provider.wire()).stream(ask("claude-haiku-4-5"))
    await anext(chunks)
    await chunks.aclose()

    async with asyncio.timeout(PATIENCE_S):
        await answer.abandoned.wait()


async def test_listed_models_come_in_the_providers_order(provider):
    provider.sends([b'{"data": [{"id": "claude-b"}, {"id": "claude-a"}]}'])

    listed = await AnthropicDriver(provider.wire()).list_models()

    assert [model.model_id for model in listed] == ["claude-b", "claude-a"]
    assert provider.requests[0].path == "/v1/models?limit=1000"
