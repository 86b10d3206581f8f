"""What becomes of logs whose sessions are deleted, or whose steps the database refuses."""

import errno
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from everruns.errors import SequenceConflict, SessionNotFound, StoreUnavailable
from everruns.storage.data_directory.opening import DATABASE_FILE, JOURNAL_FOLDER, open_store
from everruns.storage.journal import applier
from everruns.storage.journal import file as journal
from everruns.storage.journal.codec import joined
from everruns.storage.journal.file import Journal
from everruns.storage.journal.store import JournaledStore
from everruns.storage.logs import FIRST_HOLDER, EventQuery, LogHead
from everruns.storage.sql.sessions import SqlSessions
from tests.data_directories import open_new_store
from tests.journaled import (
    SESSIONS,
    append,
    fail_after_the_next_append,
    in_the_end,
    journal_bytes,
    refuse_appends,
    session,
)
from tests.waiting import PATIENCE_S


@pytest.fixture
def store(tmp_path: Path):
    store = open_new_store(tmp_path)
    store.sessions.insert(session(SESSIONS[0]))
    yield store
    store.close()


def test_a_session_is_deleted_only_when_no_crash_can_bring_it_back(
    store: JournaledStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store.logs.read(SESSIONS[0], EventQuery())

    def refuse(_journal: Journal) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as unchangeable:
        unchangeable.setattr(Journal, "settle", refuse)
        with pytest.raises(StoreUnavailable):
            store.sessions.delete(SESSIONS[0])
    assert store.sessions.find(SESSIONS[0]) is not None
    store.sessions.insert(session(SESSIONS[1]))
    assert store.sessions.delete(SESSIONS[0])
    assert journal_bytes(tmp_path) == 0


def test_while_a_session_is_deleted_only_its_own_log_takes_no_more(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    leaving, staying = SESSIONS[:2]
    for session_id in (leaving, staying):
        store.sessions.insert(session(session_id))
    began, may_end = Event(), Event()
    delete = SqlSessions.delete

    def slowly(self: SqlSessions, session_id: str) -> bool:
        began.set()
        assert may_end.wait(PATIENCE_S)
        return delete(self, session_id)

    monkeypatch.setattr(SqlSessions, "delete", slowly)
    with ThreadPoolExecutor(1) as pool:
        deleted = pool.submit(store.sessions.delete, leaving)
        assert began.wait(PATIENCE_S)
        verdicts = store.logs.append([append(staying, 1, 1), append(leaving, 1, 1)])
        may_end.set()

        assert deleted.result()
    assert verdicts[0] is None
    assert isinstance(verdicts[1], SessionNotFound)
    assert store.logs.heads(SESSIONS[:2]) == {staying: LogHead(1, FIRST_HOLDER)}


def test_steps_stored_by_a_commit_that_failed_do_not_take_later_ones_with_them(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(applier, "RETRY_S", 0.2)
    failed = fail_after_the_next_append(monkeypatch)
    store.logs.append([append(SESSIONS[0], 1, 2)])
    assert failed.wait(PATIENCE_S)
    store.logs.append([append(SESSIONS[0], 3, 1)])
    found = in_the_end(lambda: store.logs.read(SESSIONS[0], EventQuery()))
    assert [event.sequence for event in found] == [1, 2, 3]


def test_a_summary_between_steps_does_not_take_later_ones_with_it(
    store: JournaledStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as dying:
        dying.setattr(Journal, "done", lambda *_: None)
        store.logs.append([append(SESSIONS[0], 1, 2)])
        store.logs.append([append(SESSIONS[0], 3, 0, "suspicious")])
        store.logs.append([append(SESSIONS[0], 3, 2)])
        store.logs.read(SESSIONS[0], EventQuery())
        refuse_appends(dying)
        store.logs.append([append(SESSIONS[0], 5, 2, "last")])
        store.close()
    again = open_store(tmp_path)
    found = again.logs.read(SESSIONS[0], EventQuery())
    summed_up = again.sessions.find(SESSIONS[0])
    again.close()
    assert [event.sequence for event in found] == [1, 2, 3, 4, 5, 6]
    assert summed_up is not None
    assert summed_up.suspicion == len("last")


def test_steps_that_an_older_database_cannot_have_are_kept_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data_dir, backup = tmp_path / "data", tmp_path / "backup"
    store = open_store(data_dir)
    store.sessions.insert(session(SESSIONS[0]))
    store.logs.append([append(SESSIONS[0], 1, 2)])
    store.close()
    shutil.copy(data_dir / DATABASE_FILE, backup)
    store = open_store(data_dir)
    store.logs.append([append(SESSIONS[0], 3, 2)])
    store.logs.read(SESSIONS[0], EventQuery())
    with monkeypatch.context() as dying:
        refuse_appends(dying)
        store.logs.append([append(SESSIONS[0], 5, 1, "only the journal has this")])
        store.close()

    shutil.copy(backup, data_dir / DATABASE_FILE)
    again = open_store(data_dir)
    assert again.logs.heads(SESSIONS) == {SESSIONS[0]: LogHead(2, FIRST_HOLDER)}
    assert again.logs.append([append(SESSIONS[0], 3, 1)]) == [None]
    again.close()
    kept = data_dir / f"{JOURNAL_FOLDER}.refused"
    assert b"only the journal has this" in kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0


def test_a_session_whose_steps_were_refused_goes_on_from_the_database(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    store.logs.append([append(SESSIONS[0], 1, 1)])
    store.logs.read(SESSIONS[0], EventQuery())
    # As if the database came from a backup: it lacks what the journal has had.
    database = store._ahead.settled()
    database.sessions.delete(SESSIONS[0])
    database.sessions.insert(session(SESSIONS[0]))
    write = Journal.write

    def write_and_wait_for_the_refusal(self: Journal, entry: bytes) -> None:
        write(self, entry)
        monkeypatch.setattr(Journal, "write", write)
        # The database refuses an earlier entry just while this one is being acknowledged.
        store._ahead._applier._refused.add(SESSIONS[0])

    monkeypatch.setattr(Journal, "write", write_and_wait_for_the_refusal)
    (verdict,) = store.logs.append([append(SESSIONS[0], 2, 1)])
    assert isinstance(verdict, SequenceConflict)
    in_the_end(lambda: store.logs.read(SESSIONS[0], EventQuery()))
    assert store.logs.append([append(SESSIONS[0], 1, 1)]) == [None]
    assert len(store.logs.read(SESSIONS[0], EventQuery())) == 1


def test_a_step_that_does_not_follow_a_refused_one_is_not_refused_with_it():
    following = [append(SESSIONS[0], 5, 2), append(SESSIONS[0], 7, 1)]
    afresh = append(SESSIONS[0], 1, 1)

    first, second = joined([*following, afresh])

    assert (first.expected, len(first.events)) == (5, 3)
    assert second == afresh


def test_a_journal_that_cannot_be_written_is_told_to_whoever_asks_for_the_store(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(journal, "make_durable", fail)
        with pytest.raises(StoreUnavailable):
            store.logs.append([append(SESSIONS[0], 1, 1)])
        with pytest.raises(StoreUnavailable):
            store.ping()
    store.ping()
    assert store.logs.append([append(SESSIONS[0], 1, 1)]) == [None]
