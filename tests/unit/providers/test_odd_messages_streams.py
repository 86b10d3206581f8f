"""Streams of Messages as real servers send them that nobody's reference describes.

Each case was reported by users of the servers named in docs/providers.md or of gateways to them.
"""

import json

import pytest

from everruns.providers.anthropic import AnthropicDriver
from everruns.turn_failures import ModelFailure
from tests.anthropic_events import END, block, delta

ADDED = {"a": 1, "b": 2}
TEXT = json.dumps(ADDED)


def message(*events, stop_reason="tool_use", usage=None):
    start = {"model": "c", "usage": {"input_tokens": 9, "output_tokens": 1}}
    ending = {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": usage}
    return [{"type": "message_start", "message": start}, *events, ending, END]


async def test_blocks_with_one_index_are_told_apart(read):
    text, answer = await read(
        AnthropicDriver,
        *message(
            block(0, type="thinking"),
            delta(0, type="thinking_delta", thinking="Hm."),
            delta(0, type="signature_delta", signature="S1"),
            block(0, type="thinking"),
            delta(0, type="signature_delta", signature="S2"),
            block(0, type="text"),
            delta(0, type="text_delta", text="hi"),
            block(0, type="tool_use", id="t1", name="add", input={}),
            delta(0, type="input_json_delta", partial_json=TEXT),
            block(0, type="tool_use", id="t2", name="weather", input={}),
        ),
    )

    assert text == "hi"
    assert [call.arguments for call in answer.tool_calls] == [ADDED, {}]
    assert [block.signature for block in answer.thinking_blocks] == ["S1", "S2"]


@pytest.mark.parametrize(
    "events",
    [
        [block(0, type="tool_use", id="t", name="add", input=ADDED)],
        [block(0, type="tool_use", id="t", name="add", input=TEXT)],
        [
            block(0, type="tool_use", id="t", name="add", input=ADDED),
            delta(0, type="input_json_delta", partial_json=TEXT),
        ],
        [
            block(0, type="tool_use", id=7, name="add", input={}),
            delta(0, type="input_json_delta", partial_json=ADDED),
        ],
    ],
)
@pytest.mark.parametrize("stop_reason", ["tool_use", "end_turn", "tool_calls"])
async def test_a_block_of_a_call_has_many_forms(read, events, stop_reason):
    _, answer = await read(AnthropicDriver, *message(*events, stop_reason=stop_reason))

    assert [call.arguments for call in answer.tool_calls] == [ADDED]
    assert answer.finish_reason == "tool_calls"


@pytest.mark.parametrize("usage", [[1], "none", {"input_tokens": 0, "output_tokens": 0}])
async def test_odd_usage_at_the_end_takes_nothing_back(read, usage):
    _, answer = await read(AnthropicDriver, *message(block(0, type="text", text="hi"), usage=usage))

    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (9, 1)


async def test_nulls_in_a_message_are_passed_over(read):
    text, answer = await read(
        AnthropicDriver,
        *message(
            {"type": "content_block_start", "index": 0, "content_block": None},
            {"type": "content_block_delta", "index": 0, "delta": None},
            block(1, type="text", text="hi"),
            block(2, type="tool_use", id="t", name=None, input={}),
        ),
    )

    assert (text, [call.name for call in answer.tool_calls]) == ("hi", [""])


async def test_a_message_that_is_over_needs_no_reason(read):
    text, answer = await read(
        AnthropicDriver, *message(block(0, type="text", text="hi"), stop_reason=None)
    )

    assert (text, answer.finish_reason) == ("hi", "stop")


@pytest.mark.parametrize("events", [[END], message(stop_reason="error")])
async def test_a_message_with_nothing_in_it_has_failed(read, events):
    with pytest.raises(ModelFailure):
        await read(AnthropicDriver, *events)
