"""The fold from a log to a session's state."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everruns.domain.events import TURN_ENDS, EventType
from everruns.domain.retries import is_superseded
from everruns.domain.sessions import OPEN_STATUSES
from everruns.domain.state import SessionState, fold
from everruns.domain.transcript import MESSAGE_LEFT_OUT, build_transcript
from everruns.domain.usage import Usage
from tests.logs import LogWriter, call_part, complete, logs


@settings(max_examples=60, deadline=None)
@given(log=logs())
def test_the_fold_of_a_log_is_the_state_that_wrote_it(log: LogWriter):
    assert log.refold() == log.state


@settings(max_examples=60, deadline=None)
@given(log=logs(), data=st.data())
def test_a_log_folded_in_two_stretches_gives_the_same_state(log: LogWriter, data):
    cut = data.draw(st.integers(0, len(log.events)))
    state = fold(log.session_id, log.events[:cut])
    for event in log.events[cut:]:
        state.apply(event)
    assert complete(state, log.events) == complete(log.state, log.events)


@settings(max_examples=60, deadline=None)
@given(log=logs())
def test_no_message_of_a_log_is_lost_or_doubled_in_the_state(log: LogWriter):
    starts = [event.data for event in log.events if event.type == EventType.SESSION_STARTED]
    superseded = [found for data in starts for found in data.get("superseded", ())]
    said = [
        event.sequence
        for event in log.events
        if event.type in {EventType.MESSAGE_CREATED, EventType.TOOL_RESULT}
        and not is_superseded(event.sequence, superseded)
    ]
    compaction = log.state.compaction
    in_memory = {message.sequence for message in log.state.messages}
    assert [
        sequence
        for sequence in said
        if sequence in in_memory or compaction is None or compaction.shows(sequence)
    ] == [message.sequence for message in log.state.messages]


@settings(max_examples=60, deadline=None)
@given(log=logs())
def test_the_status_follows_from_the_last_turn_event(log: LogWriter):
    marks = [event.type for event in log.events if event.type in TURN_ENDS | {"session.started"}]
    is_open = bool(marks) and marks[-1] == "session.started"
    assert (log.state.status in OPEN_STATUSES) == is_open
    assert (log.state.summary.status in OPEN_STATUSES) == (log.state.turn is not None)


@pytest.mark.parametrize("skipped", [0, 2])
def test_an_event_that_is_not_the_next_one_is_refused(skipped: int):
    log = LogWriter()
    log.user("hi")
    log.agent("hello")
    state = fold(log.session_id, log.events[:1])
    with pytest.raises(ValueError, match="does not follow"):
        state.apply(log.events[skipped])
    assert state == fold(log.session_id, log.events[:1])


def test_a_session_without_events_has_only_started():
    assert SessionState("session_x").status == "started"
    assert SessionState("session_x").summary.updated_at is None


def test_a_message_that_came_during_a_model_call_is_read_after_its_answer():
    log = LogWriter()
    first = log.user("first")
    asked_at = log.state.sequence
    steering = log.user("steering")
    answer = log.agent("answer to the first", read_up_to=asked_at)
    assert log.state.history == [first, answer]
    assert log.state.unread == [steering]
    sent = build_transcript(log.state.history, log.state.unread)
    assert [message.text for message in sent] == ["first", "answer to the first", "steering"]


def test_a_message_that_came_while_tools_ran_is_read_after_their_results():
    log = LogWriter()
    log.user("first")
    log.agent("let me see", [call_part("a")])
    log.tool_call("a")
    log.user("steering")
    log.tool_result("a")
    sent = build_transcript(log.state.history, log.state.unread)
    assert [message.role for message in sent] == ["user", "agent", "tool_result", "user"]


def test_messages_that_a_turn_never_read_are_kept_for_the_next_one():
    log = LogWriter()
    log.user("first")
    log.user("unread")
    log.end(EventType.SESSION_CANCELLED)
    log.user("next")
    sent = build_transcript(log.state.history, log.state.unread)
    assert [message.text for message in sent] == ["first", "unread", "next"]


def test_pending_calls_are_those_without_a_result_in_call_order():
    log = LogWriter()
    log.user("go")
    log.agent(calls=[call_part("a"), call_part("b"), call_part("c")])
    log.tool_call("a")
    log.tool_call("b")
    log.tool_result("b")
    assert list(log.state.turn.pending) == ["a", "c"]
    assert log.state.turn.started_calls == {"a", "b"}


def test_usage_adds_up_over_a_turn_and_over_the_session():
    log = LogWriter()
    log.user("one")
    log.agent("1", usage={"input_tokens": 3, "output_tokens": 2, "estimated_cost_usd": 0.5})
    log.end()
    log.user("two")
    log.agent("2", usage={"input_tokens": 10, "output_tokens": 1, "cache_read_tokens": 4})
    assert log.state.turn.usage == Usage(input_tokens=10, output_tokens=1, cache_read_tokens=4)
    assert log.state.usage == Usage(
        input_tokens=13, output_tokens=3, cache_read_tokens=4, estimated_cost_usd=0.5
    )


def test_a_key_leads_to_the_message_that_was_sent_with_it():
    log = LogWriter()
    message = log.user("hi", key="k")
    assert log.refold().idempotency["k"] == ("hi", message.sequence)


def test_previews_show_the_first_question_and_the_newest_answer():
    log = LogWriter()
    log.user("first question " * 50)
    log.agent("first answer")
    log.end()
    log.user("second question")
    log.agent("second answer")
    summary = log.state.summary
    assert summary.preview == ("first question " * 50)[:200]
    assert summary.output_preview == "second answer"


def test_previews_hold_no_nul_character():
    log = LogWriter()
    log.user("a question")
    log.agent("an ans\0wer")
    log.end()
    assert log.state.summary.output_preview == "an answer"


def test_a_session_is_finished_only_while_no_turn_is_open():
    log = LogWriter()
    log.user("one")
    log.agent("1")
    log.end()
    finished = log.state.summary
    log.user("two")
    again = log.state.summary
    assert finished.finished_at is not None
    assert again.finished_at is None
    assert again.started_at == finished.started_at


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (EventType.SESSION_COMPLETED, "completed"),
        (EventType.SESSION_FAILED, "failed"),
        (EventType.SESSION_CANCELLED, "cancelled"),
    ],
)
def test_a_session_says_how_its_last_turn_ended(end: EventType, outcome: str):
    log = LogWriter()
    log.user("one")
    log.end(end)
    ended = log.state.summary
    log.user("two")
    assert (ended.last_outcome, log.state.summary.last_outcome) == (outcome, None)


def test_a_message_that_a_model_refused_stays_out_of_what_it_is_sent():
    log = LogWriter()
    refused = log.user("flagged")
    log.end(EventType.SESSION_FAILED)
    log.user("and now?")
    log.agent("ok", without_messages=[refused.id])

    state = log.refold()
    sent = build_transcript(state.history, state.unread, (), state.without_messages)

    assert state.without_messages == {refused.id: None}
    assert [said.text for said in sent] == [MESSAGE_LEFT_OUT, "and now?", "ok"]
    assert log.events[0].data["message"]["content"][0]["text"] == "flagged"
