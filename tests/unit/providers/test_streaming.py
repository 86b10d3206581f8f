"""What holds for every streamed answer: its bytes, its ends, and what is asked again."""

import asyncio

import pytest

from everruns.domain.controls import AnswerControls
from everruns.domain.messages import ImagePart, ThinkingBlock, ToolCallPart, ToolResultPart
from everruns.domain.tools import ToolDefinition
from everruns.providers import streaming
from everruns.providers.base import ReasoningDelta, TextDelta
from everruns.providers.chat_completions import ChatCompletionsDriver
from everruns.providers.dialects import DIALECTS
from everruns.turn_failures import (
    ContextTooLong,
    ModelFailure,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
)
from tests.odd_images import PIXEL
from tests.waiting import PATIENCE_S

NOW = ToolDefinition(name="now", description="Tell it.", parameters={})
IMAGE = ImagePart(base64=PIXEL, media_type="image/png")
DONE = b"data: [DONE]\n\n"


def delta(finish_reason=None, **fields):
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


STOP = delta("stop")


@pytest.fixture
def answer(provider, ask, collect):
    """Return the chunks of an answer to a request, by default to a greeting."""

    async def gather(request=None):
        driver = ChatCompletionsDriver(provider.wire())
        return await collect(driver, request or ask("m"))

    return gather


def text_of(chunks) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


@pytest.mark.parametrize(
    "start",
    [
        b"\xef\xbb\xbf",
        b"\n\n\r\n",
        b": OPENROUTER PROCESSING\n\n",
        b"event: message\nid: 1\nretry: 10\n",
        b"data:\n\n",
        b"data: null\n\n",
        b"data: ping\n\n",
        b'data: {"choices": []}\n\n',
        b'data: {"choices": null, "usage": null}\n\n',
        b'data: {"prompt_filter_results": [], "model": ""}\n\n',
    ],
)
async def test_what_comes_before_an_answer_is_passed_over(provider, answer, start):
    provider.streams(start, delta(content="Hi"), STOP, DONE)

    assert text_of(await answer()) == "Hi"


@pytest.mark.parametrize(
    "event",
    [
        b'data:{"choices":[{"delta":{"content":"Hi"}}]}\n\n',
        b'data: data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"Hi"}}]}\r\n\r\n',
        b'data: {"choices":[{"delta":{"content":"Hi"}}]}\r\r',
        b'data: {"choices":\ndata: [{"delta":{"content":"Hi"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"Hi"},"logprobs":NaN}]}\n\n',
    ],
)
async def test_events_are_read_however_they_are_framed(provider, answer, event):
    provider.streams(event, STOP, DONE)

    assert text_of(await answer()) == "Hi"


@pytest.mark.parametrize("content_type", ["text/event-stream", "text/plain", ""])
async def test_a_stream_is_known_by_its_content(provider, answer, content_type):
    provider.streams(delta(content="Hi"), STOP).headers["content-type"] = content_type

    assert text_of(await answer()) == "Hi"


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_a_whole_answer_in_place_of_a_stream_counts(provider, answer, content_type):
    call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Hi", "tool_calls": [call]}
    whole = {
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    provider.streams(whole).headers["content-type"] = content_type

    chunks = await answer()

    assert text_of(chunks) == "Hi"
    assert [call.name for call in chunks[-1].tool_calls] == ["now"]
    assert chunks[-1].usage.output_tokens == 4


async def test_characters_that_are_cut_in_half_are_joined(provider, answer):
    first = rb'data: {"choices":[{"delta":{"content":"A\ud83d","reasoning":"\ud83d"}}]}' + b"\n\n"
    second = rb'data: {"choices":[{"delta":{"content":"\ude42B","reasoning":"\ude42"}}]}' + b"\n\n"
    provider.streams(first, second, STOP)

    chunks = await answer()

    assert text_of(chunks) == "A🙂B"
    assert [chunk.text for chunk in chunks if isinstance(chunk, ReasoningDelta)] == ["🙂"]


async def test_bytes_that_are_no_text_lose_nothing_else(provider, answer):
    provider.streams(b'data: {"choices":[{"delta":{"content":"A\xffB"}}]}\n\n', STOP)

    assert text_of(await answer()) == "A\N{REPLACEMENT CHARACTER}B"


async def test_heartbeats_after_the_end_do_not_keep_an_answer_open(provider, answer, monkeypatch):
    monkeypatch.setattr(streaming, "END_PATIENCE_S", 0.2)
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    sent = provider.streams(delta(content="Hi"), STOP, b": keep-alive\n\n", usage, ends=False)

    async with asyncio.timeout(PATIENCE_S):
        chunks = await answer()
        await sent.abandoned.wait()

    assert text_of(chunks) == "Hi"
    assert chunks[-1].usage.output_tokens == 4


@pytest.mark.parametrize("after", [b'data: {"choi', b"data: {nonsense\n\n", {"error": "late"}])
async def test_what_breaks_after_the_end_does_not_matter(provider, answer, after):
    provider.streams(delta(content="Hi"), STOP, after)

    assert text_of(await answer()) == "Hi"


async def test_done_is_an_end_of_what_has_come(provider, answer):
    provider.streams(delta(content="Hi"), DONE, ends=False)

    async with asyncio.timeout(PATIENCE_S):
        assert text_of(await answer()) == "Hi"


async def test_nothing_but_an_end_is_no_answer(provider, answer):
    provider.streams(DONE)

    with pytest.raises(ModelFailure, match="without an answer") as raised:
        await answer()
    assert not raised.value.retryable


async def test_a_stream_without_an_end_broke_off(provider, answer):
    provider.streams(delta(content="Hi"), {"choices": [], "usage": {"prompt_tokens": 1}})

    with pytest.raises(ProviderUnavailable, match="broke off"):
        await answer()


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "the reason"}},
        {"choices": None, "error_message": "the reason"},
        {"object": "error", "message": "the reason", "code": 500},
        {"choices": [{"delta": {}, "finish_reason": "error"}], "error": {"message": "the reason"}},
        {"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": "the reason"}}]},
        b'event: error\ndata: {"error": "the reason"}\n\n',
        b'data: [{"error": {"message": "the reason"}}]\n\n',
        b'data: {"message": "the reason", "type": "server_error"}\n\n',
    ],
)
async def test_an_error_in_the_stream_ends_it_with_its_reason(provider, answer, error):
    provider.streams(delta(role="assistant"), error, DONE)

    with pytest.raises(ModelFailure, match="the reason"):
        await answer()


@pytest.mark.parametrize(
    "choice",
    [
        {"delta": {}, "finish_reason": "error"},
        {"delta": {}, "finish_reason": "stop", "native_finish_reason": "network_error"},
        {"delta": {}, "finish_reason": "MALFORMED_FUNCTION_CALL"},
        {"delta": {}, "finish_reason": "insufficient_system_resource"},
        {"delta": {}, "finish_reason": "abort"},
    ],
)
async def test_an_answer_that_broke_by_its_own_word_is_a_failure(provider, answer, choice):
    provider.streams({"choices": [choice]}, DONE)

    with pytest.raises(ProviderUnavailable):
        await answer()


# What is asked again


async def test_a_field_that_a_server_refuses_is_left_out_from_then_on(provider, ask, collect):
    provider.sends([b'{"detail": "stream_options: extra inputs are not permitted"}'], 422)
    provider.streams(delta(content="Hi"), STOP)
    provider.streams(delta(content="Hi"), STOP)
    driver = ChatCompletionsDriver(provider.wire())

    await collect(driver, ask("m"))
    await collect(driver, ask("m"))

    assert ["stream_options" in body for body in provider.bodies] == [True, False, False]


async def test_fields_that_are_refused_without_a_name_are_left_out_together(provider, ask, answer):
    provider.refuses(400, {"message": "Unknown parameter in the request.", "type": "x"})
    provider.streams(STOP)

    await answer(ask("m", tools=[NOW], parallel_tool_calls=True))

    assert not provider.bodies[1].keys() & {"stream_options", "parallel_tool_calls"}
    assert "tools" in provider.bodies[1]


async def test_what_the_user_asked_for_is_never_left_out(provider, ask, collect):
    provider.refuses(400, {"message": "reasoning_effort is not supported.", "type": "x"})

    with pytest.raises(ProviderRejected, match="reasoning_effort"):
        await collect(ChatCompletionsDriver(provider.wire()), ask("m", effort="low"))


async def test_reasoning_that_is_refused_is_left_out(provider, ask, say, answer):
    provider.refuses(400, {"message": "reasoning_content is not a known field", "type": "x"})
    provider.streams(STOP)
    thought = ThinkingBlock(thinking="Hm", field="reasoning_content")
    call = ToolCallPart(id="c1", name="now")
    result = ToolResultPart(tool_call_id="c1", result="noon")

    await answer(
        ask(
            "m",
            say("user", "hi"),
            say("agent", call, thoughts=[thought]),
            say("tool_result", result),
        )
    )

    answers = [body["messages"][1] for body in provider.bodies]
    assert ["reasoning_content" in said for said in answers] == [True, False]


@pytest.mark.parametrize(
    "reason", ["System role not supported", "Only user and assistant roles are supported!"]
)
async def test_a_prompt_that_has_no_place_is_told_with_the_first_message(
    provider, ask, collect, reason
):
    provider.refuses(400, {"message": reason, "type": "BadRequestError"})
    provider.streams(STOP)

    provider.streams(STOP)
    provider.streams(STOP)
    driver = ChatCompletionsDriver(provider.wire())

    for model in ("m", "m", "another"):
        await collect(driver, ask(model, system_prompt="Be brief."))

    told = [{"role": "user", "content": "Be brief.\n\nhi"}]
    assert [body["messages"] for body in provider.bodies[1:3]] == [told, told]
    assert provider.bodies[3]["messages"][0]["role"] == "system"


async def test_earlier_images_that_are_refused_are_left_out_and_told(provider, ask, say, answer):
    provider.refuses(400, {"message": "The image is too large.", "type": "x"})
    provider.streams(STOP)
    with_image = say("user", "look", IMAGE).model_copy(update={"id": "message_image"})

    chunks = await answer(ask("m", with_image, say("agent", "Hm."), say("user", "never mind")))

    assert "image_url" not in str(provider.bodies[1])
    assert "image" in provider.bodies[1]["messages"][0]["content"]
    assert chunks[-1].without_images == ("message_image",)


async def test_the_image_that_is_asked_about_is_not_left_out(provider, ask, say, answer):
    provider.refuses(400, {"message": "The image is too large.", "type": "x"})

    with pytest.raises(ProviderRejected, match="too large"):
        await answer(ask("m", say("user", "look", IMAGE)))


@pytest.mark.parametrize(("status", "failure"), [(429, ProviderRateLimited), (413, ContextTooLong)])
async def test_other_failures_are_not_asked_about_again(provider, answer, status, failure):
    provider.refuses(status, {"message": "stream_options", "type": "x"})

    with pytest.raises(failure):
        await answer()
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("dialect", "sent", "then"),
    [
        ("compatible", "max_tokens", "max_completion_tokens"),
        ("openai", "max_completion_tokens", "max_tokens"),
    ],
)
async def test_a_limit_that_is_refused_goes_under_its_other_name(
    provider, ask, collect, dialect, sent, then
):
    provider.refuses(400, {"message": f"Unsupported parameter: '{sent}'. Use another."})
    provider.streams({"choices": [{"delta": {"content": "Yes"}, "finish_reason": "length"}]})
    request = ask("m", controls=AnswerControls(max_output_tokens=9))

    await collect(ChatCompletionsDriver(provider.wire(), DIALECTS[dialect]), request)

    first, second = provider.bodies
    assert (first[sent], second[then]) == (9, 9)
    assert sent not in second


async def test_a_limit_that_is_too_high_is_not_sent_again(provider, ask, collect):
    provider.refuses(400, {"message": "max_tokens is too large: 9. At most 8 are supported"})
    request = ask("m", controls=AnswerControls(max_output_tokens=9))

    with pytest.raises(ModelFailure, match="too large"):
        await collect(ChatCompletionsDriver(provider.wire()), request)


async def test_a_redirect_is_told(provider, ask, collect):
    provider.sends([b""], 308, "text/plain", location="https://there.test/v1/")

    with pytest.raises(ModelFailure, match="it redirects to https"):
        await collect(ChatCompletionsDriver(provider.wire()), ask("m"))


async def test_an_error_in_place_of_a_list_of_models_is_told(provider):
    provider.sends([b'{"error": {"message": "the REASON"}}'], 200, "application/json")

    with pytest.raises(ModelFailure, match="the REASON"):
        await ChatCompletionsDriver(provider.wire()).list_models()


async def test_an_empty_account_is_no_matter_of_names(provider, ask, collect):
    provider.refuses(429, {"message": "You are out of quota", "code": "insufficient_quota"})

    with pytest.raises(ModelFailure, match="Check the account's credit"):
        await collect(ChatCompletionsDriver(provider.wire()), ask("m"))
