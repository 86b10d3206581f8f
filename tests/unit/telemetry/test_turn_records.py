"""Turn records: the fold of a turn's events."""

from hypothesis import given, settings
from hypothesis import strategies as st

from everruns.domain.events import TURN_ENDS, EventType
from everruns.domain.usage import Usage
from everruns.domain.waits import WaitRule
from everruns.telemetry.turn_records import TurnRecord
from tests.logs import LogWriter, call_part, logs, turn_records

RULE = WaitRule(timeout_seconds=60, on_timeout="error")
TIMING = {
    "started_ms": 1_700_000_000_100,
    "first_token_ms": 1_700_000_000_150,
    "ended_ms": 1_700_000_000_400,
    "attempts": 2,
    "provider": "anthropic",
}


def only_record(log: LogWriter) -> TurnRecord:
    (record,) = turn_records(log.events)
    return record


def calling(*names: str) -> LogWriter:
    """A turn whose model has called tools."""
    log = LogWriter()
    log.user("hi")
    log.agent(calls=[call_part(f"call_{name}", name) for name in names])
    return log


# For every log


@settings(max_examples=300)
@given(log=logs())
def test_each_turn_has_one_record_that_says_how_it_ended(log: LogWriter):
    records = turn_records(log.events)
    started = [event.turn_id for event in log.events if event.type == EventType.SESSION_STARTED]
    assert [record.turn_id for record in records] == started
    ends = {event.turn_id: event for event in log.events if event.type in TURN_ENDS}
    for record in records:
        end = ends.get(record.turn_id)
        assert record.outcome == (end.type.removeprefix("session.") if end else "open")
        assert record.ended_ms == (end.ts if end else None)


@settings(max_examples=300)
@given(log=logs())
def test_model_calls_sum_up_to_what_the_session_says(log: LogWriter):
    records = turn_records(log.events)
    assert sum((record.usage for record in records), Usage()) == log.state.usage
    if turn := log.state.turn:
        assert records[-1].iterations == turn.iterations
        assert records[-1].usage == turn.usage


@settings(max_examples=300)
@given(log=logs())
def test_tool_calls_without_a_result_are_those_that_are_pending(log: LogWriter):
    for record in turn_records(log.events):
        open_calls = [key for key, call in record.tool_calls.items() if call.ended_ms is None]
        turn = log.state.turn
        if record.outcome == "open":
            assert turn is not None
            assert set(turn.pending) <= set(open_calls)
            begun = {key for key in turn.pending if record.tool_calls[key].started_ms}
            assert begun == {
                key
                for key in turn.pending
                if key in turn.started_calls | turn.asked.keys() | turn.suspended.keys()
            }


@settings(max_examples=300)
@given(log=logs())
def test_open_waits_are_those_of_the_open_turn(log: LogWriter):
    for record in turn_records(log.events):
        waiting = {wait.call_id for wait in record.waits if wait.until_ms is None}
        turn = log.state.turn
        is_open = turn is not None and turn.id == record.turn_id
        unresumed = (
            {key for key, one in turn.suspended.items() if not one.is_resumed} if turn else {}
        )
        asleep = turn.asleep.keys() & unresumed if turn else set()
        assert waiting == (turn.waiting.keys() | asleep if is_open else set())


@settings(max_examples=300)
@given(log=logs())
def test_everything_happens_within_its_turn_and_ends_after_it_began(log: LogWriter):
    for record in turn_records(log.events):
        end = record.ended_ms or log.now
        times = [(call.started_ms, call.ended_ms) for call in record.model_calls]
        times += [
            (call.started_ms, call.ended_ms or end)
            for call in record.tool_calls.values()
            if call.started_ms
        ]
        times += [(wait.from_ms, wait.until_ms or end) for wait in record.waits]
        for began, ended in times:
            assert record.started_ms <= began <= ended <= end
        assert 0 <= record.waited_ms <= record.duration_ms


@settings(max_examples=100)
@given(log=logs(), data=st.data())
def test_a_record_grows_with_its_log(log: LogWriter, data: st.DataObject):
    cut = data.draw(st.integers(1, len(log.events)))
    records = {record.turn_id: record for record in turn_records(log.events[:cut])}
    for event in log.events[cut:]:
        if event.turn_id is None:
            continue
        record = records.setdefault(event.turn_id, TurnRecord.begin(event))
        record.apply(event, event.data, event.context)
    assert list(records.values()) == turn_records(log.events)


# Model calls


def test_an_answer_has_the_times_that_its_event_says():
    log = LogWriter()
    log.user("hi")
    usage = {"input_tokens": 7, "output_tokens": 3}
    answer = log.agent("hello", model="m/1", finish_reason="stop", usage=usage, timing=TIMING)
    log.end()
    (call,) = only_record(log).model_calls
    assert call.message_id == answer.id
    assert (call.model, call.provider, call.finish_reason) == ("m/1", "anthropic", "stop")
    assert (call.started_ms, call.first_token_ms, call.ended_ms, call.attempts) == (
        *(1_700_000_000_100, 1_700_000_000_150, 1_700_000_000_400),
        2,
    )
    assert call.usage == Usage(input_tokens=7, output_tokens=3)
    assert (call.outcome, call.is_estimated) == ("completed", False)


def test_an_answer_of_an_older_log_began_when_the_turn_had_advanced_last():
    log = calling("tool")
    log.tool_call("call_tool")
    log.tool_result("call_tool")
    returned_ms = log.now
    log.now += 500
    log.user("and this")
    log.now += 500
    log.agent("done")
    call = only_record(log).model_calls[-1]
    assert call.is_estimated
    assert (call.started_ms, call.ended_ms) == (returned_ms, log.now)


def test_the_call_that_a_failure_interrupts_is_one_with_the_text_that_it_left():
    log = LogWriter()
    log.user("hi")
    partial = log.message("agent", []).model_copy(update={"metadata": {"incomplete": True}})
    log.write(EventType.MESSAGE_CREATED, {"message": partial.wire()})
    unfinished = {"model": "m/1", "usage": {"output_tokens": 4}, "timing": TIMING}
    log.write(
        EventType.SESSION_FAILED,
        {
            "turn_id": log.state.turn.id,
            "error": {"message": "Gone.", "code": "PROVIDER_UNAVAILABLE"},
            "unfinished": unfinished,
        },
    )
    record = only_record(log)
    (call,) = record.model_calls
    assert (call.message_id, call.model) == (partial.id, "m/1")
    assert (call.outcome, call.error_code) == ("failed", "PROVIDER_UNAVAILABLE")
    assert call.usage == Usage(output_tokens=4)
    assert record.error_code == "PROVIDER_UNAVAILABLE"


def test_the_call_that_a_cancellation_interrupts_is_there_without_a_message():
    log = LogWriter()
    log.user("hi")
    unfinished = {"model": "m/1", "usage": {}, "timing": TIMING, "message_id": "message_x"}
    ended = {"turn_id": log.state.turn.id, "reason": "cancelled", "unfinished": unfinished}
    log.write(EventType.SESSION_CANCELLED, ended)
    (call,) = only_record(log).model_calls
    assert (call.outcome, call.message_id) == ("cancelled", "message_x")


def test_a_summary_is_a_model_call():
    log = LogWriter()
    log.user("hi")
    log.write(EventType.CONTEXT_COMPACTING, {"reason": "proactive_budget", "strategy": "trim"})
    done = {"reason": "proactive_budget", "strategy": "summarization", "summary": "So far."}
    usage = {"output_tokens": 9}
    log.write(
        EventType.CONTEXT_COMPACTED, {**done, "model": "m/1", "usage": usage, "timing": TIMING}
    )
    (call,) = only_record(log).model_calls
    assert call.writes_summary
    assert call.usage.output_tokens == 9
    assert only_record(log).iterations == 0


def test_masking_is_no_model_call():
    log = LogWriter()
    log.user("hi")
    masked = {"reason": "proactive_budget", "strategy": "observation_masking"}
    log.write(EventType.CONTEXT_COMPACTING, masked)
    log.write(EventType.CONTEXT_COMPACTED, masked)
    assert only_record(log).model_calls == []


# Tool calls and waits


def test_a_tool_call_runs_from_its_start_to_its_result():
    log = calling("tool")
    asked_ms = log.now
    log.now += 10
    log.tool_call("call_tool")
    started_ms = log.now
    log.now += 30
    log.tool_result("call_tool")
    call = only_record(log).tool_calls["call_tool"]
    assert (call.asked_ms, call.started_ms, call.ended_ms) == (asked_ms, started_ms, log.now)
    assert (call.success, call.duration_ms) == (True, 1)


def test_an_approval_is_waited_for_before_its_call_starts():
    log = calling("tool")
    log.hold("call_tool", RULE)
    held_ms = log.now
    log.now += 5_000
    decided = {"tool_call_id": "call_tool", "name": "tool", "status": "allowed"}
    log.write(EventType.TOOL_APPROVAL, decided)
    log.tool_call("call_tool")
    record = only_record(log)
    (wait,) = record.waits
    assert (wait.kind, wait.name, wait.ended) == ("approval", "tool", "allowed")
    assert (wait.from_ms, wait.until_ms) == (held_ms, held_ms + 5_001)
    assert record.tool_calls["call_tool"].started_ms > wait.until_ms


def test_a_call_that_was_rejected_never_started():
    log = calling("tool")
    log.hold("call_tool", RULE)
    decided = {"tool_call_id": "call_tool", "name": "tool", "status": "rejected"}
    log.write(EventType.TOOL_APPROVAL, decided)
    log.tool_result("call_tool")
    record = only_record(log)
    assert record.waits[0].ended == "rejected"
    assert record.tool_calls["call_tool"].started_ms is None
    assert record.tool_calls["call_tool"].ended_ms is not None


def test_a_client_side_call_waits_for_its_client_until_its_time_is_over():
    log = calling("tool")
    log.ask("call_tool", RULE)
    log.pass_time(61_000)
    record = only_record(log)
    (wait,) = record.waits
    assert (wait.kind, wait.ended) == ("client_tool", "timed_out")
    call = record.tool_calls["call_tool"]
    assert (call.is_client_side, call.unanswered, call.success) == (True, "timed_out", False)
    assert (call.started_ms, call.ended_ms) == (wait.from_ms, wait.until_ms)


def test_a_suspended_call_waits_for_answers_and_goes_on():
    log = calling("tool")
    log.tool_call("call_tool")
    log.suspend("call_tool", RULE, asks=True)
    log.resume("call_tool")
    log.tool_result("call_tool")
    record = only_record(log)
    (wait,) = record.waits
    assert (wait.kind, wait.name, wait.ended) == ("question", "tool", "answered")
    assert record.tool_calls["call_tool"].is_resumed
    assert not record.tool_calls["call_tool"].is_client_side


def test_a_call_that_is_suspended_for_a_time_sleeps():
    log = calling("tool")
    log.tool_call("call_tool")
    log.suspend("call_tool", RULE, asks=False)
    log.now += 1_000
    log.resume("call_tool")
    (wait,) = only_record(log).waits
    assert (wait.kind, wait.ended) == ("sleep", "elapsed")


def test_waits_end_with_their_turn():
    log = calling("one", "two")
    log.hold("call_one", RULE)
    log.ask("call_two", RULE)
    log.end(EventType.SESSION_CANCELLED)
    record = only_record(log)
    assert [wait.ended for wait in record.waits] == ["turn_ended", "turn_ended"]
    assert {wait.until_ms for wait in record.waits} == {record.ended_ms}


def test_waits_at_the_same_time_are_counted_once():
    log = calling("one", "two")
    log.hold("call_one", RULE)
    began_ms = log.now
    log.now += 99
    log.ask("call_two", RULE)
    log.now += 99
    log.end(EventType.SESSION_CANCELLED)
    assert only_record(log).waited_ms == log.now - began_ms


def test_a_retry_is_a_turn_of_its_own():
    log = LogWriter()
    log.user("hi")
    log.agent("hello")
    log.end()
    log.retry()
    first, second = turn_records(log.events)
    assert (first.retry_of, second.retry_of) == (None, first.turn_id)
    assert (first.outcome, second.outcome) == ("completed", "open")
