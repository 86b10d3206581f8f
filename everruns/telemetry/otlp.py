"""Spans in the protocol of OpenTelemetry (OTLP), as protocol buffers.

Source: https://opentelemetry.io/docs/specs/otlp/
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope
from opentelemetry.proto.trace.v1 import trace_pb2

from everruns.telemetry import semconv
from everruns.telemetry.spans import AttributeValue, Span

SCOPE = "everruns"
_KINDS = {
    "internal": trace_pb2.Span.SPAN_KIND_INTERNAL,
    "client": trace_pb2.Span.SPAN_KIND_CLIENT,
}
_NS_OF_A_MS = 1_000_000
# The flags say that what the parent is, remote or not, is known.
_HAS_IS_REMOTE = 0x100
_SAMPLED = 0x01
KEPT = 2_000
LONGEST_KEPT = 100


def encode_spans(spans: Iterable[Span]) -> bytes:
    """Encode spans, to be put together with others by ``encode_request``."""
    scope = trace_pb2.ScopeSpans()
    for span in spans:
        _add_span(scope, span)
    return scope.SerializeToString()


def encode_request(encoded: Iterable[bytes], resource: Mapping[str, str], version: str) -> bytes:
    """Encode the body of a request that sends spans.

    Args:
        encoded: What ``encode_spans`` has made of them.
        resource: What all spans say of the server.
        version: The server's.
    """
    scope = trace_pb2.ScopeSpans(
        scope=InstrumentationScope(name=SCOPE, version=version), schema_url=semconv.SCHEMA_URL
    )
    for spans in encoded:
        scope.MergeFromString(spans)
    whole = trace_pb2.ResourceSpans(scope_spans=[scope], schema_url=semconv.SCHEMA_URL)
    for name, value in resource.items():
        _set(whole.resource.attributes.add(key=name).value, value)
    return ExportTraceServiceRequest(resource_spans=[whole]).SerializeToString()


def rejected_spans(body: bytes) -> int:
    """Return how many spans a collector has rejected of those that it took.

    An answer that is not one of the protocol's says nothing.
    """
    try:
        answer = ExportTraceServiceResponse.FromString(body)
    except DecodeError:
        return 0
    return max(answer.partial_success.rejected_spans, 0)


def _add_span(scope: trace_pb2.ScopeSpans, span: Span) -> None:
    # Filled in place: messages that are made and then copied take twice as long.
    added = scope.spans.add(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id or ""),
        flags=_HAS_IS_REMOTE | _SAMPLED,
        name=_text(span.name),
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.started_ms * _NS_OF_A_MS,
        end_time_unix_nano=span.ended_ms * _NS_OF_A_MS,
    )
    if span.error:
        added.status.code = trace_pb2.Status.STATUS_CODE_ERROR
        added.status.message = span.error
    attributes = (
        _encoded_attribute(name, value)
        for name, value in span.attributes.items()
        if value is not None
    )
    # Messages that are joined are one message with the lists of all.
    added.MergeFromString(b"".join(attributes))


def _encoded_attribute(name: str, value: AttributeValue) -> bytes:
    """Return a span that has nothing but an attribute, encoded."""
    is_long = isinstance(value, str) and len(value) > LONGEST_KEPT
    is_list = not isinstance(value, str | int | float)
    return _encode(name, value) if is_long or is_list else _encode_once(name, value)


def _encode(name: str, value: AttributeValue) -> bytes:
    span = trace_pb2.Span()
    _set(span.attributes.add(key=name).value, value)
    return span.SerializeToString()


# Most attributes of a span are those of the spans before it. ``True`` is not ``1`` here.
_encode_once = lru_cache(KEPT, typed=True)(_encode)


def _set(target: AnyValue, value: AttributeValue) -> None:
    match value:
        case bool():
            target.bool_value = value
        case int():
            target.int_value = value
        case float():
            target.double_value = value
        case str():
            target.string_value = _text(value)
        case _:
            for item in value:
                _set(target.array_value.values.add(), item)


def _text(text: str) -> str:
    # What a model wrote may hold half of a surrogate pair.
    return text.encode(errors="replace").decode()
