"""The journaled store does what the store in memory does, though it lives many lives."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from everruns.storage.data_directory.opening import open_store
from everruns.storage.journal import applier
from everruns.storage.journal.file import Journal
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery
from everruns.storage.memory.store import MemoryStore
from everruns.storage.sessions import SessionQuery
from tests.data_directories import open_new_store
from tests.journaled import (
    AGENT,
    BUDGETS,
    MORE_SESSIONS,
    SESSIONS,
    append,
    budget,
    fail_after_the_next_append,
    in_the_end,
    refuse_appends,
    session,
)
from tests.waiting import PATIENCE_S


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
                assert verdict or failed.wait(PATIENCE_S)
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
