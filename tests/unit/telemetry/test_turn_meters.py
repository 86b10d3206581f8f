"""What the events of turns come to in metrics."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.events import EventType, NewEvent
from everruns.domain.sessions import Session
from everruns.ids import DEFAULT_ORGANIZATION_ID, GENERIC_HARNESS_ID, new_id, now_ms
from everruns.telemetry.labels import error_label, tool_label
from everruns.telemetry.meters import OTHER, Meters
from everruns.telemetry.metrics import (
    COMPACTIONS,
    COST,
    MODEL_CALL_DURATION,
    MODEL_CALLS,
    MODEL_FIRST_TOKEN,
    MODEL_RETRIES,
    TOKENS,
    TOOL_CALLS,
    TOOL_DURATION,
    TURN_DURATION,
    TURNS,
    TURNS_STARTED,
    Metric,
)
from everruns.telemetry.observing import Observed
from everruns.telemetry.turn_meters import TurnMeters

SESSION = Session(
    id=new_id("session"),
    harness_id=GENERIC_HARNESS_ID,
    organization_id=DEFAULT_ORGANIZATION_ID,
    workspace_id=new_id("workspace"),
    created_at="2026-01-01T00:00:00.000Z",
    updated_at="2026-01-01T00:00:00.000Z",
)
MODEL = "work/large"
TIMING = {
    "started_ms": 1_000,
    "first_token_ms": 1_250,
    "ended_ms": 3_000,
    "attempts": 3,
    "provider": "openai",
}
USAGE = {
    "input_tokens": 100,
    "output_tokens": 20,
    "cache_read_tokens": 80,
    "estimated_cost_usd": 0.25,
}
ANSWER = {"model": MODEL, "usage": USAGE, "timing": TIMING, "finish_reason": "stop"}


def measured(*events: tuple[EventType, dict[str, Any]], ts: int | None = None) -> dict[Metric, Any]:
    """Return what events come to: by metric, and by labels where it has some."""
    meters = Meters()
    turn_id = new_id("turn")
    context = {"turn_id": turn_id}
    observed = [
        Observed(
            NewEvent(type_, data, context).at(SESSION.id, place, ts or now_ms()), data, context
        )
        for place, (type_, data) in enumerate(events, 1)
    ]
    TurnMeters(meters).appended(SESSION, observed)
    taken = meters.take()
    # Of a histogram, how many values there are and their sum.
    observed_sums = {
        series: (distribution.count, distribution.sum)
        for series, distribution in taken.distributions.items()
    }
    found: dict[Metric, Any] = {}
    for (metric, labels), value in [*taken.counts.items(), *observed_sums.items()]:
        found.setdefault(metric, {})[labels] = value
    return found


def test_a_turn_counts_when_it_starts_and_when_it_completes():
    found = measured((EventType.SESSION_STARTED, {}), (EventType.SESSION_COMPLETED, {}))
    assert found[TURNS_STARTED] == {(): 1}
    assert found[TURNS] == {("completed", ""): 1}


def test_a_turn_lasts_from_the_time_in_its_id_to_its_last_event():
    found = measured((EventType.SESSION_COMPLETED, {}), ts=now_ms() + 5_000)
    count, seconds = found[TURN_DURATION][("completed",)]
    assert count == 1
    assert 4.9 < seconds < 5.1


def test_a_clock_that_was_set_back_makes_no_negative_duration():
    found = measured((EventType.SESSION_COMPLETED, {}), ts=1_000)
    assert found[TURN_DURATION] == {("completed",): (1, 0)}


def test_a_failed_turn_counts_with_its_code():
    failed = {"error": {"code": "MAX_ITERATIONS", "message": "Too many."}}
    assert measured((EventType.SESSION_FAILED, failed))[TURNS] == {("failed", "MAX_ITERATIONS"): 1}


def test_an_answer_is_a_model_call_with_its_tokens_and_its_cost():
    found = measured((EventType.MESSAGE_CREATED, ANSWER))
    assert found[MODEL_CALLS] == {(MODEL, "openai", "success"): 1}
    assert found[TOKENS] == {
        (MODEL, "input"): 100,
        (MODEL, "output"): 20,
        (MODEL, "cache_read"): 80,
    }
    assert found[COST] == {(MODEL,): 0.25}
    assert found[MODEL_RETRIES] == {(MODEL, "openai"): 2}
    assert found[MODEL_CALL_DURATION] == {(MODEL,): (1, 2.0)}
    assert found[MODEL_FIRST_TOKEN] == {(MODEL,): (1, 0.25)}


def test_an_answer_that_only_calls_tools_has_no_first_text():
    timing = {name: TIMING[name] for name in TIMING if name != "first_token_ms"}
    found = measured((EventType.MESSAGE_CREATED, {**ANSWER, "timing": timing}))
    assert MODEL_FIRST_TOKEN not in found
    assert MODEL_CALL_DURATION in found


def test_a_users_message_is_no_model_call():
    assert measured((EventType.MESSAGE_CREATED, {"message": {"role": "user"}})) == {}


def test_an_interrupted_call_counts_with_the_end_of_its_turn_and_not_with_its_text():
    unfinished = {"model": MODEL, "usage": USAGE, "timing": TIMING}
    found = measured(
        (EventType.MESSAGE_CREATED, {"message": {"role": "agent"}}),
        (EventType.SESSION_CANCELLED, {"reason": "cancelled", "unfinished": unfinished}),
    )
    assert found[MODEL_CALLS] == {(MODEL, "openai", "interrupted"): 1}
    assert found[COST] == {(MODEL,): 0.25}


def test_a_call_that_failed_before_it_answered_counts_with_its_code():
    failed = {"error": {"code": "PROVIDER_UNAVAILABLE", "message": "It is away."}}
    found = measured((EventType.SESSION_FAILED, failed))
    assert found[MODEL_CALLS] == {("unknown", "unknown", "PROVIDER_UNAVAILABLE"): 1}


def test_a_turn_that_failed_between_model_calls_is_no_failed_call():
    failed = {"error": {"code": "BUDGET_EXHAUSTED", "message": "All is spent."}}
    assert MODEL_CALLS not in measured((EventType.SESSION_FAILED, failed))


def test_a_compaction_with_a_summary_is_a_model_call_too():
    compacted = {"model": MODEL, "usage": USAGE, "timing": TIMING}
    found = measured((EventType.CONTEXT_COMPACTED, compacted))
    assert found[COMPACTIONS] == {("success",): 1}
    assert found[MODEL_CALLS] == {(MODEL, "openai", "success"): 1}


def test_a_compaction_without_a_model_is_no_model_call():
    assert set(measured((EventType.CONTEXT_COMPACTED, {"usage": None}))) == {COMPACTIONS}


def test_a_compaction_that_failed_counts_with_its_code():
    failed = {"error": {"code": "CONTEXT_TOO_LONG", "message": "Too long."}}
    found = measured((EventType.CONTEXT_COMPACTED, failed))
    assert found[COMPACTIONS] == {("CONTEXT_TOO_LONG",): 1}


def test_a_tool_call_counts_by_its_outcome_with_its_duration():
    result = {"name": "add", "success": False, "duration_ms": 40}
    found = measured((EventType.TOOL_RESULT, result))
    assert found[TOOL_CALLS] == {("add", "error"): 1}
    assert found[TOOL_DURATION] == {("add",): (1, 0.04)}


def test_a_call_that_nobody_answered_counts_as_unanswered():
    result = {"name": "ask_user", "success": False, "duration_ms": 1, "unanswered": "timed_out"}
    assert measured((EventType.TOOL_RESULT, result))[TOOL_CALLS] == {("ask_user", "unanswered"): 1}


def test_answers_of_older_versions_count_without_times():
    older = {name: ANSWER[name] for name in ANSWER if name != "timing"}
    found = measured((EventType.MESSAGE_CREATED, older))
    assert found[MODEL_CALLS] == {(MODEL, "unknown", "success"): 1}
    assert MODEL_CALL_DURATION not in found


NAMES = st.one_of(
    st.text(max_size=64),
    st.from_regex(r"mcp_[a-z]{1,8}__[a-z]{1,8}", fullmatch=True),
    st.sampled_from(["add", "read_file", "search_tools", "mcp_", "other", "ask_user"]),
)


@given(NAMES, st.booleans())
def test_whatever_a_tool_is_called_its_label_is_of_a_closed_set(name: str, success: bool):
    result = {"name": name, "success": success, "duration_ms": 1}
    ((tool, outcome),) = measured((EventType.TOOL_RESULT, result))[TOOL_CALLS]
    assert tool == name == tool_label(name) or tool in {"mcp", OTHER}
    assert len({tool_label(f"{name}{number}") for number in range(50)}) <= 3
    assert outcome in {"success", "error"}


@given(st.text(max_size=40))
def test_whatever_code_an_error_has_its_label_is_of_a_closed_set(code: str):
    failed = {"error": {"code": code, "message": "Failed."}}
    ((_, label),) = measured((EventType.SESSION_FAILED, failed))[TURNS]
    assert label == error_label(code)
    assert label == OTHER or label.isupper()


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_label_comes_from_what_was_said_or_whose_it_is(said: str, user: str):
    message = {"role": "agent", "content": [{"type": "text", "text": said}]}
    owner = SESSION.model_copy(update={"end_user": user, "title": said, "tags": [said]})
    meters = Meters()
    data = {**ANSWER, "message": message}
    event = NewEvent(EventType.MESSAGE_CREATED, data, {}).at(owner.id, 1, now_ms())
    TurnMeters(meters).appended(owner, [Observed(event, data, {})])

    labels = {label for _, labels in meters.take().counts for label in labels}
    assert labels == {MODEL, "openai", "success", "input", "output", "cache_read"}
