"""How every store keeps two owners of one session, and two registries, apart."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from everruns.errors import PlacedElsewhere, RegistryReplaced, SequenceConflict
from everruns.storage.logs import FIRST_HOLDER, LogHead
from everruns.storage.receipts import Receipt
from everruns.storage.sessions import StoredLog
from everruns.storage.store import Store
from tests.stored import append, events, log, session
from tests.waiting import PATIENCE_S

TOGETHER = 4


def take(store: Store, number: int, life: int = 0) -> StoredLog:
    taken = store.sessions.take(session(number).id, life)
    assert taken is not None
    return taken


def test_whoever_creates_a_session_has_its_first_number(store: Store) -> None:
    store.sessions.insert(session(1))
    store.sessions.insert(session(2), (), Receipt("key", "request", b"{}"), append(2, events(2, 1)))
    assert store.logs.append([append(1, events(1, 1)), append(2, events(2, 2))]) == [None, None]
    heads = store.logs.heads([session(1).id, session(2).id])
    assert heads == {
        session(1).id: LogHead(1, FIRST_HOLDER),
        session(2).id: LogHead(2, FIRST_HOLDER),
    }


def test_each_who_takes_a_session_gets_a_higher_number_and_the_whole_log(store: Store) -> None:
    store.sessions.insert(session(1))
    stored = events(1, 1, 2)
    store.logs.append([append(1, stored)])
    first, second = take(store, 1), take(store, 1)
    assert [first.holder, second.holder] == [FIRST_HOLDER + 1, FIRST_HOLDER + 2]
    assert list(second.events) == stored
    assert second.session == store.sessions.find(session(1).id)


def test_a_session_that_does_not_exist_is_not_taken(store: Store) -> None:
    assert store.sessions.take(session(1).id, 0) is None
    store.sessions.insert(session(1))
    store.sessions.delete(session(1).id)
    assert store.sessions.take(session(1).id, 0) is None


def test_only_the_newest_holder_can_append(store: Store) -> None:
    store.sessions.insert(session(1))
    holder = take(store, 1).holder
    for stranger in (FIRST_HOLDER, holder + 1):
        (refused,) = store.logs.append([append(1, events(1, 1), holder=stranger)])
        assert isinstance(refused, PlacedElsewhere)
    assert log(store, 1) == []
    assert store.logs.append([append(1, events(1, 1), holder=holder)]) == [None]


def test_an_earlier_holder_cannot_repeat_what_it_has_stored(store: Store) -> None:
    """It must let go of the session; whoever waits for it finds the event in the log."""
    store.sessions.insert(session(1))
    stored = append(1, events(1, 1))
    store.logs.append([stored])
    take(store, 1)
    (refused,) = store.logs.append([stored])
    assert isinstance(refused, PlacedElsewhere)
    assert log(store, 1) == [1]


def test_a_batch_refuses_earlier_holders_alone(store: Store) -> None:
    for number in (1, 2, 3):
        store.sessions.insert(session(number))
    holder = take(store, 1).holder
    verdicts = store.logs.append(
        [
            append(1, events(1, 1, text="earlier")),
            append(2, events(2, 1)),
            append(1, events(1, 1, text="newest"), holder=holder),
            append(1, events(1, 2, text="earlier")),
            append(1, events(1, 2, text="newest"), holder=holder),
            append(3, events(3, 5)),
        ]
    )
    nothing = type(None)
    assert [type(verdict) for verdict in verdicts] == [
        PlacedElsewhere,
        nothing,
        nothing,
        PlacedElsewhere,
        nothing,
        SequenceConflict,
    ]
    assert (log(store, 1), log(store, 2), log(store, 3)) == ([1, 2], [1], [])


def test_what_is_being_appended_when_a_session_is_taken_is_in_its_log_or_refused(
    store: Store,
) -> None:
    """A host stands still while its append is on the way to the store, and others go on."""
    store.sessions.insert(session(1))
    holder = FIRST_HOLDER
    with ThreadPoolExecutor(TOGETHER) as pool:
        for _ in range(20):
            length, meeting = len(log(store, 1)), Barrier(TOGETHER)

            def append_next(
                meeting: Barrier = meeting, holder: int = holder, length: int = length
            ) -> object:
                meeting.wait(PATIENCE_S)
                return store.logs.append([append(1, events(1, length + 1), holder=holder)])[0]

            def take_it(meeting: Barrier = meeting) -> StoredLog:
                meeting.wait(PATIENCE_S)
                return take(store, 1)

            appending = pool.submit(append_next)
            taking = [pool.submit(take_it) for _ in range(TOGETHER - 1)]
            verdict, taken = appending.result(), [each.result() for each in taking]

            assert len({each.holder for each in taken}) == len(taken)
            assert verdict is None or isinstance(verdict, PlacedElsewhere)
            known = length + (verdict is None)
            assert {len(each.events) for each in taken} == {known}
            assert len(log(store, 1)) == known
            holder = max(each.holder for each in taken)


def test_a_registry_that_was_replaced_can_take_nothing(store: Store) -> None:
    store.sessions.insert(session(1))
    assert store.registry.newest_life() == 0
    old = store.registry.begin_life()
    holder = take(store, 1, old).holder
    new = store.registry.begin_life()
    assert old < new == store.registry.newest_life()

    with pytest.raises(RegistryReplaced, match=f"its life is {new}, that of this one {old}"):
        store.sessions.take(session(1).id, old)
    # What it has handed out goes on: its hosts run their turns.
    assert store.logs.append([append(1, events(1, 1), holder=holder)]) == [None]
    assert take(store, 1, new).holder == holder + 1
