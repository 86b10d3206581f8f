"""Errors in the forms in which known servers send them."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.providers.error_bodies import error_in, reason_in, retry_after_in, status_in, words_in
from everruns.providers.failures import failure_of
from everruns.turn_failures import (
    ContextTooLong,
    ModelFailure,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "detail", "code", "type", "metadata", "raw", "loc"]
            ),
            inner,
            max_size=4,
        )
    ),
)
RAW = orjson.dumps({"error": {"message": "the reason"}}).decode()


async def failure(provider, body: object, status: int) -> ModelFailure:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    provider.sends([content], status, "application/json")
    with pytest.raises(ModelFailure) as raised:
        async for _ in provider.wire().post("/x", {}):
            pass
    return raised.value


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "the reason", "type": "invalid_request_error", "code": None}},
        {"error": {"code": 404, "message": "the reason"}},
        [{"error": {"code": 400, "message": "the reason", "status": "INVALID_ARGUMENT"}}],
        {"object": "error", "type": "NotFound", "code": 404, "message": "the reason"},
        {"object": "error", "message": {"detail": [{"msg": "the reason", "loc": ["body"]}]}},
        {"object": "error", "message": '{"detail": [{"msg": "the reason"}]}'},
        {"type": "error", "error": {"type": "invalid_request_error", "message": "the reason"}},
        {"detail": "the reason"},
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "x"], "msg": "the reason"}]},
        {"detail": {"error": "the reason"}},
        {"error": "the reason"},
        {"code": "Client specified an invalid argument", "error": "the reason"},
        {"error": "the reason", "error_type": "validation"},
        {"message": "the reason"},
        {"error": {"message": "Provider returned error", "metadata": {"raw": RAW}}},
        {"error": {"message": "Provider returned error", "metadata": {"raw": "the reason"}}},
        {"errors": [{"message": "the reason"}]},
        {"error_message": "the reason"},
        {"statusCode": 400, "message": "the reason"},
        {"error": {"type": "x", "reason": "the reason"}},
        b"the reason\nand a trace",
        b"<!DOCTYPE html><html><head><title>the reason</title></head><body>x</body></html>",
        b"<html><body><h1>the reason</h1></body></html>",
        b"<?xml version='1.0'?><Error><Code>No</Code><Message>the reason</Message></Error>",
        b"the reason, \xff",
    ],
    ids=lambda body: str(body)[:60],
)
async def test_the_reason_is_quoted_whatever_the_form(provider, body):
    failed = await failure(provider, body, 400)

    assert "the reason" in failed.message
    assert failed.message.startswith("Provider fake answered with an error (400): ")


async def test_all_reasons_of_a_list_are_quoted_with_their_places(provider):
    detail = [
        {"loc": ["body", "tools"], "msg": "is not known"},
        {"loc": ["body", "seed"], "msg": "is not known"},
    ]

    failed = await failure(provider, {"detail": detail}, 422)

    assert "body.tools: is not known; body.seed: is not known." in failed.message


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"<html><body>Oops</body></html>", b"\0"])
async def test_an_error_without_a_reason_is_still_one(provider, body):
    assert isinstance(await failure(provider, body, 400), ProviderRejected)


@given(value=JSON)
def test_nothing_that_a_server_sends_breaks_the_reading(value):
    assert isinstance(reason_in(value), str)
    assert isinstance(words_in(value), list)
    assert isinstance(failure_of("fake", value, status_in(value)), ModelFailure)
    assert error_in(value) is None or retry_after_in(value) is None


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [{"delta": {"content": "error"}}], "error": None},
        {"type": "message", "content": [{"type": "text", "text": "error"}]},
        {"id": "chunk", "object": "chat.completion.chunk", "choices": []},
        {"type": "ping"},
        {"message": "hi"},
        {},
        [],
        7,
        None,
    ],
)
def test_what_is_no_error_is_not_taken_for_one(answer):
    assert error_in(answer) is None


TOO_LONG = (
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 8312.",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "Input tokens exceed the configured limit of 272000 tokens.",
    "prompt is too long: 213462 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 90402 + 116650 > 204648",
    "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
    "Input is too long for requested model.",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "Please reduce the length of the messages or completion.",
    "This endpoint's maximum context length is 32768 tokens. However, you requested about 42832.",
    "The prompt (total length 25938) is too long to fit into the model (context length 4096)",
    "The decoder prompt (length 5000) is longer than the maximum model length of 4096",
    "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens).",
    "The input (516368 tokens) is longer than the model's context length (262144 tokens).",
    "Requested token count exceeds the model's maximum context length of 4096 tokens.",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 32768. Given: 40000",
    "The prompt is too long: 140000, model maximum context length: 131071",
    "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
    "Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)",
    "model max length exceeded, max length:8192",
    "request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it",
    "the prompt is longer than the context length currently available to the model",
    "the input length exceeds the context length",
    "The number of tokens to keep from the initial prompt is greater than the context length",
    "Trying to keep the first 111490 tokens when context the overflows.",
    "However, the model is loaded with context length of only 32768 tokens",
    "Context size has been exceeded",
    "invalid params, context window exceeds limit",
    "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
    "prompt token count of 130000 exceeds the limit of 128000",
    "litellm.ContextWindowExceededError: too many tokens",
)


@pytest.mark.parametrize("words", TOO_LONG)
@pytest.mark.parametrize("status", [400, None])
def test_a_conversation_that_is_too_long_is_known_by_its_words(words, status):
    failed = failure_of("fake", {"message": words, "type": "invalid_request_error"}, status)

    assert type(failed) is ContextTooLong


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (429, {"code": "insufficient_quota", "message": "You exceeded …"}, ProviderRejected),
        (402, {"message": "Insufficient Balance"}, ProviderRejected),
        (400, {"message": "Your credit balance is too low to access the API."}, ProviderRejected),
        (429, {"error": "Your team has used all available credits."}, ProviderRejected),
        (403, {"type": "exceeded_current_quota_error"}, ProviderRejected),
        (429, {"message": "Rate limit reached. Please try again in 2s."}, ProviderRateLimited),
        (None, {"code": "RESOURCE_EXHAUSTED"}, ProviderRateLimited),
        (None, {"status": "UNAUTHENTICATED"}, ProviderUnauthorized),
        (None, {"code": "400", "message": "no"}, ProviderRejected),
        (500, {"message": "image input is not supported - mmproj is missing"}, ProviderRejected),
    ],
)
def test_what_fails_the_same_way_again_is_told_from_what_may_pass(status, error, kind):
    assert type(failure_of("fake", error, status)) is kind


def test_a_limit_of_the_minute_is_not_an_empty_account():
    error = {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}],
    }

    failed = failure_of("fake", error, 429)

    assert type(failed) is ProviderRateLimited
    assert failed.retry_after_s == 34.4


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Please try again in 2s.", 2),
        ("Please try again in 240ms.", 0.24),
        ("Please try again in 1m47.5s. Visit …", 107.5),
        ("Please retry in 34.4s.", 34.4),
        ("Please retry after 10s", 10),
        ("Try again later.", None),
    ],
)
def test_a_wait_is_read_from_the_words(words, seconds):
    assert retry_after_in({"error": {"message": words}}) == seconds
