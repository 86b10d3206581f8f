"""Event streams, failures and secrets, as every HTTP driver handles them."""

import asyncio
import time
from email.utils import formatdate
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from everruns.errors import (
    ContextTooLong,
    ModelFailure,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from everruns.providers import http
from everruns.providers.failures import read_retry_after_s
from everruns.providers.http import Wire, drain


def wire_to(handler, **details) -> Wire:
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    fields = {"api_key": SecretStr("sk-test-secret-0001"), **details}
    return Wire("fake", "https://fake.test/v1", 5, client=client, **fields)


async def payloads_of(wire: Wire) -> list[bytes]:
    async with wire.post("/x", {}) as payloads:
        return [payload async for payload in payloads]


STREAM = (
    ": a comment\r\n\r\n"
    'event: one\r\nid: 7\r\ndata: {"a":1}\r\n\r\n'
    'data:{"b":2}\n\n'
    "data: first\ndata: second\n\n"
    "retry: 100\n\n"
    "data: müde 🙂\n\n"
).encode()
PAYLOADS = [b'{"a":1}', b'{"b":2}', b"first\nsecond", "müde 🙂".encode()]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
async def test_a_stream_reads_the_same_wherever_the_network_cuts_it(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(edges)]

    async def body():
        for piece in pieces:
            yield piece

    headers = {"content-type": "text/event-stream; charset=utf-8"}
    wire = wire_to(lambda _: httpx.Response(200, headers=headers, content=body()))

    assert await payloads_of(wire) == PAYLOADS


async def test_the_last_event_needs_no_blank_line(provider):
    provider.sends(b"data: one\n\n", b"data: [DONE]")

    assert await payloads_of(provider.wire()) == [b"one", b"[DONE]"]


async def test_an_endless_line_is_refused(provider, monkeypatch):
    monkeypatch.setattr(http, "MAX_LINE_BYTES", 1000)
    body = provider.sends(*[b"data: " + b"x" * 100] * 100)

    with pytest.raises(ProviderUnavailable):
        await payloads_of(provider.wire())
    assert body.closed


async def test_an_endless_answer_is_refused(provider, monkeypatch):
    monkeypatch.setattr(http, "MAX_STREAM_BYTES", 1000)
    provider.sends(*[b"data: x\n\n"] * 1000)

    with pytest.raises(ProviderUnavailable):
        await payloads_of(provider.wire())


async def test_an_endless_error_is_refused(provider, monkeypatch):
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 1000)
    provider.refuses(400, {"message": "x" * 2000})

    with pytest.raises(ProviderUnavailable):
        await payloads_of(provider.wire())


async def test_leaving_the_block_closes_the_answer(provider):
    body = provider.sends(*[b"data: x\n\n"] * 10)

    async with provider.wire().post("/x", {}) as payloads:
        await anext(payloads)

    assert body.closed


async def test_what_follows_an_answer_is_not_waited_for():
    async def body():
        yield b"data: [DONE]\n\n"
        await asyncio.Event().wait()

    headers = {"content-type": "text/event-stream"}
    wire = wire_to(lambda _: httpx.Response(200, headers=headers, content=body()))

    async with asyncio.timeout(5), wire.post("/x", {}) as payloads:
        assert await anext(payloads) == b"[DONE]"
        await drain(payloads)


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
        (429, {"message": "slow down"}, ProviderRateLimited),
        (429, {"code": "insufficient_quota"}, ProviderRejected),
        (500, "plain words", ProviderUnavailable),
        (529, {"type": "overloaded_error"}, ProviderUnavailable),
        (307, {"message": "elsewhere"}, ProviderRejected),
        (400, {"code": "context_length_exceeded"}, ContextTooLong),
        (400, {"message": "prompt is too long: 9 tokens > 8 maximum"}, ContextTooLong),
        (400, {"type": "exceed_context_size_error"}, ContextTooLong),
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
    wire = Wire("fake", "https://fake.test", 5)

    assert type(wire.failure(error, status)) is failure


@pytest.mark.parametrize(
    ("problem", "failure"),
    [
        (httpx.ConnectError("no route"), ProviderUnavailable),
        (httpx.ConnectTimeout("slow"), ProviderUnavailable),
        (httpx.ReadTimeout("silent"), ProviderUnavailable),
        (httpx.ReadError("reset"), ProviderUnavailable),
        (httpx.RemoteProtocolError("garbage"), ProviderUnavailable),
        (httpx.UnsupportedProtocol("ftp"), ProviderRejected),
        (httpx.InvalidURL("what"), ProviderRejected),
    ],
)
async def test_a_network_fault_has_one_meaning(problem, failure):
    def fail(_):
        raise problem

    with pytest.raises(failure):
        await payloads_of(wire_to(fail))


async def test_an_answer_that_is_no_stream_is_unavailable(provider):
    provider.sends(b"<html>", content_type="text/html")

    with pytest.raises(ProviderUnavailable):
        await payloads_of(provider.wire())


async def test_an_error_sent_with_status_200_is_still_an_error(provider):
    body = b'{"error": {"type": "rate_limit_error", "message": "later"}}'
    provider.sends(body, content_type="application/json")

    with pytest.raises(ProviderRateLimited):
        await payloads_of(provider.wire())


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
    wire = Wire("fake", "https://fake.test", 5, SecretStr("sk-test-secret-0001"))

    failure = wire.failure({"message": echo}, status)

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
    provider.sends(b"data: x\n\n")

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
    wire = Wire("fake", "https://fake.test", 5)

    for status in (400, 401, 413, 429, 500):
        failure = wire.failure({"message": "x" * 5000}, status)
        assert isinstance(failure, ModelFailure)
        assert len(failure.message) < 800
        assert failure.message.endswith(".")
