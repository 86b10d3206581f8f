"""Sending spans to collectors that are slow, away, or lie."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from structlog.testing import capture_logs

from everruns.telemetry import export
from everruns.telemetry.export import (
    MAX_BATCH_BYTES,
    MAX_QUEUED_BYTES,
    MAX_QUEUED_SPANS,
    Collector,
    Exporter,
    retry_after_s,
)
from everruns.telemetry.spans import Span
from tests.collector import Collector as Receiver
from tests.collector import answering, collecting
from tests.waiting import eventually

SECRET = "Bearer secret-of-the-collector"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "GATHER_S", 0.01)
    monkeypatch.setattr(export, "FIRST_RETRY_S", 0.001)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with collecting() as receiver:
        yield receiver


@asynccontextmanager
async def exporting(url: str, dropped: list[int] | None = None) -> AsyncIterator[Exporter]:
    lost: list[int] = [] if dropped is None else dropped
    exporter = Exporter(Collector(url, {"authorization": SECRET}), lost.append)
    task = asyncio.ensure_future(exporter.run())
    try:
        yield exporter
    finally:
        task.cancel()


def spans(count: int, text: str = "") -> list[Span]:
    return [
        Span("1" * 32, f"{number + 1:016x}", None, "x", "internal", 1, 2, {"text": text})
        for number in range(count)
    ]


async def test_spans_are_sent_with_the_headers_of_the_collector(receiver: Receiver):
    async with exporting(receiver.url) as exporter:
        exporter.put(spans(3))
        assert await exporter.flush(5)
    assert len(receiver.spans) == 3
    assert receiver.headers[0]["authorization"] == SECRET
    assert receiver.headers[0]["content-type"] == "application/x-protobuf"


async def test_many_spans_are_sent_in_batches_of_bounded_size(receiver: Receiver):
    async with exporting(receiver.url) as exporter:
        for _ in range(8):
            exporter.put(spans(200))
        assert await exporter.flush(5)
    assert len(receiver.spans) == 1_600
    assert max(len(one.resource_spans[0].scope_spans[0].spans) for one in receiver.requests) <= 512


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_busy_collector_is_asked_again(receiver: Receiver, status: int):
    receiver.replies += [answering(status), answering(status)]
    dropped: list[int] = []
    async with exporting(receiver.url, dropped) as exporter:
        exporter.put(spans(2))
        assert await exporter.flush(5)
    assert (len(receiver.headers), len(receiver.spans), dropped) == (3, 2, [])


async def test_it_is_asked_no_sooner_than_it_wants(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    receiver.replies.append(answering(503, Retry_After="1"))
    async with exporting(receiver.url) as exporter:
        began = asyncio.get_running_loop().time()
        exporter.put(spans(1))
        assert await exporter.flush(10)
        assert asyncio.get_running_loop().time() - began >= 1


@pytest.mark.parametrize("status", [301, 400, 401, 404, 500])
async def test_what_a_collector_refuses_is_dropped_and_counted(receiver: Receiver, status: int):
    receiver.replies.append(answering(status, Location="http://127.0.0.1:9/"))
    dropped: list[int] = []
    async with exporting(receiver.url, dropped) as exporter:
        exporter.put(spans(2))
        assert await exporter.flush(5)
    assert (sum(dropped), exporter.sent, len(receiver.headers)) == (2, 0, 1)


async def test_what_a_collector_rejects_of_a_batch_is_counted(receiver: Receiver):
    partly = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=2, error_message="too old")
    )
    receiver.replies.append(answering(200, partly.SerializeToString()))
    dropped: list[int] = []
    async with exporting(receiver.url, dropped) as exporter:
        exporter.put(spans(5))
        assert await exporter.flush(5)
    assert (sum(dropped), exporter.sent, len(receiver.headers)) == (2, 3, 1)


@pytest.mark.parametrize("body", [b"\xff\xfe garbage", b"<html>", b"x" * 1_000_000])
async def test_an_answer_that_means_nothing_is_taken_for_consent(receiver: Receiver, body: bytes):
    receiver.replies.append(answering(200, body))
    dropped: list[int] = []
    async with exporting(receiver.url, dropped) as exporter:
        exporter.put(spans(2))
        assert await exporter.flush(5)
    assert (dropped, exporter.sent) == ([], 2)


async def test_more_rejections_than_spans_are_not_believed(receiver: Receiver):
    lie = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=10**9)
    )
    receiver.replies.append(answering(200, lie.SerializeToString()))
    dropped: list[int] = []
    async with exporting(receiver.url, dropped) as exporter:
        exporter.put(spans(2))
        assert await exporter.flush(5)
    assert sum(dropped) == 2


async def test_a_broken_connection_is_tried_again(receiver: Receiver):
    async def hang_up(request: web.Request) -> web.StreamResponse:
        request.transport.abort()
        return web.Response(status=500)

    receiver.replies += [hang_up, hang_up]
    async with exporting(receiver.url) as exporter:
        exporter.put(spans(2))
        assert await exporter.flush(10)
    assert len(receiver.spans) == 2


async def test_a_dead_collector_costs_a_bounded_queue_and_what_does_not_fit_is_counted():
    dropped: list[int] = []
    async with exporting("http://127.0.0.1:9/v1/traces", dropped) as exporter:
        for _ in range(30):
            exporter.put(spans(100))
            assert exporter.queued_bytes <= MAX_QUEUED_BYTES
        assert sum(dropped) == 3_000 - MAX_QUEUED_SPANS // 100 * 100
        assert not await exporter.flush(0.05)
    assert sum(dropped) == 3_000


async def test_large_spans_are_bounded_by_bytes():
    dropped: list[int] = []
    async with exporting("http://127.0.0.1:9/v1/traces", dropped) as exporter:
        for _ in range(20):
            exporter.put(spans(1, "x" * 1_000_000))
            assert exporter.queued_bytes <= MAX_QUEUED_BYTES
    assert sum(dropped) == 12


async def test_a_turn_that_is_larger_than_a_request_is_sent_in_several(receiver: Receiver):
    dropped: list[int] = []
    async with exporting(receiver.url, dropped) as exporter:
        exporter.put(spans(100, "x" * 100_000))
        assert await exporter.flush(5)
    assert max(map(len, receiver.bodies)) < 1.1 * MAX_BATCH_BYTES
    assert len(receiver.spans) + sum(dropped) == 100
    assert len(receiver.spans) > 75, "as many as the queue has room for"


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 70}.example"])
async def test_a_host_that_cannot_be_is_tried_again_as_one_that_is_away(host: str):
    with capture_logs() as logged:
        async with exporting(f"http://{host}/v1/traces") as exporter:
            exporter.put(spans(1))
            await eventually(lambda: logged)
    assert (logged[0]["event"], logged[0]["reason"]) == ("traces not sent yet", "UnicodeError")


async def test_that_spans_are_dropped_is_said_even_if_it_was_just_said_that_they_wait():
    with capture_logs() as logged:
        async with exporting("http://127.0.0.1:9/v1/traces") as exporter:
            exporter.put(spans(3))
            await eventually(lambda: logged)
            assert not await exporter.flush(0.05)
    said = [(line["event"], line.get("spans")) for line in logged]
    assert said == [("traces not sent yet", None), ("spans dropped", 3)]


async def test_complaints_are_rare_and_hold_no_secret():
    with capture_logs() as logged:
        async with exporting("http://127.0.0.1:9/v1/traces") as exporter:
            for _ in range(50):
                exporter.put(spans(100))
            assert not await exporter.flush(0.1)
    assert 1 <= len(logged) <= 2
    assert "secret" not in repr(logged)
    assert "secret" not in repr(Collector("http://x", {"authorization": SECRET}))


def test_retry_after_is_seconds_or_a_moment():
    soon = datetime.now(UTC) + timedelta(seconds=30)
    assert retry_after_s("7") == 7
    assert 28 < (retry_after_s(format_datetime(soon, usegmt=True)) or 0) <= 30
    assert retry_after_s("Thu, 01 Jan 1970 00:00:00 GMT") == 0
    for text in (None, "", "soon", "-1", "1.5", "9" * 400):
        assert (retry_after_s(text) or 0) <= 9_999_999_999
