"""What is sent to the Responses API, and what is made of its stream."""

import asyncio
import contextlib
import copy
import functools
import operator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everruns.domain.controls import AnswerControls
from everruns.domain.messages import (
    ImagePart,
    ThinkingBlock,
    ToolCallPart,
    ToolResultPart,
)
from everruns.domain.tools import ToolDefinition
from everruns.domain.usage import Usage
from everruns.errors import (
    ModelFailure,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
)
from everruns.providers.base import ModelAnswer, ReasoningDelta, TextDelta, UsageSoFar
from everruns.providers.concessions import Asked
from everruns.providers.responses import ResponsesDriver
from everruns.providers.responses_request import response_body
from tests.waiting import PATIENCE_S

MODEL = "gpt-6.1-terra"
WEATHER = ToolDefinition(name="weather", description="Tell it.", parameters={})
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
CREATED = {"type": "response.created", "response": {"status": "in_progress", "model": "gpt-x"}}


def body_of(request):
    return response_body(Asked(request))


def added(index, **item):
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index, **item):
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def text(delta, index=0, **fields):
    return {
        "type": "response.output_text.delta",
        "output_index": index,
        "delta": delta,
        **fields,
    }


def summary(delta, index=0, part=0):
    return {
        "type": "response.reasoning_summary_text.delta",
        "output_index": index,
        "summary_index": part,
        "delta": delta,
    }


def arguments(delta, index=0, **fields):
    return {
        "type": "response.function_call_arguments.delta",
        "output_index": index,
        "delta": delta,
        **fields,
    }


def message(*texts, **fields):
    content = [{"type": "output_text", "text": text} for text in texts]
    return {"type": "message", "role": "assistant", "content": content, **fields}


def call(call_id, arguments="", name="weather", **fields):
    return {
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        **fields,
    }


def completed(*output, **response):
    return {
        "type": "response.completed",
        "response": {"status": "completed", "output": list(output), **response},
    }


def incomplete(reason):
    response = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    return {"type": "response.incomplete", "response": response}


@pytest.fixture
def answered(provider, ask, collect):
    """Answer a question with these events; return the text, the reasoning and the answer."""

    async def answer(*events, request=None):
        provider.streams(*events)
        chunks = await collect(ResponsesDriver(provider.wire()), request or ask(MODEL))
        assert isinstance(chunks[-1], ModelAnswer)
        shown = [
            "".join(chunk.text for chunk in chunks if isinstance(chunk, kind))
            for kind in (TextDelta, ReasoningDelta)
        ]
        return *shown, chunks[-1]

    return answer


# What is asked


async def test_a_conversation_is_sent_in_full_and_stored_nowhere(provider, ask, say, collect):
    provider.streams(completed())
    request = ask(
        MODEL,
        say("user", "Look", ImagePart(url="https://x.test/a.png")),
        say("user", ImagePart(base64="aGk=", media_type="image/png")),
        say(
            "agent",
            "Let me see.",
            ToolCallPart(id="call_1", name="weather", arguments={"city": "Rome"}),
            ToolCallPart(id="call_2", name="weather"),
        ),
        say("tool_result", ToolResultPart(tool_call_id="call_1", result={"c": 21})),
        say("tool_result", ToolResultPart(tool_call_id="call_2", error="No city.")),
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
                        {"type": "input_image", "image_url": "https://x.test/a.png"},
                    ],
                },
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": "data:image/png;base64,aGk="}],
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


# What is answered


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


def without(event, *names):
    return {name: value for name, value in event.items() if name not in names}


TWO_CALLS = [
    added(0, **call("call_1", id="fc_1")),
    arguments('{"city":"Paris"}', 0, item_id="fc_1"),
    done(0, **call("call_1", '{"city":"Paris"}', id="fc_1")),
    added(1, **call("call_2", id="fc_2")),
    arguments('{"city":"Rome"}', 1, item_id="fc_2"),
    done(1, **call("call_2", '{"city":"Rome"}', id="fc_2")),
    completed(
        call("call_1", '{"city":"Paris"}', id="fc_1"),
        call("call_2", '{"city":"Rome"}', id="fc_2"),
    ),
]
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


# What goes wrong


@pytest.mark.parametrize(
    ("event", "failure", "quoted"),
    [
        (
            {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down."},
            ProviderRateLimited,
            "Slow down",
        ),
        (
            {"type": "error", "error": {"type": "insufficient_quota", "message": "No credit."}},
            ProviderRejected,
            "No credit",
        ),
        (
            {"error": {"type": "server_error", "message": "Broken."}},
            ProviderUnavailable,
            "Broken",
        ),
        (
            {
                "type": "response.failed",
                "response": {
                    "status": "failed",
                    "error": {"code": "server_error", "message": "Broken."},
                },
            },
            ProviderUnavailable,
            "Broken",
        ),
        (
            {
                "object": "response",
                "status": "failed",
                "error": {"code": "server_error", "message": "Broken."},
            },
            ProviderUnavailable,
            "Broken",
        ),
    ],
)
async def test_errors_in_the_stream_are_quoted(answered, event, failure, quoted):
    with pytest.raises(failure, match=quoted):
        await answered(CREATED, text("It "), event)


@pytest.mark.parametrize("code", ["invalid_image", "image_too_large", "bio_policy"])
async def test_what_will_be_refused_again_is_not_retried(answered, code):
    error = {"code": code, "message": "Not this."}
    failed = {"type": "response.failed", "response": {"status": "failed", "error": error}}

    with pytest.raises(ProviderRejected, match="Not this") as raised:
        await answered(CREATED, failed)

    assert not raised.value.retryable


@pytest.mark.parametrize(
    "events", [(), (CREATED,), (text("It"),), (text("It"), done(0, **message("It")))]
)
async def test_a_stream_without_an_end_is_broken_off(answered, events):
    with pytest.raises(ProviderUnavailable, match="broke off"):
        await answered(*events)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_text.delta", "delta": {"no": "text"}},
        {"type": "response.output_item.done", "item": "nothing"},
        {"type": "response.completed", "response": {"output": [7]}},
    ],
)
async def test_events_that_make_no_sense_are_not_asked_for_again(answered, event):
    with pytest.raises(ModelFailure, match="invalid data") as raised:
        await answered(CREATED, event)

    assert not raised.value.retryable


@pytest.fixture
def with_history(ask, say):
    """Ask about an answer whose reasoning is sealed."""
    answer = say("agent", "Hi", thoughts=[ThinkingBlock(item=SEALED)])
    return ask(MODEL, say("user", "hi"), answer, say("user", "and?"))


async def test_refused_reasoning_is_left_out_and_asked_again(provider, answered, with_history):
    provider.refuses(
        400,
        {
            "message": "The encrypted content gAAA could not be verified.",
            "type": "invalid_request_error",
            "code": "invalid_encrypted_content",
        },
    )

    shown, _, _ = await answered(text("Hi"), completed(), request=with_history)

    assert shown == "Hi"
    first, second = provider.bodies
    assert SEALED in first["input"]
    assert SEALED not in second["input"]


async def test_reasoning_refused_in_the_stream_is_left_out_too(provider, answered, with_history):
    error = {"type": "invalid_request_error", "message": "The encrypted content is not ours."}
    provider.streams(CREATED, {"type": "error", "error": error})

    shown, _, _ = await answered(text("Hi"), completed(), request=with_history)

    assert shown == "Hi"


async def test_an_image_refused_in_the_stream_is_left_out(provider, answered, ask, say):
    image = ImagePart(base64="aGk=", media_type="image/png")
    request = ask(MODEL, say("user", image), say("agent", "Hm."), say("user", "Hello?"))
    error = {"code": "invalid_image", "message": "The image cannot be read."}
    provider.streams(CREATED, {"type": "response.failed", "response": {"error": error}})

    shown, _, answer = await answered(text("Hi"), completed(), request=request)

    assert shown == "Hi"
    assert answer.without_images
    assert b"input_image" not in provider.requests[1].content


async def test_what_was_shown_is_not_asked_again(provider, answered, with_history):
    error = {"type": "invalid_request_error", "message": "The encrypted content is not ours."}

    with pytest.raises(ProviderRejected):
        await answered(text("Hi"), {"type": "error", "error": error}, request=with_history)

    assert len(provider.requests) == 1


async def test_a_refused_summary_is_left_out(provider, answered):
    provider.refuses(
        400,
        {
            "message": "Your organization must be verified to generate reasoning summaries.",
            "type": "invalid_request_error",
            "code": "unsupported_value",
        },
    )

    await answered(text("Hi"), completed())

    assert "reasoning" not in provider.bodies[1]
    assert provider.bodies[1]["include"] == ["reasoning.encrypted_content"]


async def test_sealed_reasoning_is_not_asked_of_a_model_that_has_none(provider, answered):
    message = "Encrypted content is not supported with this model."
    provider.refuses(400, {"message": message, "type": "invalid_request_error"})

    await answered(text("Hi"), completed())

    assert "include" not in provider.bodies[1]


async def test_other_refusals_are_not_asked_again(provider, ask, collect):
    provider.refuses(400, {"message": "No such model.", "type": "invalid_request_error"})

    with pytest.raises(ProviderRejected, match="No such model"):
        await collect(ResponsesDriver(provider.wire()), ask(MODEL))

    assert len(provider.requests) == 1


async def test_closing_the_stream_ends_the_call(provider, ask):
    answer = provider.streams(CREATED, text("Hi"), ends=False)
    stream = ResponsesDriver(provider.wire()).stream(ask(MODEL))
    async for chunk in stream:
        if isinstance(chunk, TextDelta):
            break

    await stream.aclose()

    await asyncio.wait_for(answer.abandoned.wait(), PATIENCE_S)


async def test_models_on_offer_are_listed(provider):
    provider.sends([b'{"data": [{"id": "gpt-6-sol"}]}'], content_type="application/json")

    assert await ResponsesDriver(provider.wire()).list_models() == ["gpt-6-sol"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 2**63)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "id", "text"]), inner)
    ),
    max_leaves=4,
)
LONG_STREAM = [
    CREATED,
    added(0, type="reasoning", id="rs_1", summary=[]),
    summary("Hm."),
    done(0, **SEALED),
    added(1, type="message", id="msg_1", phase="commentary"),
    text("Wait.", 1),
    done(1, **message("Wait.", id="msg_1", phase="commentary")),
    *TWO_CALLS[:-1],
    completed(SEALED, message("Wait."), call("call_1", "{}"), usage={"input_tokens": 1}),
]


def places(value, path=()):
    """Yield the path to each value in a JSON value."""
    yield path
    inner_values = list(enumerate(value)) if isinstance(value, list) else []
    if isinstance(value, dict):
        inner_values = list(value.items())
    for name, inner in inner_values:
        yield from places(inner, (*path, name))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_nonsense_anywhere_is_read_or_a_failure(provider, ask, data):
    events = copy.deepcopy(LONG_STREAM)
    *path, last = data.draw(st.sampled_from([path for path in places(events) if len(path) > 1]))
    holder = functools.reduce(operator.getitem, path, events)
    holder[last] = data.draw(JSON)
    provider.streams(*events)

    with contextlib.suppress(ModelFailure):
        chunks = [chunk async for chunk in ResponsesDriver(provider.wire()).stream(ask(MODEL))]
        assert isinstance(chunks[-1], ModelAnswer)


WORDS = st.text(min_size=1, max_size=6).filter(str.strip)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["text", "reasoning", "call"]), WORDS), max_size=8))
async def test_an_answer_in_any_order_goes_back_in_that_order(provider, ask, say, parts):
    """Send an answer of any items; what goes back has the same items in the same order."""
    events = []
    for place, (kind, word) in enumerate(parts):
        match kind:
            case "text":
                events += [text(word, place), done(place, **message(word))]
            case "call":
                events.append(done(place, **call(f"call_{place}", name="weather")))
            case _:
                events.append(done(place, **{**SEALED, "id": f"rs_{place}"}))
    provider.streams(*events, completed())
    chunks = [chunk async for chunk in ResponsesDriver(provider.wire()).stream(ask(MODEL))]
    answer = chunks[-1]
    shown = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))
    calls = [ToolCallPart(**call.model_dump()) for call in answer.tool_calls]
    said = say("agent", *([shown] if shown else []), *calls, thoughts=answer.thinking_blocks)

    sent = body_of(ask(MODEL, said))["input"]

    kinds = {"message": "text", "function_call": "call", "reasoning": "reasoning"}
    expected = [kind for kind, _ in parts]
    while expected and expected[-1] == "reasoning":
        expected.pop()
    assert _runs(kinds[item["type"]] for item in sent) == _runs(expected)


def _runs(kinds):
    """Neighbouring texts without phases go back as one."""
    runs = []
    for kind in kinds:
        if kind != "text" or runs[-1:] != ["text"]:
            runs.append(kind)
    return runs
