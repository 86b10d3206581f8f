"""What every store does with event logs."""

import pytest

from everruns.domain.events import EventType
from everruns.errors import SequenceConflict, SessionNotFound
from everruns.storage.logs import EventQuery
from everruns.storage.store import Store
from tests.stored import append, events, log, session


def test_events_are_read_back_byte_for_byte(store: Store) -> None:
    store.sessions.insert(session(1))
    stored = [*events(1, 1, 2), *events(1, 3, turn=None)]
    assert store.logs.append([append(1, stored)]) == [None]
    assert store.logs.read(session(1).id, EventQuery()) == stored


def test_a_page_of_events_ends_at_a_size_but_has_one_at_least(store: Store) -> None:
    store.sessions.insert(session(1))
    stored = events(1, 1, 3)
    store.logs.append([append(1, stored)])
    size = len(stored[0].body)

    def page(**query: int) -> list[int]:
        found = store.logs.read(session(1).id, EventQuery(**query))
        return [event.sequence for event in found]

    assert page(size_bytes=1) == [1]
    assert page(size_bytes=2 * size) == [1, 2]
    assert page(size_bytes=2 * size, after=1) == [2, 3]
    assert page(size_bytes=10 * size, limit=1) == [1]


def test_an_append_out_of_place_is_refused(store: Store) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 2))])
    gap, fork = append(1, events(1, 4)), append(1, events(1, 2, text="other"))
    for refused in (gap, fork):
        [verdict] = store.logs.append([refused])
        assert isinstance(verdict, SequenceConflict)
    assert log(store, 1) == [1, 2]


def test_an_append_to_no_session_is_refused(store: Store) -> None:
    [verdict] = store.logs.append([append(1, events(1, 1))])
    assert isinstance(verdict, SessionNotFound)
    assert log(store, 1) == []


def test_an_append_again_succeeds_and_stores_nothing(store: Store) -> None:
    store.sessions.insert(session(1))
    first = append(1, events(1, 1, 2), preview="first")
    store.logs.append([first])
    store.logs.append([append(1, events(1, 3), preview="second")])
    assert store.logs.append([first, first]) == [None, None]
    assert log(store, 1) == [1, 2, 3]
    found = store.sessions.find(session(1).id)
    assert found is not None
    assert found.preview == "second"


def test_an_append_that_repeats_only_a_part_is_refused(store: Store) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 2))])
    [verdict] = store.logs.append([append(1, events(1, 2, 2))])
    assert isinstance(verdict, SequenceConflict)


def test_two_owners_of_one_session_cannot_both_win(store: Store) -> None:
    store.sessions.insert(session(1))
    mine, theirs = append(1, events(1, 1, text="mine")), append(1, events(1, 1, text="theirs"))
    assert mine.events[0].id == theirs.events[0].id  # the same millisecond
    mine_verdict, theirs_verdict = store.logs.append([mine, theirs])
    assert mine_verdict is None
    assert isinstance(theirs_verdict, SequenceConflict)


def test_a_batch_judges_each_append_for_itself_in_order(store: Store) -> None:
    store.sessions.insert(session(1))
    store.sessions.insert(session(2))
    verdicts = store.logs.append(
        [
            append(1, events(1, 1, 2), preview="one"),
            append(2, events(2, 5)),
            append(3, events(3, 1)),
            append(1, events(1, 3), preview="two"),
            append(1, events(1, 3)),
            append(2, events(2, 1)),
        ]
    )
    outcomes = [type(verdict) for verdict in verdicts]
    nothing = type(None)
    assert outcomes == [nothing, SequenceConflict, SessionNotFound, nothing, nothing, nothing]
    assert (log(store, 1), log(store, 2), log(store, 3)) == ([1, 2, 3], [1], [])
    found = store.sessions.find(session(1).id)
    assert found is not None
    assert found.preview == "two"


def test_misnumbered_events_are_refused_and_harm_nobody(store: Store) -> None:
    store.sessions.insert(session(1))
    store.sessions.insert(session(2))
    wrong = append(1, events(1, 1) + events(1, 1))
    verdicts = store.logs.append([wrong, append(2, events(2, 1))])
    assert isinstance(verdicts[0], SequenceConflict)
    assert verdicts[1] is None


def test_an_empty_batch_is_no_work(store: Store) -> None:
    assert store.logs.append([]) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"after": 2}, [3, 4, 5, 6]),
        ({"after": 0, "before": 3}, [1, 2]),
        ({"limit": 2}, [1, 2]),
        ({"limit": 2, "newest_first": True}, [6, 5]),
        ({"limit": 0}, []),
        ({"types": ["tool.call", "session.started"]}, [3, 4]),
        ({"since_ms": 1_800_000_000_003}, [3, 4, 5, 6]),
        ({"until_ms": 1_800_000_000_004, "types": ["tool.call"]}, [3, 4]),
        ({"since_ms": 1_800_000_000_005, "until_ms": 1_800_000_000_004}, []),
        ({"turn_id": "turn_2"}, [5, 6]),
        ({"turn_id": "turn_2", "after": 1, "before": 6, "newest_first": True}, [5]),
    ],
)
def test_events_are_listed_by_all_conditions_together(
    store: Store, query: dict[str, object], found: list[int]
) -> None:
    store.sessions.insert(session(1))
    new = [
        *events(1, 1, 2),
        *events(1, 3, 2, kind=EventType.TOOL_CALL, turn=None),
        *events(1, 5, 2, kind=EventType.TOOL_RESULT, turn="turn_2"),
    ]
    store.logs.append([append(1, new)])
    assert log(store, 1, **query) == found
