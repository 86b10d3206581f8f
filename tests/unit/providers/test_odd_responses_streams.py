"""Streams of Responses as real servers send them that nobody's reference describes.

Each case was reported by users of the servers named in docs/providers.md or of gateways to them.
"""

import pytest

from everruns.providers.responses import ResponsesDriver
from everruns.turn_failures import ModelFailure

ADDED = {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "ending",
    [
        [{"type": "response.done", "response": {"status": "completed", "usage": [1]}}],
        [b"data: [DONE]\n\n"],
    ],
)
async def test_a_response_may_end_in_other_words(read, ending):
    item = {"type": "message", "id": "m", "content": {"type": "output_text", "text": "hi"}}
    text, _ = await read(
        ResponsesDriver, {"type": "response.output_item.done", "item": item}, *ending
    )

    assert text == "hi"


async def test_nulls_in_a_response_are_passed_over(read):
    content = [None, {"type": "output_text", "text": "hi"}]
    output = [None, {"type": "message", "content": content}]
    text, _ = await read(
        ResponsesDriver,
        {"type": "response.completed", "response": {"status": "completed", "output": output}},
    )

    assert text == "hi"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.error", "error": {"message": "the REASON"}},
        {
            "type": "response.cancelled",
            "response": {"incomplete_details": {"reason": "the REASON"}},
        },
    ],
)
async def test_a_response_may_fail_in_other_words(read, event):
    if event["type"] == "response.cancelled":
        event["response"]["status"] = "cancelled"
    with pytest.raises(ModelFailure, match="the REASON"):
        await read(ResponsesDriver, event)


async def test_the_arguments_of_a_response_may_come_as_an_object(read):
    item = {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"}
    _, answer = await read(
        ResponsesDriver,
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": ADDED},
        {"type": "response.completed", "response": {"status": "completed"}},
    )

    assert [call.arguments for call in answer.tool_calls] == [ADDED]
