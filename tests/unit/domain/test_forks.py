"""Forks: copies of logs and of snapshots, and what starts anew."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from everruns.domain.compaction import DECISIONS_HEADING, Compaction
from everruns.domain.events import Event, EventType, NewEvent
from everruns.domain.forks import ForkInput, forked_event, forked_session
from everruns.domain.logged_messages import message_of
from everruns.domain.sessions import SessionSummary
from everruns.domain.snapshots import copied, resume, snapshot_of
from everruns.domain.state import SessionState, fold
from everruns.domain.usage import Usage
from everruns.ids import EventPlace, read_event_id
from tests.logs import SESSION_ID, LogWriter, call_part, logs
from tests.stored import session

FORK = session(2, forked_from_session_id=SESSION_ID, forked_from_sequence=1)


def copy_of(log: LogWriter) -> list[Event]:
    return [event.copied(FORK.id) for event in log.events]


def complete(state: SessionState, events: list[Event]) -> SessionState:
    """The state with the messages that snapshots leave out."""
    state.join_earlier([message_of(events[sequence - 1]) for sequence in state.earlier])
    return state


@settings(max_examples=60, deadline=None)
@given(log=logs())
def test_copied_events_are_the_same_history_of_another_session(log: LogWriter):
    events = copy_of(log)

    state = complete(fold(FORK.id, events), events)

    assert state.summary == log.state.summary
    assert state.size_bytes == log.state.size_bytes
    own = complete(log.state, log.events)
    assert [said.content for said in state.messages] == [said.content for said in own.messages]
    assert {said.session_id for said in state.messages} <= {FORK.id}


@settings(max_examples=60, deadline=None)
@given(log=logs())
def test_the_id_of_a_copied_event_is_a_place_in_the_fork_alone(log: LogWriter):
    for own, other in zip(log.events, copy_of(log), strict=True):
        assert read_event_id(FORK.id, other.id) == EventPlace(own.ts, own.sequence, 0)
        assert read_event_id(log.session_id, other.id) is None
        assert other.copied(log.session_id) == own


@settings(max_examples=100, deadline=None)
@given(log=logs(), data=st.data())
def test_a_copied_snapshot_and_the_events_after_it_give_the_state_of_the_fork(
    log: LogWriter, data: st.DataObject
):
    cut = data.draw(st.integers(1, len(log.events)))
    last = log.events[cut - 1]
    events = copy_of(log)

    snapshot = copied(snapshot_of(fold(log.session_id, log.events[:cut]), last), last, FORK.id)

    assert snapshot is not None
    state = complete(resume(snapshot, events[cut - 1 :]), events)
    assert state == complete(fold(FORK.id, events), events)


def test_a_snapshot_that_cannot_be_used_is_not_copied():
    log = LogWriter()
    log.user("one")
    log.end()
    other = replace(snapshot_of(log.state, log.events[-1]), sequence=1)
    assert copied(other, log.events[0], FORK.id) is None
    old = replace(snapshot_of(log.state, log.events[-1]), format=0)
    assert copied(old, log.events[-1], FORK.id) is None


def test_what_is_said_about_a_session_by_name_stays_as_it_was():
    log = LogWriter()
    name = f'{{"session_id":"{log.session_id}"}}'
    log.user(name)
    log.agent(name, [call_part("call_1", session_id=log.session_id)])
    log.tool_result("call_1", {"session_id": log.session_id})
    log.end()

    state = fold(FORK.id, copy_of(log))

    assert [said.content for said in state.messages] == [
        said.content for said in log.state.messages
    ]


def test_usage_permissions_and_keys_start_anew_where_a_session_is_forked():
    log = LogWriter()
    log.user("one", key="k")
    log.agent(calls=[call_part("call_1")], usage={"output_tokens": 7})
    data = {"tool_call_id": "call_1", "name": "tool", "status": "allowed", "always": True}
    log.write(EventType.TOOL_APPROVAL, data)
    log.tool_result("call_1")
    log.agent("done", usage={"output_tokens": 5})
    log.end(EventType.SESSION_CANCELLED)
    log.retry()
    log.end()
    assert (log.state.usage.output_tokens, log.state.calls.always.keys()) == (12, {"tool"})
    assert log.state.idempotency
    assert log.state.retries
    assert log.state.cancelled_turn

    forked = forked_event(FORK, log.events[-1], log.now + 5)
    state = fold(FORK.id, [*copy_of(log), forked])

    assert (state.usage, state.calls.always) == (Usage(), {})
    assert (state.idempotency, state.retries, state.cancelled_turn) == ({}, {}, None)
    assert state.last_input_sequence == state.sequence == forked.sequence
    assert state.last_turn == log.state.last_turn
    assert state.calls.superseded == log.state.calls.superseded == {"call_1"}
    assert state.status == "idle"


def test_images_of_results_that_a_model_has_refused_stay_left_out_in_a_fork_and_its_forks():
    log = LogWriter()
    asked = log.user("one")
    log.agent(calls=[call_part("call_1")])
    log.tool_result("call_1")
    refused = [asked.id, log.state.history[-1].id]
    log.agent("done", without_images=refused, without_messages=refused, model="p/m")
    log.end()
    other = session(3, forked_from_session_id=FORK.id, forked_from_sequence=1)

    events = [*copy_of(log), forked_event(FORK, log.events[-1], log.now + 5)]
    fork = fold(FORK.id, events)
    again = [event.copied(other.id) for event in events]
    second = fold(other.id, [*again, forked_event(other, events[-1], log.now + 9)])

    for state in (fork, second):
        messages = {asked.id, state.history[2].id}
        assert state.without_images.keys() == state.without_messages.keys() == messages


def test_what_a_compaction_restates_of_permanent_decisions_does_not_hold_in_a_fork():
    log = LogWriter()
    log.user("one")
    log.agent("done")
    todos = "## Task list at that point\n- pending: Tea"
    decided = f"{DECISIONS_HEADING}\n- pay: allowed for always"
    restated = f"{todos}\n\n{decided}"
    log.state.compaction = Compaction(id="message_1", summary="So far.", restated=restated)
    log.state.compaction_before_turn = Compaction(id="message_1", restated=decided)
    log.end()

    own = session(1, id=log.session_id, forked_from_session_id=FORK.id, forked_from_sequence=1)
    log.state.apply(forked_event(own, log.events[-1], log.now + 5))

    assert log.state.compaction == Compaction(id="message_1", summary="So far.", restated=todos)
    assert log.state.compaction_before_turn == Compaction(id="message_1")


def test_the_event_of_a_fork_is_not_older_than_what_it_follows():
    last = NewEvent(EventType.SESSION_COMPLETED, {}, {}).at(session(1).id, 9, 5_000)
    assert (forked_event(FORK, last, 4_000).ts, forked_event(FORK, last, 6_000).ts) == (5000, 6000)


def test_a_fork_has_the_settings_of_its_source_and_nothing_of_its_life():
    summary = SessionSummary(
        status="waitingfortoolresults", sequence=9, preview="in", usage=Usage(input_tokens=3)
    )
    source = session(1, title="Trip", tags=["a"], end_user="alice").summed_up(summary)

    fork = forked_session(source, FORK.id, 4, 1_900_000_000_000, shares_workspace=False)

    assert (fork.title, fork.tags, fork.end_user) == ("Trip", ["a"], "alice")
    assert (fork.status, fork.preview, fork.usage) == ("started", None, Usage())
    assert (fork.forked_from_session_id, fork.forked_from_sequence) == (source.id, 4)
    assert fork.workspace_id != source.workspace_id
    assert fork.created_at == fork.updated_at > source.created_at
    shared = forked_session(source, FORK.id, 4, 1_900_000_000_000, shares_workspace=True)
    assert shared.workspace_id == source.workspace_id


def test_a_fork_names_its_event_once():
    with pytest.raises(ValidationError, match="either sequence or event_id"):
        ForkInput.model_validate({"sequence": 1, "event_id": f"event_{'0' * 32}"})


def test_how_to_fork_is_no_change_of_the_session():
    wanted = ForkInput.model_validate({"sequence": 1, "files": "none", "title": "t", "tags": None})
    assert wanted.changes() == {"title": "t", "tags": []}
