"""What is sent to Chat Completions, and what is made of its stream."""

import asyncio

import pytest

from everruns.domain.messages import ThinkingBlock, ToolCallPart, ToolResultPart
from everruns.domain.tools import ToolDefinition
from everruns.domain.usage import Usage
from everruns.providers.base import ReasoningDelta, TextDelta, UsageSoFar
from everruns.providers.chat_completions import ChatCompletionsDriver
from everruns.turn_failures import ModelFailure, ProviderUnavailable
from tests.odd_images import PIXEL
from tests.waiting import PATIENCE_S

WEATHER = ToolDefinition(name="weather", description="Tell it.", parameters={})


def delta(finish_reason=None, **fields):
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def call(index, identity=None, name=None, arguments=None):
    function = {key: v for key, v in (("name", name), ("arguments", arguments)) if v is not None}
    return {"index": index, **({"id": identity} if identity else {}), "function": function}


STOP = delta("stop")


async def test_a_conversation_is_sent_in_full(provider, ask, say, talk, collect):
    provider.streams(STOP)
    request = ask(
        "gpt-4.1",
        *talk(ThinkingBlock(thinking="private")),
        say("agent", "Warm."),
        say("user", "Thanks"),
        system_prompt="Be brief.",
        tools=[WEATHER],
        parallel_tool_calls=False,
    )

    await collect(ChatCompletionsDriver(provider.wire()), request)

    assert provider.requests[0].path == "/v1/chat/completions"
    assert provider.requests[0].headers["authorization"] == "Bearer sk-test-secret-0001"
    assert provider.bodies == [
        {
            "model": "gpt-4.1",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Look"},
                        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
                        {
                            "type": "image_url",
                            "image_url": {"url": f"data:image/png;base64,{PIXEL}"},
                        },
                    ],
                },
                {
                    "role": "assistant",
                    "content": "Let me see.",
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city":"Rome"}'},
                        },
                        {
                            "id": "call_2",
                            "type": "function",
                            "function": {"name": "weather", "arguments": "{}"},
                        },
                    ],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": '{"c":21}'},
                {"role": "tool", "tool_call_id": "call_2", "content": '{"error":"No city."}'},
                {"role": "assistant", "content": "Warm."},
                {"role": "user", "content": "Thanks"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "weather",
                        "description": "Tell it.",
                        "parameters": {"type": "object", "properties": {}},
                    },
                }
            ],
            "parallel_tool_calls": False,
        }
    ]


async def test_parallel_calls_are_not_mentioned_without_tools(provider, ask, collect):
    provider.streams(STOP)

    await collect(ChatCompletionsDriver(provider.wire()), ask("gpt-4.1", parallel_tool_calls=False))

    assert "parallel_tool_calls" not in provider.bodies[0]


@pytest.mark.parametrize(
    ("model", "effort", "tools", "sent"),
    [
        ("gpt-5", "low", (), "low"),
        ("gpt-5", None, (), None),
        ("gpt-4.1", "low", (), None),  # it does not reason
        ("a-local-model", "high", (), "high"),  # nobody knows
        ("gpt-6.1-terra", "high", (), "high"),
        ("gpt-6.1-terra", None, (WEATHER,), "none"),  # this wire takes no other with tools
        ("gpt-6.1-terra", "high", (WEATHER,), "high"),  # its refusal says so to whoever asks
    ],
)
async def test_effort_goes_to_models_that_reason(
    provider, ask, collect, model, effort, tools, sent
):
    provider.streams(STOP)

    await collect(ChatCompletionsDriver(provider.wire()), ask(model, effort=effort, tools=tools))

    assert provider.bodies[0].get("reasoning_effort") == sent


async def test_text_reasoning_and_refusals_become_deltas(provider, ask, collect):
    provider.streams(
        delta(role="assistant", content=""),
        delta(reasoning_content="Hm"),
        delta(reasoning=", well"),
        delta(content="Hi"),
        delta(refusal=" no"),
        STOP,
        b"data: [DONE]\n\n",
    )

    chunks = await collect(ChatCompletionsDriver(provider.wire()), ask("gpt-4.1"))

    assert chunks[:-1] == [
        ReasoningDelta("Hm"),
        ReasoningDelta(", well"),
        TextDelta("Hi"),
        TextDelta(" no"),
    ]
    assert chunks[-1].thinking_blocks == [
        ThinkingBlock(thinking="Hm, well", field="reasoning_content")
    ]


async def test_parallel_calls_grow_side_by_side(provider, ask, collect):
    provider.streams(
        delta(tool_calls=[call(0, "call_a", "weather", ""), call(1, "call_b", "clock", "")]),
        delta(tool_calls=[call(1, None, None, '{"zone"')]),
        delta(tool_calls=[call(0, None, None, '{"city":')]),
        delta(tool_calls=[call(1, None, None, ':"UTC"}'), call(0, None, None, '"Rome"}')]),
        delta("tool_calls"),
    )

    answer = (await collect(ChatCompletionsDriver(provider.wire()), ask("gpt-4.1")))[-1]

    assert [(c.id, c.name, c.arguments) for c in answer.tool_calls] == [
        ("call_a", "weather", {"city": "Rome"}),
        ("call_b", "clock", {"zone": "UTC"}),
    ]
    assert answer.finish_reason == "tool_calls"


async def test_calls_that_share_an_index_are_told_apart_by_their_ids(provider, ask, collect):
    provider.streams(
        delta(tool_calls=[call(0, "call_a", "weather", "{}")]),
        delta(tool_calls=[call(0, "call_b", "clock", "{}")]),
        STOP,
    )

    answer = (await collect(ChatCompletionsDriver(provider.wire()), ask("gpt-4.1")))[-1]

    assert [c.name for c in answer.tool_calls] == ["weather", "clock"]
    assert answer.finish_reason == "tool_calls"


async def test_ids_that_are_missing_or_taken_are_made_up(provider, ask, say, collect):
    provider.streams(
        delta(tool_calls=[call(0, "call_0", "weather", "{}"), call(1, None, "clock", "{}")]),
        delta("tool_calls"),
    )
    earlier = say("agent", ToolCallPart(id="call_0", name="weather"))
    result = say("tool_result", ToolResultPart(tool_call_id="call_0", result=1))
    request = ask("gpt-4.1", say("user", "hi"), earlier, result)

    answer = (await collect(ChatCompletionsDriver(provider.wire()), request))[-1]

    ids = [c.id for c in answer.tool_calls]
    assert len({"call_0", *ids}) == 3
    assert all(ids)


@pytest.mark.parametrize("arguments", ['{"city": "Ro', "[1]", "rome"])
async def test_arguments_that_are_no_object_are_kept_as_they_came(
    provider, ask, collect, arguments
):
    provider.streams(
        delta(tool_calls=[call(0, "call_a", "weather", arguments)]), delta("tool_calls")
    )

    answer = (await collect(ChatCompletionsDriver(provider.wire()), ask("gpt-4.1")))[-1]

    assert answer.tool_calls[0].arguments == {}
    assert list(answer.refused_calls) == ["call_a"]


async def test_usage_comes_after_the_end_and_counts_the_cache(provider, ask, collect):
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 64},
    }
    provider.streams(
        delta(content="Hi"), STOP, {"choices": [], "usage": usage, "model": "gpt-4.1-2025-04-14"}
    )

    answer = (await collect(ChatCompletionsDriver(provider.wire()), ask("gpt-4.1")))[-1]

    assert answer.usage.input_tokens == 100
    assert answer.usage.cache_read_tokens == 64
    assert answer.model == "gpt-4.1-2025-04-14"


async def test_it_is_told_that_a_model_begins(provider, ask):
    usage = {"prompt_tokens": 100, "completion_tokens": 5}
    provider.streams(delta(content=""), delta(content="Hi"), STOP, {"choices": [], "usage": usage})

    chunks = [
        chunk async for chunk in ChatCompletionsDriver(provider.wire()).stream(ask("gpt-4.1"))
    ]

    assert chunks[:-1] == [
        UsageSoFar(Usage()),
        TextDelta("Hi"),
        UsageSoFar(Usage(input_tokens=100, output_tokens=5)),
    ]


@pytest.mark.parametrize(
    "event",
    [
        b"data: {nonsense\n\n",
        {"choices": [{"delta": {"content": [7]}}]},
        {"choices": [7]},
        {"choices": 7},
    ],
)
async def test_nonsense_in_a_stream_is_not_asked_for_again(provider, ask, collect, event):
    provider.streams(delta(content="Hi"), event, STOP)

    with pytest.raises(ModelFailure, match="invalid data"):
        await collect(ChatCompletionsDriver(provider.wire()), ask("gpt-4.1"))


async def test_a_stream_without_an_end_broke_off(provider, ask, collect):
    provider.streams(delta(content="Hi"))

    with pytest.raises(ProviderUnavailable, match="broke off"):
        await collect(ChatCompletionsDriver(provider.wire()), ask("gpt-4.1"))


async def test_closing_the_stream_closes_the_connection(provider, ask):
    answer = provider.streams(delta(content="Hi"), ends=False)

    chunks = ChatCompletionsDriver(provider.wire()).stream(ask("gpt-4.1"))
    await anext(chunks)
    await chunks.aclose()

    async with asyncio.timeout(PATIENCE_S):
        await answer.abandoned.wait()


async def test_names_and_ids_from_other_providers_are_sent_in_an_accepted_form(
    provider, ask, say, collect
):
    provider.streams(STOP)
    odd = "functions.weather:0" + "x" * 100
    request = ask(
        "gpt-4.1",
        say("user", "hi"),
        say("agent", ToolCallPart(id=odd, name="functions.weather")),
        say("tool_result", ToolResultPart(tool_call_id=odd, result="ok")),
    )

    await collect(ChatCompletionsDriver(provider.wire()), request)

    sent = provider.bodies[0]["messages"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"]
    assert len(sent[2]["tool_call_id"]) <= 40
    assert sent[1]["tool_calls"][0]["function"]["name"] == "functions_weather_ca68fc13"


async def test_listed_models_come_in_the_providers_order(provider):
    provider.sends([b'{"data": [{"id": "b"}, {"id": "a"}, {"id": ""}]}'])

    listed = await ChatCompletionsDriver(provider.wire()).list_models()

    assert [model.model_id for model in listed] == ["b", "a"]
