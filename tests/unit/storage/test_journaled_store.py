"""The journaled store does what the store in memory does, though it lives many lives."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from everruns.domain.events import EventType, NewEvent
from everruns.domain.sessions import Session, SessionSummary
from everruns.errors import StoreUnavailable
from everruns.storage import journaled
from everruns.storage.base import Append, EventQuery, ListQuery
from everruns.storage.data_directory import JOURNAL_FOLDER, open_store
from everruns.storage.journaled import JournaledStore
from everruns.storage.memory import MemoryStore
from everruns.storage.sql import SqlStore

TIME = "2026-01-01T00:00:00.000Z"
SESSIONS = [f"session_{number:032x}" for number in range(3)]


def session(session_id: str) -> Session:
    return Session(
        id=session_id,
        harness_id="h",
        organization_id="o",
        workspace_id=session_id,
        created_at=TIME,
        updated_at=TIME,
    )


def append(session_id: str, expected: int, count: int, text: str = "") -> Append:
    events = [
        NewEvent(EventType.TOOL_RESULT, {"text": text}, {}).at(session_id, place, place)
        for place in range(expected, expected + count)
    ]
    summary = SessionSummary(sequence=expected - 1 + count, preview=text, suspicion=len(text))
    return Append(session_id, expected, events, summary)


class Lives(RuleBasedStateMachine):
    """Appends of all kinds, deletions, and lives that end before the database has everything."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryStore()
        self.folder = self.make_folder()
        self.store = open_store(self.folder)
        for session_id in SESSIONS:
            self.insert(session_id)

    def make_folder(self) -> Path:
        raise NotImplementedError

    def insert(self, session_id: str) -> None:
        for store in (self.store, self.memory):
            store.insert_session(session(session_id))

    @rule(
        batch=st.lists(
            st.tuples(
                st.sampled_from(SESSIONS),
                st.sampled_from([0, 0, 0, 0, -1, -2, 1]),
                st.integers(0, 3),
                st.sampled_from(["", "a", "long"]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def append(self, batch: list[tuple[str, int, int, str]]) -> None:
        lengths = self.memory.log_lengths(SESSIONS)
        places = [max(1, lengths.get(session_id, 0) + 1 + off) for session_id, off, *_ in batch]
        appends = [
            # Summaries alone are appended to logs that have something to sum up.
            append(session_id, place, max(count, place == 1), text)
            for place, (session_id, _, count, text) in zip(places, batch, strict=True)
        ]
        told = [type(verdict) for verdict in self.store.append(appends)]
        assert told == [type(verdict) for verdict in self.memory.append(appends)]

    @rule(session_id=st.sampled_from(SESSIONS))
    def delete(self, session_id: str) -> None:
        assert self.store.delete_session(session_id) == self.memory.delete_session(session_id)

    @rule(session_id=st.sampled_from(SESSIONS))
    def create(self, session_id: str) -> None:
        self.insert(session_id)

    @rule()
    def live_again(self) -> None:
        self.store.close()
        self.store = open_store(self.folder)

    @rule(session_id=st.sampled_from(SESSIONS), text=st.sampled_from(["x", "lost?"]))
    def die_with_an_append_in_the_journal_alone(self, session_id: str, text: str) -> None:
        expected = self.memory.log_lengths([session_id]).get(session_id, 0) + 1
        one = [append(session_id, expected, 2, text)]
        with pytest.MonkeyPatch.context() as unavailable:
            refuse_appends(unavailable)
            assert bool(self.store.append(one)[0]) == bool(self.memory.append(one)[0])
            self.store.close()
        self.store = open_store(self.folder)

    @rule()
    def read(self) -> None:
        for session_id in SESSIONS:
            query = EventQuery()
            assert self.store.read_events(session_id, query) == self.memory.read_events(
                session_id, query
            )
            assert self.store.find_session(session_id) == self.memory.find_session(session_id)
        assert self.store.list_sessions(ListQuery()) == self.memory.list_sessions(ListQuery())

    @invariant()
    def knows_how_long_logs_are(self) -> None:
        assert self.store.log_lengths(SESSIONS) == self.memory.log_lengths(SESSIONS)

    def teardown(self) -> None:
        self.read()
        self.store.close()


def refuse_appends(patch: pytest.MonkeyPatch) -> None:
    """Let the database refuse what comes out of the journal, as if its disk were full."""

    def refuse(_store: SqlStore, _appends: object) -> None:
        raise StoreUnavailable("The server's disk is full: nothing was stored")

    patch.setattr(SqlStore, "append", refuse)


def test_all_lives_are_one(tmp_path_factory: pytest.TempPathFactory):
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
    store = open_store(tmp_path)
    store.insert_session(session(SESSIONS[0]))
    yield store
    store.close()


def journal_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / JOURNAL_FOLDER).iterdir())


def test_what_is_read_is_in_the_database_and_in_the_journal_no_longer(
    store: JournaledStore, tmp_path: Path
):
    store.append([append(SESSIONS[0], 1, 2)])
    assert len(store.read_events(SESSIONS[0], EventQuery())) == 2
    assert journal_bytes(tmp_path) == 0


def test_while_the_database_refuses_appends_go_on_and_readers_learn_why(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journaled, "RETRY_S", 0.01)
    with monkeypatch.context() as full:
        refuse_appends(full)
        assert store.append([append(SESSIONS[0], 1, 1)]) == [None]
        with pytest.raises(StoreUnavailable, match="disk is full"):
            store.read_events(SESSIONS[0], EventQuery())
        assert store.append([append(SESSIONS[0], 2, 1)]) == [None]
    while True:
        try:
            found = store.read_events(SESSIONS[0], EventQuery())
            break
        except StoreUnavailable:
            continue
    assert [event.sequence for event in found] == [1, 2]


def test_the_database_is_tried_again_whatever_went_wrong(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journaled, "RETRY_S", 0.01)
    put, failures = SqlStore.append, [LookupError("unforeseen")]

    def sometimes(store: SqlStore, appends: list[Append]) -> object:
        if failures:
            raise failures.pop()
        return put(store, appends)

    monkeypatch.setattr(SqlStore, "append", sometimes)
    assert store.append([append(SESSIONS[0], 1, 1)]) == [None]
    with pytest.raises(StoreUnavailable, match="does not take"):
        store.read_events(SESSIONS[0], EventQuery())
    while True:
        try:
            assert len(store.read_events(SESSIONS[0], EventQuery())) == 1
            break
        except StoreUnavailable:
            continue


def test_more_than_memory_should_hold_is_refused_until_the_database_takes_it(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journaled, "MAX_GATHERED_BYTES", 1)
    monkeypatch.setattr(journaled, "RETRY_S", 0.01)
    with monkeypatch.context() as full:
        refuse_appends(full)
        assert store.append([append(SESSIONS[0], 1, 1)]) == [None]
        with pytest.raises(StoreUnavailable, match="disk is full"):
            store.append([append(SESSIONS[0], 2, 1)])
    while True:
        try:
            assert store.append([append(SESSIONS[0], 2, 1)]) == [None]
            break
        except StoreUnavailable:
            continue


def test_a_log_that_is_forgotten_is_looked_up(
    store: JournaledStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journaled, "REMEMBERED_LOGS", 0)
    for place in range(1, 6):
        assert store.append([append(SESSIONS[0], place, 1)]) == [None]
        store.read_events(SESSIONS[0], EventQuery())
    assert store.log_lengths(SESSIONS) == {SESSIONS[0]: 5}


def test_a_session_that_was_deleted_and_comes_again_has_an_empty_log(store: JournaledStore):
    store.append([append(SESSIONS[0], 1, 3)])
    store.delete_session(SESSIONS[0])
    store.insert_session(session(SESSIONS[0]))
    assert store.log_lengths(SESSIONS) == {SESSIONS[0]: 0}
    assert store.append([append(SESSIONS[0], 1, 1)]) == [None]


def test_a_summary_that_only_the_journal_has_survives(
    store: JournaledStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store.append([append(SESSIONS[0], 1, 1)])
    store.read_events(SESSIONS[0], EventQuery())
    with monkeypatch.context() as full:
        refuse_appends(full)
        assert store.append([append(SESSIONS[0], 2, 0, "suspicious")]) == [None]
        store.close()
    again = open_store(tmp_path)
    found = again.find_session(SESSIONS[0])
    again.close()
    assert found is not None
    assert found.suspicion == len("suspicious")
