"""What is made of refusals, errors and broken streams of the Responses API."""

import asyncio

import pytest

from everruns.domain.messages import (
    ImagePart,
    ThinkingBlock,
)
from everruns.providers.base import TextDelta
from everruns.providers.responses import ResponsesDriver
from everruns.turn_failures import (
    ModelFailure,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
)
from tests.odd_images import PIXEL
from tests.response_events import (
    CREATED,
    MODEL,
    SEALED,
    completed,
    done,
    message,
    text,
)
from tests.waiting import PATIENCE_S


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
    image = ImagePart(base64=PIXEL, media_type="image/png")
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

    assert [model.model_id for model in await ResponsesDriver(provider.wire()).list_models()] == [
        "gpt-6-sol"
    ]
