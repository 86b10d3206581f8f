"""What is made of a stream of the Responses API."""

import pytest

from everruns.domain.messages import (
    ThinkingBlock,
    ToolCallPart,
)
from everruns.domain.tools import ToolDefinition
from everruns.domain.usage import Usage
from everruns.providers.base import TextDelta, UsageSoFar
from everruns.providers.concessions import Attempt
from everruns.providers.responses import ResponsesDriver
from everruns.providers.responses_request import response_body
from tests.response_events import (
    CREATED,
    MODEL,
    SEALED,
    TWO_CALLS,
    added,
    arguments,
    call,
    completed,
    done,
    incomplete,
    message,
    summary,
    text,
    without,
)

WEATHER = ToolDefinition(name="weather", description="Tell it.", parameters={})


def body_of(request):
    return response_body(Attempt(request))


async def test_text_streams_as_it_comes(provider, ask, collect):
    provider.streams(
        CREATED,
        added(0, type="message", id="msg_1"),
        text("It "),
        text("rains."),
        done(0, **message("It rains.", id="msg_1")),
        completed(message("It rains.", id="msg_1"), model="gpt-x"),
    )

    chunks = await collect(ResponsesDriver(provider.wire()), ask(MODEL))

    assert chunks[:-1] == [TextDelta("It "), TextDelta("rains.")]
    assert (chunks[-1].finish_reason, chunks[-1].model) == ("stop", "gpt-x")


async def test_the_first_event_tells_that_the_model_has_begun(provider, ask):
    provider.streams(CREATED, text("Hi"), completed())

    chunks = [chunk async for chunk in ResponsesDriver(provider.wire()).stream(ask(MODEL))]

    assert chunks[:2] == [UsageSoFar(Usage()), TextDelta("Hi")]


async def test_a_summary_is_shown_with_blank_lines_between_its_parts(answered):
    whole = {**SEALED, "summary": [{"text": "First."}, {"text": "Then."}], "status": "completed"}

    _, reasoning, answer = await answered(
        CREATED,
        added(0, type="reasoning", id="rs_1", summary=[], encrypted_content="gA"),
        summary("First."),
        {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 1},
        summary("Th", part=1),
        summary("en.", part=1),
        done(0, **whole, content=None),
        completed(whole),
    )

    assert reasoning == "First.\n\nThen."
    assert answer.thinking_blocks == [
        ThinkingBlock(
            thinking="First.\n\nThen.",
            item={**SEALED, "summary": [{"text": "First."}, {"text": "Then."}]},
        )
    ]


async def test_open_reasoning_is_shown_and_kept_though_not_sealed(answered):
    delta = {"type": "response.reasoning_text.delta", "output_index": 0, "delta": "Hm."}

    _, reasoning, answer = await answered(delta, text("Hi", 1), completed())

    assert reasoning == "Hm."
    assert answer.thinking_blocks == [ThinkingBlock(thinking="Hm.")]


async def test_reasoning_and_phases_are_kept_with_their_places(answered):
    shown, _, answer = await answered(
        CREATED,
        done(0, **SEALED),
        added(1, type="message", id="msg_1", phase="commentary"),
        text("Wait.", 1),
        done(1, **message("Wait.", id="msg_1", phase="commentary")),
        done(2, **call("call_1", "{}")),
        done(3, **{**SEALED, "id": "rs_2"}),
        added(4, type="message", id="msg_2", phase="final_answer"),
        text("It rains.", 4),
        done(4, **message("It rains.", id="msg_2", phase="final_answer")),
        completed(),
    )

    assert shown == "Wait.\n\nIt rains."
    assert [
        (block.item["type"], block.text_before, block.calls_before)
        for block in answer.thinking_blocks
    ] == [("reasoning", 0, 0), ("message", 0, 0), ("reasoning", 5, 1), ("message", 7, 1)]


async def test_an_answer_goes_back_as_it_came(answered, ask, say):
    shown, _, answer = await answered(
        done(0, **SEALED),
        done(1, **message("Wait.", phase="commentary")),
        done(2, **call("call_1", '{"city":"Rome"}')),
        completed(),
    )
    parts = [ToolCallPart(**call.model_dump()) for call in answer.tool_calls]
    said = say("agent", shown, *parts, thoughts=answer.thinking_blocks)

    assert body_of(ask(MODEL, said))["input"] == [
        SEALED,
        message("Wait.", phase="commentary"),
        call("call_1", '{"city":"Rome"}'),
    ]


async def test_parallel_calls_may_interleave(answered):
    _, _, answer = await answered(
        added(0, **call("call_1", id="fc_1")),
        added(1, **call("call_2", id="fc_2")),
        arguments('{"city":', 0, item_id="fc_1"),
        arguments('{"city":"Ro', 1, item_id="fc_2"),
        arguments('"Paris"}', 0, item_id="fc_1"),
        arguments('me"}', 1, item_id="fc_2"),
        completed(),
    )

    assert [(call.id, call.arguments) for call in answer.tool_calls] == [
        ("call_1", {"city": "Paris"}),
        ("call_2", {"city": "Rome"}),
    ]
    assert answer.finish_reason == "tool_calls"


ODD_CALLS = {
    "as documented": TWO_CALLS,
    "without indexes": [without(event, "output_index") for event in TWO_CALLS],
    "every index the same": [
        {**event, "output_index": 0} if "output_index" in event else event for event in TWO_CALLS
    ],
    "without ids of items": [
        {**without(event, "item_id"), "item": without(event.get("item", {}), "id")}
        for event in TWO_CALLS
    ],
    "only begun and completed": [TWO_CALLS[0], TWO_CALLS[3], TWO_CALLS[6]],
    "only completed": TWO_CALLS[6:],
    "arguments only at their end": [
        TWO_CALLS[0],
        TWO_CALLS[3],
        {
            "type": "response.function_call_arguments.done",
            "item_id": "fc_1",
            "output_index": 0,
            "arguments": '{"city":"Paris"}',
        },
        {
            "type": "response.function_call_arguments.done",
            "item_id": "fc_2",
            "output_index": 1,
            "arguments": '{"city":"Rome"}',
        },
        completed(),
    ],
    "not announced": [TWO_CALLS[2], TWO_CALLS[5], completed()],
    "without their end": [*TWO_CALLS[:2], *TWO_CALLS[3:5], completed()],
    "arguments as objects": [
        done(0, **call("call_1", {"city": "Paris"})),
        done(1, **call("call_2", {"city": "Rome"})),
        completed(),
    ],
    "ids that change": [
        {**event, "item_id": f"x{place}", "item": {**event.get("item", {}), "id": f"y{place}"}}
        for place, event in enumerate(TWO_CALLS)
    ],
    "indexes as strings": [
        {**event, "output_index": str(event.get("output_index"))} for event in TWO_CALLS
    ],
}


@pytest.mark.parametrize("events", ODD_CALLS.values(), ids=ODD_CALLS)
async def test_calls_are_told_apart_however_they_are_named(answered, events):
    _, _, answer = await answered(*events)

    assert [(call.name, call.arguments) for call in answer.tool_calls] == [
        ("weather", {"city": "Paris"}),
        ("weather", {"city": "Rome"}),
    ]
    assert [call.id for call in answer.tool_calls] == ["call_1", "call_2"]


async def test_arguments_that_are_no_object_are_refused_in_words(answered):
    _, _, answer = await answered(done(0, **call("call_1", "[1]")), completed())

    assert "not a JSON object" in answer.refused_calls["call_1"]


TEXT = message("It ", "rains.", id="msg_1")
ODD_TEXTS = {
    "only in the item": [done(0, **TEXT), completed()],
    "only at the end": [completed(TEXT)],
    "in the item and at the end": [done(0, **TEXT), completed(TEXT)],
    "in deltas, the item and the end": [
        text("It "),
        text("rains."),
        done(0, **TEXT),
        completed(TEXT),
    ],
    "partly in deltas": [text("It r"), done(0, **TEXT), completed(TEXT)],
    "partly in deltas, the rest at the end": [text("It r"), completed(TEXT)],
    "at the end under another id": [
        added(0, type="message", id="msg_1"),
        text("It rains.", item_id="msg_2"),
        completed({**TEXT, "id": "msg_3"}),
    ],
    "in an event of its own": [
        {"type": "response.output_text.done", "output_index": 0, "text": "It rains."},
        completed(),
    ],
    "with events that nobody knows": [
        {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1"},
        done(0, type="web_search_call", id="ws_1", action={"type": "search", "query": "rain"}),
        text("It rains.", 1),
        {"type": "response.output_text.annotation.added", "annotation": {}},
        {"type": "keepalive", "sequence_number": 9},
        {"type": "response.dance.delta", "delta": 7},
        completed({"type": "web_search_call", "id": "ws_1"}, TEXT),
    ],
    "not streamed at all": [completed(TEXT)["response"] | {"object": "response"}],
}


@pytest.mark.parametrize("events", ODD_TEXTS.values(), ids=ODD_TEXTS)
async def test_text_is_neither_lost_nor_doubled(answered, events):
    shown, _, _ = await answered(*events)

    assert shown == "It rains."


async def test_a_character_in_two_halves_is_joined(answered):
    first, second = (
        b'data: {"type":"response.output_text.delta","output_index":0,"delta":"%s"}\n\n' % half
        for half in (rb"\ud83d", rb"\ude42")
    )

    shown, _, _ = await answered(first, second, completed(message("\U0001f642")))

    assert shown == "\U0001f642"


async def test_a_refusal_is_read_as_text(answered):
    refusal = {"type": "refusal", "refusal": "I cannot help."}

    shown, _, answer = await answered(
        added(0, type="message", id="msg_1"),
        {"type": "response.refusal.delta", "output_index": 0, "delta": "I cannot "},
        {"type": "response.refusal.delta", "output_index": 0, "delta": "help."},
        {"type": "response.refusal.done", "output_index": 0, "refusal": "I cannot help."},
        completed({"type": "message", "id": "msg_1", "content": [refusal]}),
    )

    assert shown == "I cannot help."
    assert answer.finish_reason == "stop"


async def test_usage_counts_the_cache_apart(answered):
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 12},
    }

    _, _, answer = await answered(text("Hi"), completed(usage=usage))

    assert answer.usage == Usage(
        input_tokens=100, output_tokens=20, cache_read_tokens=60, cache_creation_tokens=5
    )


@pytest.mark.parametrize(
    "usage", [None, {}, {"input_tokens": 1.5}, {"output_tokens": 1e20, "input_tokens": "many"}]
)
async def test_impossible_counts_are_not_booked(answered, usage):
    _, _, answer = await answered(text("Hi"), completed(usage=usage))

    assert answer.usage == Usage()


@pytest.mark.parametrize(
    ("reason", "finish_reason"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), (None, "incomplete")],
)
async def test_an_answer_that_was_cut_says_why(answered, reason, finish_reason):
    _, _, answer = await answered(
        text("It"), added(1, **call("call_1")), arguments('{"city":"Ro', 1), incomplete(reason)
    )

    assert answer.finish_reason == finish_reason
