"""What the journaled store answers while its database is behind, refuses or has died."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from everruns.domain.sessions import SessionSummary
from everruns.errors import PlacedElsewhere, StoreUnavailable
from everruns.storage.data_directory.opening import open_store
from everruns.storage.journal import applier, write_ahead
from everruns.storage.journal.codec import Taken, decode, encode
from everruns.storage.journal.store import JournaledStore
from everruns.storage.logs import FIRST_HOLDER, EventQuery, LogHead
from everruns.storage.sql.logs import SqlLogs
from everruns.storage.sql.sessions import SqlSessions
from everruns.storage.store import Backlog
from tests.data_directories import open_new_store
from tests.journaled import SESSIONS, append, in_the_end, journal_bytes, refuse_appends, session


@pytest.fixture
def store(tmp_path: Path):
    store = open_new_store(tmp_path)
    store.sessions.insert(session(SESSIONS[0]))
    yield store
    store.close()


def test_what_is_read_is_in_the_database_and_in_the_journal_no_longer(
    store: JournaledStore, tmp_path: Path
):
    store.logs.append([append(SESSIONS[0], 1, 2)])
    assert len(store.logs.read(SESSIONS[0], EventQuery())) == 2
    assert journal_bytes(tmp_path) == 0


def test_while_the_database_refuses_appends_go_on_and_readers_learn_why(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(applier, "RETRY_S", 0.01)
    with monkeypatch.context() as full:
        refuse_appends(full)
        assert store.logs.append([append(SESSIONS[0], 1, 1)]) == [None]
        with pytest.raises(StoreUnavailable, match="disk is full"):
            store.logs.read(SESSIONS[0], EventQuery())
        assert store.logs.append([append(SESSIONS[0], 2, 1)]) == [None]
    found = in_the_end(lambda: store.logs.read(SESSIONS[0], EventQuery()))
    assert [event.sequence for event in found] == [1, 2]


def test_the_backlog_is_what_the_database_does_not_have_and_how_long_it_has_waited(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(applier, "RETRY_S", 0.01)
    with monkeypatch.context() as full:
        refuse_appends(full)
        store.logs.append([append(SESSIONS[0], 1, 1)])
        first = store.backlog
        assert first.size_bytes > 0
        assert store.backlog.waited_s > first.waited_s > 0
    in_the_end(lambda: store.logs.read(SESSIONS[0], EventQuery()))
    assert store.backlog == Backlog(0, 0.0)


def test_a_session_that_was_taken_makes_no_backlog_that_waits(store: JournaledStore):
    store.logs.read(SESSIONS[0], EventQuery())
    store._ahead.take(SESSIONS[0], 0)
    assert store.backlog.waited_s == 0


def test_the_database_is_tried_again_whatever_went_wrong(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(applier, "RETRY_S", 0.01)

    def fail(_logs: SqlLogs, _taken: object, _appends: object) -> None:
        raise LookupError("unforeseen")

    with monkeypatch.context() as failing:
        failing.setattr(SqlLogs, "apply", fail)
        assert store.logs.append([append(SESSIONS[0], 1, 1)]) == [None]
        with pytest.raises(StoreUnavailable, match="does not take"):
            store.logs.read(SESSIONS[0], EventQuery())
    assert len(in_the_end(lambda: store.logs.read(SESSIONS[0], EventQuery()))) == 1


def test_more_than_memory_should_hold_is_refused_until_the_database_takes_it(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(applier, "MAX_GATHERED_BYTES", 1)
    monkeypatch.setattr(applier, "RETRY_S", 0.01)
    with monkeypatch.context() as full:
        refuse_appends(full)
        assert store.logs.append([append(SESSIONS[0], 1, 1)]) == [None]
        with pytest.raises(StoreUnavailable, match="disk is full"):
            store.logs.append([append(SESSIONS[0], 2, 1)])
    assert in_the_end(lambda: store.logs.append([append(SESSIONS[0], 2, 1)])) == [None]


def test_a_log_that_is_forgotten_is_looked_up(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(write_ahead, "REMEMBERED_LOGS", 0)
    for place in range(1, 6):
        assert store.logs.append([append(SESSIONS[0], place, 1)]) == [None]
        store.logs.read(SESSIONS[0], EventQuery())
    assert store.logs.heads(SESSIONS) == {SESSIONS[0]: LogHead(5, FIRST_HOLDER)}


def test_a_summary_that_only_the_journal_has_survives(
    store: JournaledStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store.logs.append([append(SESSIONS[0], 1, 1)])
    store.logs.read(SESSIONS[0], EventQuery())
    with monkeypatch.context() as full:
        refuse_appends(full)
        assert store.logs.append([append(SESSIONS[0], 2, 0, "suspicious")]) == [None]
        store.close()
    again = open_store(tmp_path)
    found = again.sessions.find(SESSIONS[0])
    again.close()
    assert found is not None
    assert found.suspicion == len("suspicious")


def test_a_new_session_that_only_the_journal_has_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = open_store(tmp_path)

    def refuse(_parts: SqlSessions, _sessions: object) -> None:
        raise StoreUnavailable("The server's disk is full: nothing was stored")

    with monkeypatch.context() as full:
        full.setattr(SqlSessions, "insert_many", refuse)
        store.sessions.insert(session(SESSIONS[0], end_user="alice"))
        assert store.logs.heads(SESSIONS) == {SESSIONS[0]: LogHead(0, FIRST_HOLDER)}
        assert store.logs.append([append(SESSIONS[0], 1, 2)]) == [None]
        store.close()
    again = open_store(tmp_path)
    found = again.sessions.find(SESSIONS[0])
    assert found is not None
    assert found.end_user == "alice"
    assert again.logs.heads(SESSIONS) == {SESSIONS[0]: LogHead(2, FIRST_HOLDER)}
    again.close()


def test_a_number_that_only_the_journal_has_is_not_handed_out_again(
    store: JournaledStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as full:
        refuse_appends(full)
        first = store._ahead.take(SESSIONS[0], 0)
        earlier = append(SESSIONS[0], 1, 1)
        assert store.logs.append([replace(earlier, holder=first)]) == [None]
        assert store._ahead.take(SESSIONS[0], 0) == first + 1
        store.close()
    again = open_store(tmp_path)
    taken = again.sessions.take(SESSIONS[0], 0)
    (refused,) = again.logs.append([replace(append(SESSIONS[0], 2, 1), holder=first)])
    again.close()
    assert (taken.holder, len(taken.events)) == (first + 2, 1)
    assert isinstance(refused, PlacedElsewhere)


def test_a_take_waits_for_no_transaction(store: JournaledStore, monkeypatch: pytest.MonkeyPatch):
    store.logs.append([append(SESSIONS[0], 1, 1)])
    store.logs.read(SESSIONS[0], EventQuery())
    with monkeypatch.context() as full:
        refuse_appends(full)
        holders = [store.sessions.take(SESSIONS[0], 0).holder for _ in range(3)]
    assert holders == [FIRST_HOLDER + 1, FIRST_HOLDER + 2, FIRST_HOLDER + 3]


def test_a_journal_from_before_sessions_were_taken_is_applied():
    summary = SessionSummary().model_dump(mode="json")
    event = ("event_1", "tool.call", None, 1, "{}")
    created = session(SESSIONS[0]).model_dump(mode="json")
    left = orjson.dumps([created, (SESSIONS[0], 1, summary, [event])])
    inserted, appended = decode(left)
    assert inserted == session(SESSIONS[0])
    assert (appended.expected, len(appended.events), appended.holder) == (1, 1, None)
    taken = Taken(SESSIONS[0], 7)
    assert decode(encode([taken, appended])) == [taken, appended]
