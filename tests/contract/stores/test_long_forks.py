"""Logs that are too long to be copied at once: what others see meanwhile, and what a death leaves.

A process can die before any statement and any commit. Here something is raised there instead, which
leaves the same in the database, and nothing clears up after it but the next registry.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import get_ident

import pytest
from sqlalchemy import Engine, event

from everruns.storage.sessions import Fork
from everruns.storage.sql import forks
from everruns.storage.store import Store
from tests.contract.stores.test_forks import fork_of, read, stored, talked
from tests.logs import LogWriter, call_part
from tests.stored import listed, session

NEW = session(2).id


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "STRETCH_BYTES", 8_000)


def long_log() -> LogWriter:
    """Several stretches, one of them with an event that is too wide for a row."""
    log = talked(3)
    log.user("é" * 50_000)
    log.agent(calls=[call_part("call_1")])
    log.tool_result("call_1", "ü" * 50_000)
    log.agent("b")
    log.end()
    return log


def prepared(store: Store) -> tuple[LogWriter, Fork]:
    log = long_log()
    return log, fork_of(stored(store, log), log.events)


class Killed(BaseException):
    """Nothing catches it, as nothing goes on after ``kill -9``."""


class Death:
    """Comes before a statement or a commit, counted from 1.

    Attributes:
        came: Whether it was reached.
    """

    def __init__(self, at: int) -> None:
        self._left = at
        self._thread = get_ident()
        self.came = False

    def count(self, *_: object) -> None:
        # A store has threads of its own, for what was written before.
        if get_ident() != self._thread:
            return
        self._left -= 1
        if self._left == 0:
            self.came = True
            raise Killed


COMMITS = ("commit",)
STATEMENTS = ("commit", "before_cursor_execute")


@contextmanager
def dying(at: int, before: Sequence[str]) -> Iterator[Death]:
    death = Death(at)
    for moment in before:
        event.listen(Engine, moment, death.count)
    try:
        with suppress(Killed):
            yield death
    finally:
        for moment in before:
            event.remove(Engine, moment, death.count)


def copies(log: LogWriter) -> list[object]:
    return [one.copied(NEW) for one in log.events]


def test_a_log_that_is_copied_in_stretches_is_the_same(store: Store) -> None:
    log, fork = prepared(store)

    assert store.sessions.copy_log(fork)
    assert store.sessions.find(NEW) is None
    assert store.logs.heads([NEW]) == {}
    assert listed(store) == [int(log.session_id.removeprefix("session_"), 16)]
    assert store.sessions.fork(fork)

    assert read(store, NEW)[:-1] == copies(log)
    store.registry.begin_life()
    store.sessions.clear_copy(NEW)
    assert read(store, NEW)[:-1] == copies(log)
    assert store.sessions.delete(NEW)
    assert read(store, NEW) == []


def test_what_was_copied_can_be_cleared_away_and_copied_again(store: Store) -> None:
    log, fork = prepared(store)
    assert store.sessions.copy_log(fork)

    store.sessions.clear_copy(NEW)

    assert read(store, NEW) == []
    assert store.sessions.copy_log(fork)
    assert store.sessions.copy_log(fork)
    assert store.sessions.fork(fork)
    assert read(store, NEW)[:-1] == copies(log)


def test_a_source_that_is_deleted_meanwhile_is_not_forked(store: Store) -> None:
    _, fork = prepared(store)
    assert store.sessions.copy_log(fork)

    store.sessions.delete(fork.source_id)

    assert not store.sessions.fork(fork)
    assert not store.sessions.copy_log(fork)
    store.sessions.clear_copy(NEW)
    assert read(store, NEW) == []


@pytest.mark.parametrize(
    "before", [COMMITS, pytest.param(STATEMENTS, marks=pytest.mark.long)], ids=["commit", "any"]
)
def test_whatever_it_dies_before_a_fork_is_whole_or_nothing_of_it_is_left(
    store: Store, before: Sequence[str]
) -> None:
    log, fork = prepared(store)
    at = 0
    died = True
    while died:
        at += 1
        with dying(at, before) as death:
            store.sessions.copy_log(fork)
            store.sessions.fork(fork)
        died = death.came

        store.registry.begin_life()

        is_there = store.sessions.find(NEW) is not None
        assert is_there or died
        assert read(store, NEW)[: len(log.events)] == (copies(log) if is_there else [])
        store.sessions.delete(NEW)


# In PostgreSQL a transaction ends with its connection, which does not die with what is raised here.
@pytest.mark.parametrize("store", ["memory", "duckdb"], indirect=True)
def test_a_repeated_copy_goes_on_where_the_first_one_died(store: Store) -> None:
    log, fork = prepared(store)
    at = 0
    died = True
    while died:
        at += 1
        with dying(at, COMMITS) as death:
            store.sessions.copy_log(fork)
        died = death.came

        assert store.sessions.copy_log(fork)
        assert store.sessions.fork(fork)

        assert read(store, NEW)[:-1] == copies(log)
        store.sessions.delete(NEW)
