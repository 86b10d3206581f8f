"""Snapshots of a session's state."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from everruns.domain.snapshots import (
    DUE_BYTES,
    DUE_EVENTS,
    FORMAT,
    Snapshot,
    SnapshotUnusable,
    is_due,
    resume,
    snapshot_of,
)
from everruns.domain.state import SessionState, fold
from tests.logs import LogWriter, complete, logs

# What a state holds in this format of snapshots. Whoever changes it raises the format.
SCHEMA_OF_FORMAT = {7: "b01172ff926ba846"}


@settings(max_examples=100)
@given(log=logs(), data=st.data())
def test_a_snapshot_and_the_events_after_it_give_the_state_of_the_whole_log(
    log: LogWriter, data: st.DataObject
):
    # A later snapshot is taken of a state that began with an earlier one.
    cuts = sorted(data.draw(st.sets(st.integers(1, len(log.events)), min_size=1, max_size=3)))
    state = fold(log.session_id, log.events[: cuts[0]])
    for cut, end in zip(cuts, [*cuts[1:], len(log.events)], strict=True):
        snapshot = snapshot_of(state, log.events[cut - 1])
        state = resume(snapshot, log.events[cut - 1 : end])
    assert state.summary == log.state.summary
    assert complete(state, log.events) == log.state


@settings(max_examples=30)
@given(log=logs())
def test_taking_a_snapshot_changes_nothing(log: LogWriter):
    snapshot_of(log.state, log.events[-1])
    assert log.refold() == log.state


def talked(turns: int = 2) -> LogWriter:
    log = LogWriter()
    for turn in range(turns):
        log.user(f"hi {turn}", key=str(turn))
        log.agent(f"hello {turn}")
        log.end()
    return log


def test_a_snapshot_holds_the_messages_of_the_newest_turn_alone():
    log = talked(turns=50)
    content = snapshot_of(log.state, log.events[-1]).content
    assert b"hello 49" in content
    assert b"hello 47" not in content


def test_a_snapshot_of_another_log_is_unusable():
    log, other = talked(), talked()
    snapshot = snapshot_of(log.state, log.events[-1])
    for events in (other.events[-1:], log.events[-2:], []):
        with pytest.raises(SnapshotUnusable):
            resume(snapshot, events)


@pytest.mark.parametrize("content", [b"", b"{}", b'["digest", {"session_id": 1}]', b"\xff"])
def test_a_snapshot_that_does_not_decode_is_unusable(content: bytes):
    log = talked()
    with pytest.raises(SnapshotUnusable):
        resume(Snapshot(log.session_id, log.state.sequence, FORMAT, content), log.events[-1:])


def test_a_snapshot_of_another_format_is_unusable():
    log = talked()
    snapshot = replace(snapshot_of(log.state, log.events[-1]), format=FORMAT + 1)
    with pytest.raises(SnapshotUnusable):
        resume(snapshot, log.events[-1:])


def test_the_format_is_raised_when_a_state_changes():
    schema = TypeAdapter(SessionState).json_schema(mode="serialization")
    digest = sha256(repr(schema).encode()).hexdigest()[:16]
    assert {FORMAT: digest} == SCHEMA_OF_FORMAT


def test_a_snapshot_is_due_after_many_events_or_many_bytes_and_rarely_for_its_size():
    assert not is_due(DUE_EVENTS - 1, DUE_BYTES - 1, 0)
    assert is_due(DUE_EVENTS, 1, 0)
    assert is_due(1, DUE_BYTES, 0)
    assert is_due(DUE_EVENTS, 1_000, 4_000)
    assert not is_due(DUE_EVENTS, 999, 4_000)
