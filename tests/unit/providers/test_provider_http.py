"""Event streams, failures and secrets, as every HTTP driver handles them."""

import asyncio
import time
import tracemalloc
from contextlib import aclosing
from email.utils import formatdate
from itertools import repeat

import pytest
from pydantic import SecretStr

from everruns.domain.base import MIB
from everruns.providers import http
from everruns.providers.connections import Connections
from everruns.providers.failures import read_retry_after_s
from everruns.providers.http import Wire
from everruns.turn_failures import (
    ContextTooLong,
    ModelFailure,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from tests.waiting import PATIENCE_S


def unconnected(**details) -> Wire:
    return Wire("fake", "https://fake.test", 5, Connections(), **details)


async def payloads_of(wire: Wire) -> list[bytes]:
    return [payload async for payload in wire.post("/x", {})]


async def test_the_last_event_needs_no_blank_line(provider):
    provider.sends([b"data: one\n\n", b"data: [DONE]"])

    assert await payloads_of(provider.wire()) == [b"one", b"[DONE]"]


async def test_an_endless_line_is_refused(provider, monkeypatch):
    monkeypatch.setattr(http, "MAX_EVENT_BYTES", 1000)
    answer = provider.sends(repeat(b"data: " + b"x" * 1000))

    with pytest.raises(ModelFailure, match="larger"):
        await payloads_of(provider.wire())
    async with asyncio.timeout(PATIENCE_S):
        await answer.abandoned.wait()


@pytest.mark.parametrize("line", [b"data:a\n", b"data:\n"])
async def test_an_event_of_endless_lines_is_refused(provider, monkeypatch, line):
    monkeypatch.setattr(http, "MAX_EVENT_BYTES", MIB)
    answer = provider.sends(repeat(line * 10_000))

    tracemalloc.start()
    try:
        with pytest.raises(ModelFailure, match="larger"):
            await payloads_of(provider.wire())
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # A buffer that grows is copied now and then.
    assert peak_bytes < 4 * MIB
    async with asyncio.timeout(PATIENCE_S):
        await answer.abandoned.wait()


async def test_an_endless_answer_is_refused(provider, monkeypatch):
    monkeypatch.setattr(http, "MAX_STREAM_BYTES", 1000)
    provider.sends(repeat(b"data: x\n\n" * 100))

    with pytest.raises(ModelFailure, match="larger"):
        await payloads_of(provider.wire())


async def test_an_endless_error_is_refused(provider, monkeypatch):
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 1000)
    provider.sends(repeat(b"x" * 1000), status=400)

    with pytest.raises(ModelFailure, match="1000 bytes"):
        await payloads_of(provider.wire())


async def test_leaving_a_stream_ends_the_request(provider):
    answer = provider.sends([b"data: x\n\n"], ends=False)

    async with aclosing(provider.wire().post("/x", {})) as payloads:
        await anext(payloads)

    async with asyncio.timeout(PATIENCE_S):
        await answer.abandoned.wait()


@pytest.mark.parametrize(
    ("status", "error", "failure"),
    [
        (400, {"message": "bad"}, ProviderRejected),
        (401, {"message": "bad key"}, ProviderUnauthorized),
        (402, {"message": "pay"}, ProviderRejected),
        (403, {"message": "not you"}, ProviderUnauthorized),
        (404, {"message": "no such model"}, ProviderRejected),
        (408, {"message": "slow"}, ProviderUnavailable),
        (409, {"message": "conflict"}, ProviderUnavailable),
        (413, {"type": "request_too_large"}, ContextTooLong),
        (413, {"code": "rate_limit_exceeded", "message": "tokens per minute"}, ContextTooLong),
        (429, {"message": "slow down"}, ProviderRateLimited),
        (429, {"code": "insufficient_quota"}, ProviderRejected),
        (500, "plain words", ProviderUnavailable),
        (529, {"type": "overloaded_error"}, ProviderUnavailable),
        (307, {"message": "elsewhere"}, ProviderRejected),
        (400, {"code": "context_length_exceeded"}, ContextTooLong),
        (400, {"message": "prompt is too long: 9 tokens > 8 maximum"}, ContextTooLong),
        (400, {"type": "exceed_context_size_error"}, ContextTooLong),
        (400, {"message": "max_tokens must be at least 1, got -152."}, ContextTooLong),
        (400, {"message": "Prompt exceeds max length"}, ContextTooLong),
        (400, {"message": "Input too long. Max 4096"}, ContextTooLong),
        (422, {"message": "Prompt length (9) exceeds maximum input length (8)"}, ContextTooLong),
        (400, {"message": "litellm.ContextWindowExceededError: no"}, ContextTooLong),
        (500, {"message": "context shift is disabled"}, ContextTooLong),
        (400, {"message": "API key not valid. Please pass a valid API key."}, ProviderUnauthorized),
        (400, {"message": "Incorrect API key provided: xa***."}, ProviderUnauthorized),
        (500, {"message": "cannot identify image file <_io.BytesIO>"}, ProviderRejected),
        (None, {"type": "overloaded_error"}, ProviderUnavailable),
        (None, {"type": "rate_limit_error"}, ProviderRateLimited),
        (None, {"type": "invalid_request_error", "code": "invalid_api_key"}, ProviderUnauthorized),
        (None, {"type": "invalid_request_error"}, ProviderRejected),
        (None, {"code": 429, "message": "upstream"}, ProviderRateLimited),
        (None, {"type": "never seen"}, ProviderUnavailable),
        (None, None, ProviderUnavailable),
    ],
)
def test_an_error_has_one_meaning(status, error, failure):
    wire = unconnected()

    assert type(wire.failure(error, status)) is failure


async def test_an_answer_that_is_no_stream_is_not_asked_for_again(provider):
    provider.sends([b"<html>"], content_type="text/html")

    with pytest.raises(ModelFailure, match="not an event stream") as raised:
        await payloads_of(provider.wire())
    assert not raised.value.retryable


async def test_a_document_in_place_of_a_stream_is_one_event(provider):
    provider.sends([b'\n{"a":', b" 1}\n"], content_type="application/json")

    assert await payloads_of(provider.wire()) == [b'{"a": 1}\n']


@pytest.mark.parametrize("status", [400, 401, 429, 500, None])
@pytest.mark.parametrize(
    "echo",
    [
        "Incorrect API key provided: sk-test-secret-0001.",
        "Incorrect API key provided: sk-test********0001.",
        "Header was Bearer sk-test-secret-0001",
    ],
)
def test_a_key_never_shows_in_a_message(status, echo):
    wire = unconnected(api_key=SecretStr("sk-test-secret-0001"))

    failure = wire.failure({"type": "x", "message": echo}, status)

    assert "0001" not in str(failure)
    assert "secret" not in repr(wire)


@pytest.mark.parametrize("key", ["sk-secret-ü", "sk-secret\nx", "sk-\x00secret"])
async def test_a_key_that_cannot_be_sent_is_refused_without_quoting_it(provider, key):
    with pytest.raises(ProviderUnauthorized) as raised:
        await payloads_of(provider.wire(api_key=SecretStr(key)))

    assert "secret" not in str(raised.value)
    assert provider.requests == []


async def test_a_missing_key_is_told_before_anything_is_sent(provider):
    with pytest.raises(ProviderUnauthorized, match="has no API key"):
        await payloads_of(provider.wire(api_key=None))
    assert provider.requests == []


async def test_a_server_of_ones_own_needs_no_key(provider):
    provider.sends([b"data: x\n\n"])

    await payloads_of(provider.wire(api_key=None, key_required=False))

    assert "authorization" not in provider.requests[0].headers


def test_a_wait_is_read_as_seconds():
    assert read_retry_after_s({"retry-after": "2.5"}) == 2.5


def test_a_wait_is_read_as_a_date():
    date = formatdate(time.time() + 60, usegmt=True)

    assert 55 < (read_retry_after_s({"retry-after": date}) or 0) <= 60


@pytest.mark.parametrize("text", ["", "soon", "nan", "-5", "1e400"])
def test_a_wait_that_makes_no_sense_is_no_wait(text):
    assert read_retry_after_s({"retry-after": text}) is None


def test_no_wait_is_longer_than_an_hour():
    assert read_retry_after_s({"retry-after": "999999"}) == 3600


def test_every_failure_says_what_to_do():
    wire = unconnected()

    for status in (400, 401, 413, 429, 500):
        failure = wire.failure({"message": "x" * 5000}, status)
        assert isinstance(failure, ModelFailure)
        assert len(failure.message) < 800
        assert failure.message.endswith(".")
