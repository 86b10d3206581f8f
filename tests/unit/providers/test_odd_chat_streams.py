"""Streams of Chat Completions as real servers send them that nobody's reference describes.

Each case was reported by users of the servers named in docs/providers.md or of gateways to them.
"""

import json

import pytest

from everruns.providers.base import ReasoningDelta
from everruns.providers.chat_completions import ChatCompletionsDriver
from everruns.turn_failures import ContextTooLong, ModelFailure

ADDED = {"a": 1, "b": 2}
TEXT = json.dumps(ADDED)
DONE = b"data: [DONE]\n\n"


def delta(finish_reason=None, **fields):
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def piece(index, identity=None, name=None, arguments=None, **more):
    call = {"index": index, "id": identity, "function": {"name": name, "arguments": arguments}}
    return delta(tool_calls=[{**call, **more}])


def line(event):
    return b"data: " + json.dumps(event).encode()


CALLED = delta("tool_calls")
STOP = delta("stop")


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([piece(0, "c", "add", "{}"), piece(0, arguments=TEXT)], id="{} before"),
        pytest.param([piece(0, "c", "add", {}), piece(0, arguments=TEXT)], id="an object before"),
        pytest.param([piece(0, "c", "add", TEXT), piece(0, "c", arguments=TEXT)], id="twice"),
        pytest.param([piece(0, "c", "add<|channel|>commentary", TEXT)], id="a mark in the name"),
        pytest.param([piece(None, "c", "add", TEXT)], id="no index"),
        pytest.param([delta(tool_calls=[None]), piece(0, "c", "add", TEXT)], id="a null"),
        pytest.param(
            [
                delta(
                    tool_calls=[{"function": {"name": "add", "arguments": TEXT}}],
                    function_call={"name": "add", "arguments": TEXT},
                )
            ],
            id="under its old name too",
        ),
        pytest.param([piece(0, "c", "add", TEXT, extra_content="odd")], id="odd extras"),
    ],
)
async def test_one_call_is_read_whatever_its_pieces(read, events):
    _, answer = await read(ChatCompletionsDriver, *events, CALLED, DONE)

    assert [(call.name, call.arguments) for call in answer.tool_calls] == [("add", ADDED)]
    assert answer.refused_calls == {}


async def test_pieces_without_an_index_go_by_their_ids(read):
    _, answer = await read(
        ChatCompletionsDriver,
        piece(None, "c1", "add", '{"a":1,'),
        piece(None, "c2", "weather", "{"),
        piece(None, "c1", None, '"b":2}'),
        piece(None, "c2", None, "}"),
        CALLED,
        DONE,
    )

    assert [call.arguments for call in answer.tool_calls] == [ADDED, {}]


async def test_different_arguments_in_a_row_are_not_guessed_from(read):
    _, answer = await read(
        ChatCompletionsDriver,
        piece(0, "c", "add", TEXT),
        piece(0, arguments='{"a":3}'),
        CALLED,
        DONE,
    )

    assert "not a JSON object" in answer.refused_calls["c"]


async def test_arguments_nested_too_deeply_are_refused(read):
    arguments = '{"a":' + "[" * 300 + "]" * 300 + "}"
    _, answer = await read(ChatCompletionsDriver, piece(0, "c", "add", arguments), CALLED, DONE)

    assert "100 levels" in answer.refused_calls["c"]


@pytest.mark.parametrize("index", [b"1e400", b"-1e400"])
async def test_an_index_that_is_no_number_tells_nothing(read, index):
    call = b'{"index":%b,"id":"c","function":{"name":"add","arguments":"{}"}}' % index
    event = b'data: {"choices":[{"delta":{"tool_calls":[%b]}}]}\n\n' % call

    _, answer = await read(ChatCompletionsDriver, event, CALLED, DONE)

    assert [call.name for call in answer.tool_calls] == ["add"]


async def test_what_litellm_attaches_to_a_call_is_kept(read):
    attached = {"thought_signature": "c2ln"}
    _, answer = await read(
        ChatCompletionsDriver,
        piece(0, "c", "add", TEXT, provider_specific_fields=attached),
        CALLED,
        DONE,
    )

    block = answer.thinking_blocks[0]
    assert (block.item, block.on_call) == ({"provider_specific_fields": attached}, 0)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("tool-calls", "tool_calls"),
        ("function_calls", "tool_calls"),
        ("FinishReason.STOP", "tool_calls"),
        ("eot_id", "tool_calls"),
        ("max_new_tokens", "length"),
        ("token_limit", "length"),
    ],
)
async def test_finish_reasons_have_many_names(read, said, meant):
    _, answer = await read(ChatCompletionsDriver, piece(0, "c", "add", TEXT), delta(said), DONE)

    assert answer.finish_reason == meant


@pytest.mark.parametrize("said", ["failed", "upstream_error", "unexpected_tool_call", "unknown"])
async def test_a_broken_answer_is_no_empty_success(read, said):
    with pytest.raises(ModelFailure):
        await read(ChatCompletionsDriver, delta(said), DONE)


@pytest.mark.parametrize("said", ["null", "stop"])
async def test_every_piece_may_call_itself_the_last(read, monkeypatch, said):
    monkeypatch.setattr("everruns.providers.streaming.END_PATIENCE_S", 1.0)
    text, _ = await read(
        ChatCompletionsDriver, *(delta(said, content=word) for word in ("One ", "two.")), STOP, DONE
    )

    assert text == "One two."


@pytest.mark.parametrize(
    "content",
    [
        {"type": "text", "text": "hi"},
        [None, {"type": "text", "text": "hi"}],
        [{"type": "text", "text": {"value": "hi"}}],
        ["h", "i"],
    ],
)
async def test_content_has_many_forms(read, content):
    text, _ = await read(ChatCompletionsDriver, delta(content=content), STOP, DONE)

    assert text == "hi"


async def test_events_may_come_in_a_list(read):
    stream = b"data: " + json.dumps([delta(content="hi"), None, STOP]).encode() + b"\n\n"

    text, _ = await read(ChatCompletionsDriver, stream)

    assert text == "hi"


async def test_a_place_in_a_queue_is_no_error(read):
    waits = {"status": "queued", "message": "There are 3 before you."}

    text, _ = await read(ChatCompletionsDriver, waits, delta(content="hi"), STOP, DONE)

    assert text == "hi"


async def test_two_choices_are_one_answer(read):
    call = {"id": "c", "function": {"name": "add", "arguments": TEXT}}
    choices = [
        {"message": {"content": "I add."}, "finish_reason": "tool_calls"},
        {"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"},
        None,
    ]
    text, answer = await read(ChatCompletionsDriver, {"choices": choices})

    assert (text, len(answer.tool_calls)) == ("I add.", 1)


async def test_a_message_after_its_own_deltas_adds_only_its_calls(read):
    call = {"id": "c", "function": {"name": "add", "arguments": TEXT}}
    message = {"content": "I add.", "tool_calls": [call]}
    text, answer = await read(
        ChatCompletionsDriver,
        delta(content="I add."),
        {"choices": [{"delta": {}, "message": message, "finish_reason": "tool_calls"}]},
        DONE,
    )

    assert (text, len(answer.tool_calls)) == ("I add.", 1)


async def test_reasoning_may_come_in_its_details_alone(provider, ask, collect):
    details = [{"type": "reasoning.text", "text": "Hm.", "index": 0}]
    provider.streams(delta(reasoning_details=details), delta(content="Yes"), STOP, DONE)

    chunks = await collect(ChatCompletionsDriver(provider.wire()), ask("m"))

    assert chunks[0] == ReasoningDelta("Hm.")


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"\n".join(map(line, (delta(content="hi"), STOP))) + b"\ndata: [DONE]\n"),
        pytest.param(b"\n".join(json.dumps(e).encode() for e in (delta(content="hi"), STOP))),
    ],
    ids=["no blank lines", "lines of JSON"],
)
async def test_events_may_stand_in_a_line_each(read, stream):
    text, _ = await read(ChatCompletionsDriver, stream)

    assert text == "hi"


@pytest.mark.parametrize(
    "stream",
    [
        b'error: {"code":400,"message":"the REASON","type":"invalid_request_error"}\n\n',
        b"event: error\ndata: the REASON\n\n",
        b'event: error\ndata: {"message":"the REASON"}\n\n',
        b"data: error: the REASON\n\n",
        b': hello\n\n{"error":{"message":"the REASON"}}',
        b'data: {"choices":null,"base_resp":{"status_code":1008,"status_msg":"the REASON"}}\n\n',
        b'data: {"Response":{"Error":{"Code":"AuthFailure","Message":"the REASON"}}}\n\n',
        b'data: {"choices":[{"delta":{},"error":{"message":"the REASON"}}]}\n\n',
        b'data: {"error":{"status":"NEW","the REASON":1}}\n\n',
    ],
)
@pytest.mark.parametrize("driver", [ChatCompletionsDriver])
async def test_errors_within_streams_are_quoted(read, driver, stream):
    with pytest.raises(ModelFailure, match="the REASON"):
        await read(driver, stream)


async def test_an_error_in_a_field_of_its_own_is_understood(read):
    error = b'error: {"code":400,"message":"request exceeds the available context size"}\n\n'

    with pytest.raises(ContextTooLong):
        await read(ChatCompletionsDriver, error)
