"""The journaled store does what the store in memory does, though it lives many lives."""

import errno
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TypeVar

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from everruns.domain.budgets import Budget
from everruns.domain.events import EventType, NewEvent
from everruns.domain.sessions import Session, SessionSummary
from everruns.errors import (
    PlacedElsewhere,
    SequenceConflict,
    SessionNotFound,
    StoreUnavailable,
)
from everruns.storage.data_directory.opening import DATABASE_FILE, JOURNAL_FOLDER, open_store
from everruns.storage.journal import applier, write_ahead
from everruns.storage.journal import file as journal
from everruns.storage.journal.codec import Taken, decode, encode, joined
from everruns.storage.journal.file import Journal
from everruns.storage.journal.store import JournaledStore
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery, LogHead
from everruns.storage.memory.store import MemoryStore
from everruns.storage.sessions import SessionQuery
from everruns.storage.sql.logs import SqlLogs
from everruns.storage.sql.sessions import SqlSessions
from everruns.storage.store import Backlog
from tests.data_directories import open_new_store
from tests.waiting import PATIENCE_S

Answer = TypeVar("Answer")

TIME = "2026-01-01T00:00:00.000Z"
SESSIONS = [f"session_{number:032x}" for number in range(3)]
MORE_SESSIONS = [f"session_{number:032x}" for number in range(3, 6)]
AGENT = f"agent_{1:032x}"
BUDGETS = ["budget_of_the_agent", "budget_of_a_session"]


def session(session_id: str, end_user: str | None = None) -> Session:
    return Session(
        id=session_id,
        end_user=end_user,
        agent_id=AGENT,
        harness_id="h",
        organization_id="o",
        workspace_id=session_id,
        created_at=TIME,
        updated_at=TIME,
    )


def budget(budget_id: str, subject_id: str, status: str = "active") -> Budget:
    return Budget.model_validate(
        {
            "id": budget_id,
            "subject_type": subject_id.partition("_")[0],
            "subject_id": subject_id,
            "currency": "tokens",
            "limit": 100,
            "status": status,
            "organization_id": "o",
            "created_at": TIME,
            "updated_at": TIME,
        }
    )


def append(session_id: str, expected: int, count: int, text: str = "") -> Append:
    """Every event is an answer of a model, and costs as many tokens as its place in the log."""
    events = [
        NewEvent(
            EventType.MESSAGE_CREATED,
            {"text": text, "message": {"id": f"m{place}"}, "usage": {"output_tokens": place}},
            {},
        ).at(session_id, place, place)
        for place in range(expected, expected + count)
    ]
    summary = SessionSummary(sequence=expected - 1 + count, preview=text, suspicion=len(text))
    return Append(session_id, expected, events, summary, FIRST_HOLDER)


class Lives(RuleBasedStateMachine):
    """Appends of all kinds, deletions, and lives that end before the database has everything.

    Whatever happens, budgets are charged as in the store in memory: once for each stored answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sessions = list(SESSIONS)
        self.later = list(MORE_SESSIONS)
        self.memory = MemoryStore()
        self.folder = self.make_folder()
        self.store = open_new_store(self.folder)
        for session_id in SESSIONS:
            self.insert(session_id)
        self.put_budget(BUDGETS[0], AGENT, "active")

    def make_folder(self) -> Path:
        raise NotImplementedError

    def by_its_holder(self, append: Append) -> Append:
        head = self.memory.logs.heads([append.session_id]).get(append.session_id)
        return replace(append, holder=head.holder if head else FIRST_HOLDER)

    def insert(self, session_id: str) -> None:
        for store in (self.store, self.memory):
            store.sessions.insert(session(session_id))

    @rule(
        batch=st.lists(
            st.tuples(
                st.integers(0, len(SESSIONS + MORE_SESSIONS) - 1),
                st.sampled_from([0, 0, 0, 0, -1, -2, 1]),
                st.integers(0, 3),
                st.sampled_from(["", "a", "long"]),
                st.sampled_from([0, 0, 0, -1]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def append(self, batch: list[tuple[int, int, int, str, int]]) -> None:
        heads = self.memory.logs.heads(self.sessions)
        appends: list[Append] = []
        for number, off, count, text, earlier in batch:
            session_id = self.sessions[number % len(self.sessions)]
            place = max(1, (heads[session_id].length if session_id in heads else 0) + 1 + off)
            # Summaries alone are appended to logs that have something to sum up.
            one = self.by_its_holder(append(session_id, place, max(count, place == 1), text))
            appends.append(replace(one, holder=(one.holder or 0) + earlier))
        told = [type(verdict) for verdict in self.store.logs.append(appends)]
        assert told == [type(verdict) for verdict in self.memory.logs.append(appends)]

    @rule(number=st.integers(0, 5))
    def take(self, number: int) -> None:
        session_id = self.sessions[number % len(self.sessions)]
        taken, expected = (each.sessions.take(session_id, 0) for each in (self.store, self.memory))
        assert taken == expected

    @rule(session_id=st.sampled_from(SESSIONS), title=st.sampled_from(["old", "new"]))
    def change(self, session_id: str, title: str) -> None:
        changed = session(session_id).model_copy(update={"title": title, "tags": [title]})
        assert self.store.sessions.update(changed) == self.memory.sessions.update(changed)
        query = SessionQuery(tags=[title])
        assert self.store.sessions.list(query) == self.memory.sessions.list(query)

    @rule(session_id=st.sampled_from(SESSIONS))
    def delete(self, session_id: str) -> None:
        assert self.store.sessions.delete(session_id) == self.memory.sessions.delete(session_id)

    @rule(
        budget_id=st.sampled_from(BUDGETS),
        subject_id=st.sampled_from([AGENT, *SESSIONS]),
        status=st.sampled_from(["active", "paused", "disabled"]),
    )
    def put_budget(self, budget_id: str, subject_id: str, status: str) -> None:
        for store in (self.store, self.memory):
            store.budgets.put(budget(budget_id, subject_id, status))

    @precondition(lambda self: self.later)
    @rule()
    def create(self) -> None:
        self.sessions.append(self.later.pop())
        self.insert(self.sessions[-1])

    @rule()
    def live_again(self) -> None:
        self.store.close()
        self.store = open_store(self.folder)

    @rule(number=st.integers(0, 5), text=st.sampled_from(["x", "lost?"]))
    def die_with_an_append_in_the_journal_alone(self, number: int, text: str) -> None:
        session_id = self.sessions[number % len(self.sessions)]
        expected = length_of(self.memory, session_id) + 1
        one = [self.by_its_holder(append(session_id, expected, 2, text))]
        with pytest.MonkeyPatch.context() as unavailable:
            refuse_appends(unavailable)
            assert bool(self.store.logs.append(one)[0]) == bool(self.memory.logs.append(one)[0])
            self.store.close()
        self.store = open_store(self.folder)

    @rule(steps=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6))
    def die_before_the_journal_is_emptied(self, steps: list[tuple[int, bool]]) -> None:
        session_id = self.sessions[-1]
        with pytest.MonkeyPatch.context() as unavailable:
            unavailable.setattr(Journal, "done", lambda *_: None)
            for count, is_read in steps:
                length = length_of(self.memory, session_id)
                next_ = append(session_id, length + 1, max(count, length == 0), f"{count}")
                one = [self.by_its_holder(next_)]
                assert bool(self.store.logs.append(one)[0]) == bool(self.memory.logs.append(one)[0])
                if is_read:
                    self.store.logs.read(session_id, EventQuery())
            self.store.close()
        self.store = open_store(self.folder)

    @rule(number=st.integers(0, 5), counts=st.lists(st.integers(0, 2), min_size=1, max_size=3))
    def commit_and_fail(self, number: int, counts: list[int]) -> None:
        session_id = self.sessions[number % len(self.sessions)]
        with pytest.MonkeyPatch.context() as failing:
            failed = fail_after_the_next_append(failing)
            for count in counts:
                length = length_of(self.memory, session_id)
                next_ = append(session_id, length + 1, max(count, length == 0), f"{count}")
                one = [self.by_its_holder(next_)]
                verdict = self.memory.logs.append(one)[0]
                assert bool(self.store.logs.append(one)[0]) == bool(verdict)
                assert verdict or failed.wait(10)
        in_the_end(self.store.sessions.unfinished)

    @rule()
    def read(self) -> None:
        for session_id in self.sessions:
            query = EventQuery()
            found = self.store.logs.read(session_id, query)
            assert found == self.memory.logs.read(session_id, query)
            assert self.store.sessions.find(session_id) == self.memory.sessions.find(session_id)
        assert self.store.sessions.list(SessionQuery()) == self.memory.sessions.list(SessionQuery())
        assert self.store.ledger.totals(BUDGETS) == self.memory.ledger.totals(BUDGETS)
        for budget_id in BUDGETS:
            ledger = self.store.ledger.list(budget_id, 0, 1000)
            assert ledger == self.memory.ledger.list(budget_id, 0, 1000)

    @invariant()
    def knows_how_long_logs_are(self) -> None:
        known = self.store.logs.heads(self.sessions)
        assert known == self.memory.logs.heads(self.sessions)

    def teardown(self) -> None:
        self.read()
        self.store.close()


def length_of(store: MemoryStore, session_id: str) -> int:
    head = store.logs.heads([session_id]).get(session_id)
    return head.length if head else 0


def refuse_appends(patch: pytest.MonkeyPatch) -> None:
    """Let the database refuse what comes out of the journal, as if its disk were full."""

    def refuse(_logs: SqlLogs, _taken: object, _appends: object) -> None:
        raise StoreUnavailable("The server's disk is full: nothing was stored")

    patch.setattr(SqlLogs, "apply", refuse)


def fail_after_the_next_append(patch: pytest.MonkeyPatch) -> Event:
    """Let the database store what comes next, and say that it did not."""
    put, failed = SqlLogs.apply, Event()

    def commit_and_fail(logs: SqlLogs, taken: dict[str, int], appends: list[Append]) -> object:
        verdicts = put(logs, taken, appends)
        if not failed.is_set():
            failed.set()
            raise StoreUnavailable("The database did not answer")
        return verdicts

    patch.setattr(SqlLogs, "apply", commit_and_fail)
    return failed


def in_the_end(read: Callable[[], Answer]) -> Answer:
    """What the store answers when it is available again."""
    while True:
        try:
            return read()
        except StoreUnavailable:
            continue


def test_all_lives_are_one(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(applier, "RETRY_S", 0.01)

    class Here(Lives):
        def make_folder(self) -> Path:
            return tmp_path_factory.mktemp("data")

    Here.TestCase.settings = settings(
        max_examples=12,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    Here.TestCase("runTest").debug()


@pytest.fixture
def store(tmp_path: Path):
    store = open_new_store(tmp_path)
    store.sessions.insert(session(SESSIONS[0]))
    yield store
    store.close()


def journal_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / JOURNAL_FOLDER).iterdir())


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
    assert failed.wait(10)
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
