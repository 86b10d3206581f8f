"""What every store keeps of a session that is deleted while something is stored for it: nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from everruns.domain.budgets import LedgerEntry
from everruns.domain.snapshots import FORMAT, Snapshot
from everruns.storage.store import Store
from tests.stored import append, budget, events, session, time
from tests.waiting import PATIENCE_S

ROUNDS = 25
SESSION = session(1)
BUDGET = budget(1, SESSION.id)
TOP_UP = LedgerEntry(
    id="ledger_1", budget_id=BUDGET.id, amount=-5, meter_source="top_up", created_at=time(1)
)


def put_snapshot(store: Store) -> bool:
    return store.sessions.put_snapshot(Snapshot(SESSION.id, 1, FORMAT, b"x" * 200_000))


def has_snapshot(store: Store) -> bool:
    # Only what is restored under the same id would find it.
    store.sessions.insert(SESSION)
    store.logs.append([append(1, events(1, 1))])
    restored = store.sessions.take(SESSION.id, 0, FORMAT)
    assert restored is not None
    return restored.snapshot is not None


def put_budget(store: Store) -> bool:
    return store.budgets.put(BUDGET)


def has_budget(store: Store) -> bool:
    return store.budgets.find(BUDGET.id) is not None or store.budgets.is_budgeted(SESSION.id)


def top_up(store: Store) -> bool:
    return store.ledger.put(TOP_UP)


def has_top_up(store: Store) -> bool:
    return store.ledger.list(BUDGET.id, 0, 10) != ([], 0)


KEPT = [(put_snapshot, has_snapshot), (put_budget, has_budget), (top_up, has_top_up)]


@pytest.mark.parametrize(("put", "is_kept"), KEPT)
def test_nothing_is_stored_for_a_session_that_is_gone(
    store: Store, put: Callable[[Store], bool], is_kept: Callable[[Store], bool]
) -> None:
    store.sessions.insert(SESSION)
    store.budgets.put(BUDGET)
    assert put(store)
    store.sessions.delete(SESSION.id)
    assert not put(store)
    assert not is_kept(store)


@pytest.mark.parametrize(("put", "is_kept"), KEPT)
def test_what_is_stored_while_a_session_is_deleted_goes_with_it(
    store: Store, put: Callable[[Store], bool], is_kept: Callable[[Store], bool]
) -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            store.sessions.insert(SESSION)
            store.budgets.put(BUDGET)
            meeting = Barrier(2)

            def put_it(meeting: Barrier = meeting) -> bool:
                meeting.wait(PATIENCE_S)
                return put(store)

            putting = pool.submit(put_it)
            meeting.wait(PATIENCE_S)
            assert store.sessions.delete(SESSION.id)
            putting.result()
            assert not is_kept(store)
            store.sessions.delete(SESSION.id)
