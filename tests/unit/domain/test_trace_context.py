"""Trace context, by the rules of the W3C."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.trace_context import TraceParent, TurnTrace
from everruns.ids import new_id

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TURN = "turn_0198a0b1c2d37e4f8a0b1c2d3e4f5a6b"


def test_a_traceparent_names_a_span_and_whether_its_trace_is_recorded():
    assert TraceParent.parse(f"00-{TRACE}-{SPAN}-01") == TraceParent(TRACE, SPAN, True)
    assert TraceParent.parse(f"00-{TRACE}-{SPAN}-00") == TraceParent(TRACE, SPAN, False)


def test_other_flags_are_left_aside():
    assert TraceParent.parse(f"00-{TRACE}-{SPAN}-03") == TraceParent(TRACE, SPAN, True)
    assert TraceParent.parse(f"00-{TRACE}-{SPAN}-02") == TraceParent(TRACE, SPAN, False)


def test_a_later_version_may_say_more():
    assert TraceParent.parse(f"cc-{TRACE}-{SPAN}-01-what-the-future-is") is not None
    assert TraceParent.parse(f"cc-{TRACE}-{SPAN}-01") is not None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "hello",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01.",
        f"cc-{TRACE}-{SPAN}-01.",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-" + "x" * 300,
    ],
)
def test_anything_else_is_no_traceparent(text: str | None):
    assert TraceParent.parse(text) is None


@given(st.text(max_size=80))
def test_no_text_makes_the_parser_fail(text: str):
    parsed = TraceParent.parse(text)
    assert parsed is None or TraceParent.parse(str(parsed)) == parsed


def test_a_turn_without_a_parent_has_its_own_id_as_its_trace():
    trace = TurnTrace.of(TURN, None, 1)
    assert trace.trace_id == TURN.removeprefix("turn_")
    assert (trace.parent_id, trace.is_sampled) == (None, True)


def test_a_turn_with_a_parent_is_in_its_trace_and_is_recorded_if_the_trace_is():
    assert TurnTrace.of(TURN, f"00-{TRACE}-{SPAN}-01", 0) == TurnTrace(TURN, TRACE, SPAN, True)
    assert TurnTrace.of(TURN, f"00-{TRACE}-{SPAN}-00", 1) == TurnTrace(TURN, TRACE, SPAN, False)


def test_span_ids_are_the_same_in_every_process_and_differ_within_and_between_turns():
    trace, other = TurnTrace.of(TURN, None, 1), TurnTrace.of(new_id("turn"), None, 1)
    assert trace.span_id("call_1") == "63a735f74bb1a93c"
    ids = {one.span_id(name) for one in (trace, other) for name in ("", "call_1", "call_2")}
    assert len(ids) == 6


def test_a_request_of_a_span_names_it():
    trace = TurnTrace.of(TURN, f"00-{TRACE}-{SPAN}-01", 1)
    sent = TraceParent.parse(trace.traceparent("message_1"))
    assert sent == TraceParent(TRACE, trace.span_id("message_1"), True)


def test_a_share_of_turns_is_recorded():
    turns = [new_id("turn") for _ in range(4_000)]
    recorded = sum(TurnTrace.of(turn, None, 0.25).is_sampled for turn in turns)
    assert 850 < recorded < 1_150
    assert not any(TurnTrace.of(turn, None, 0).is_sampled for turn in turns)
    assert all(TurnTrace.of(turn, None, 1).is_sampled for turn in turns)
