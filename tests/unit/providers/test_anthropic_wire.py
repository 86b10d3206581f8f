"""What is made of a stream of Messages."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everruns.domain.messages import (
    ThinkingBlock,
    ToolCallPart,
)
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
from tests.anthropic_events import END, PING, block, delta, start, stop
from tests.waiting import PATIENCE_S


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
