"""Sending spans to a collector, from a bounded queue, without holding up anything else.

A collector that is away or busy is asked again, later and later. What does not fit into the queue
meanwhile is dropped and counted: turns never wait for their traces.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Literal

import aiohttp
import structlog

from everruns.domain.base import KIB, MIB
from everruns.telemetry import semconv
from everruns.telemetry.otlp import encode_request, encode_spans, rejected_spans
from everruns.telemetry.spans import Span
from everruns.telemetry.variables import pairs

MAX_QUEUED_SPANS = 2_048
MAX_QUEUED_BYTES = 8 * MIB
MAX_BATCH_SPANS = 512
MAX_BATCH_BYTES = MIB
# How long spans wait for others, to be sent together.
GATHER_S = 1.0
TIMEOUT_S = 10.0
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
LONGEST_RETRY_AFTER_S = 120.0
MAX_ANSWER_BYTES = 64 * KIB
TRY_AGAIN = frozenset({429, 502, 503, 504})
# That a collector stays away is said once in so long, and so is that spans are dropped.
COMPLAINT_S = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Collector:
    """Where spans go.

    Attributes:
        url: The address that takes them.
        headers: Headers of the requests, which may hold secrets.
        resource: What all spans say of the server.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    resource: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, url: str, headers: str, resource: str) -> "Collector":
        """Return the collector of settings.

        Args:
            url: The address.
            headers: Headers, as pairs.
            resource: What all spans say of the server, as pairs.
        """
        named = {semconv.SERVICE_NAME: "everruns", semconv.SERVICE_VERSION: version("everruns")}
        return cls(url, pairs(headers), named | pairs(resource))


@dataclass(frozen=True, slots=True)
class _Encoded:
    spans: int
    content: bytes


@dataclass(frozen=True, slots=True)
class _Answer:
    """What became of a request: whether the spans arrived, or when to send them again."""

    outcome: Literal["taken", "refused", "later"]
    rejected: int = 0
    after_s: float | None = None
    reason: str = ""


class Exporter:
    """Sends spans to one collector.

    Args:
        collector: The collector.
        dropped: Told how many spans were dropped, each time some are.

    Attributes:
        sent: How many spans the collector has taken.
    """

    def __init__(self, collector: Collector, dropped: Callable[[int], None]) -> None:
        self._collector = collector
        self._note_dropped = dropped
        self._queue: deque[_Encoded] = deque()
        self._spans = self._bytes = 0
        self._has_more = asyncio.Event()
        self._is_full = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._is_closing = False
        self._unmentioned = 0
        self._complained_s: dict[str, float] = {}
        self.sent = 0

    @property
    def queued_bytes(self) -> int:
        """How many bytes of spans wait."""
        return self._bytes

    def has_room(self) -> bool:
        """Tell whether the queue is less than half full, for those who can wait."""
        return self._spans < MAX_QUEUED_SPANS // 2 and self._bytes < MAX_QUEUED_BYTES // 2

    def put(self, spans: Sequence[Span]) -> None:
        """Take spans to send; those that do not fit are dropped."""
        for encoded in _encoded(spans):
            is_full = (
                self._spans + encoded.spans > MAX_QUEUED_SPANS
                or self._bytes + len(encoded.content) > MAX_QUEUED_BYTES
            )
            if is_full:
                self._drop(encoded.spans, "the queue is full")
                continue
            self._queue.append(encoded)
            self._spans += encoded.spans
            self._bytes += len(encoded.content)
        if self._queue:
            self._is_empty.clear()
            self._has_more.set()
        if self._spans >= MAX_BATCH_SPANS or self._bytes >= MAX_BATCH_BYTES:
            self._is_full.set()

    async def run(self) -> None:
        """Send what comes, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        # Proxies and certificates are those that the environment names, as for other exporters.
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as http:
            while True:
                await self._has_more.wait()
                await self._gather()
                await self._send(http, self._take())
                if not self._queue:
                    self._has_more.clear()
                    self._is_empty.set()

    async def flush(self, within_s: float) -> bool:
        """Send what waits without waiting for more; return whether all of it was sent or refused.

        Args:
            within_s: Seconds to wait for that at most.
        """
        self._is_closing = True
        self._is_full.set()
        try:
            async with asyncio.timeout(within_s):
                await self._is_empty.wait()
        except TimeoutError:
            self._drop(self._spans, "they were not sent in time")
            return False
        return True

    async def _gather(self) -> None:
        try:
            async with asyncio.timeout(GATHER_S):
                await self._is_full.wait()
        except TimeoutError:
            pass
        if not self._is_closing:
            self._is_full.clear()

    def _take(self) -> list[_Encoded]:
        """Return the spans of the next request; they stay in the queue until it is done."""
        batch: list[_Encoded] = []
        spans = size_bytes = 0
        for encoded in self._queue:
            spans += encoded.spans
            size_bytes += len(encoded.content)
            if batch and (spans > MAX_BATCH_SPANS or size_bytes > MAX_BATCH_BYTES):
                break
            batch.append(encoded)
        return batch

    async def _send(self, http: aiohttp.ClientSession, batch: Sequence[_Encoded]) -> None:
        contents = (encoded.content for encoded in batch)
        body = encode_request(contents, self._collector.resource, version("everruns"))
        spans = sum(encoded.spans for encoded in batch)
        wait_s = FIRST_RETRY_S
        while (answer := await self._post(http, body)).outcome == "later":
            self._complain("traces not sent yet", reason=answer.reason, waiting=self._spans)
            asked_s = min(answer.after_s or 0, LONGEST_RETRY_AFTER_S)
            await asyncio.sleep(max(wait_s * random.uniform(0.5, 1.5), asked_s))  # noqa: S311
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)
        for encoded in batch:
            self._queue.popleft()
            self._spans -= encoded.spans
            self._bytes -= len(encoded.content)
        lost = spans if answer.outcome == "refused" else min(answer.rejected, spans)
        self.sent += spans - lost
        if lost:
            self._drop(lost, answer.reason)

    async def _post(self, http: aiohttp.ClientSession, body: bytes) -> _Answer:
        headers = {**self._collector.headers, "content-type": "application/x-protobuf"}
        try:
            async with http.post(
                self._collector.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                if response.status in TRY_AGAIN:
                    after_s = retry_after_s(response.headers.get("retry-after"))
                    return _Answer("later", after_s=after_s, reason=f"HTTP {response.status}")
                if not 200 <= response.status < 300:
                    return _Answer("refused", reason=f"HTTP {response.status}")
                said = await response.content.read(MAX_ANSWER_BYTES)
                return _Answer("taken", rejected_spans(said), reason="the collector rejected them")
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError) as error:
            # The last one is of names of hosts. What an error says may quote headers.
            return _Answer("later", reason=type(error).__name__)

    def _drop(self, spans: int, reason: str) -> None:
        if spans:
            self._note_dropped(spans)
            self._unmentioned += spans
            if self._complain("spans dropped", reason=reason, spans=self._unmentioned):
                self._unmentioned = 0

    def _complain(self, event: str, **fields: str | int) -> bool:
        now_s = asyncio.get_running_loop().time()
        is_due = now_s - self._complained_s.get(event, -COMPLAINT_S) >= COMPLAINT_S
        if is_due:
            self._complained_s[event] = now_s
            log.warning(event, collector=self._collector.url, **fields)
        return is_due


def _encoded(spans: Sequence[Span]) -> Iterator[_Encoded]:
    """Yield spans encoded, in parts that fit into a request; a single span may be larger."""
    for first in range(0, len(spans), MAX_BATCH_SPANS):
        some = spans[first : first + MAX_BATCH_SPANS]
        content = encode_spans(some)
        if len(content) <= MAX_BATCH_BYTES or len(some) == 1:
            yield _Encoded(len(some), content)
        else:
            half = len(some) // 2
            yield from _encoded(some[:half])
            yield from _encoded(some[half:])


def retry_after_s(header: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for; ``None`` if it is not one."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header[:10])
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max((moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0)
