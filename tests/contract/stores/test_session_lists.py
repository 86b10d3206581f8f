"""Which sessions a store lists, in which order, and which of them have work to do."""

import pytest

from everruns.domain.rights import Grant
from everruns.domain.sessions import Caller
from everruns.domain.waits import NEVER_MS
from everruns.ids import parse_time
from everruns.storage.sessions import AgentSessions, SessionQuery
from everruns.storage.store import Store
from tests.stored import append, events, listed, session, time, wait


def test_sessions_are_listed_newest_first_by_agent_and_text(store: Store) -> None:
    store.sessions.insert(session(2, title="Weather"))
    store.sessions.insert(session(1, preview="what is the WEATHER"))
    store.sessions.insert(session(3, agent_id=None, title="weather"))
    store.sessions.insert(session(4))

    def numbers(query: SessionQuery) -> tuple[list[int], int]:
        found, total = store.sessions.list(query)
        return [int(each.id.removeprefix("session_"), 16) for each in found], total

    assert numbers(SessionQuery()) == ([4, 3, 2, 1], 4)
    assert numbers(SessionQuery(search="weather")) == ([3, 2, 1], 3)
    assert numbers(SessionQuery(search="weather", agent_id="agent_1", limit=1)) == ([2], 2)
    assert numbers(SessionQuery(agent_id="agent_2")) == ([], 0)


def test_a_search_finds_what_the_title_and_the_first_message_are_now(store: Store) -> None:
    store.sessions.insert(session(1, title="Straße nach Süden"))
    store.sessions.insert(session(2))
    store.sessions.update(session(1, title="Harbour", updated_at=time(9)))
    store.logs.append([append(2, events(2, 1), preview="Is it STORMY?")])

    assert listed(store, search="harbour") == [1]
    assert listed(store, search="straße") == []
    assert listed(store, search="stormy") == [2]
    assert listed(store, search="%") == []

    store.sessions.delete(session(2).id)
    assert listed(store, search="stormy") == []


def test_a_search_finds_no_text_across_two_fields(store: Store) -> None:
    store.sessions.insert(session(1, title="rain", preview="bow"))

    assert listed(store, search="rain") == [1]
    assert listed(store, search="rainbow") == []


def test_sessions_are_listed_by_what_they_do_and_wait_for(store: Store) -> None:
    for number in range(1, 6):
        store.sessions.insert(session(number))
    waits = {
        3: ["tool_call", "question"],
        4: ["approval"],
        5: ["approval", "approval"],
    }
    store.logs.append([append(2, events(2, 1), status="idle")])
    for number, kinds in waits.items():
        waiting_for = [wait(kind, place) for place, kind in enumerate(kinds)]
        # One of the calls runs on while another one is held.
        status = "active" if number == 5 else "waitingfortoolresults"
        summary = {"status": status, "waiting_for": waiting_for}
        store.logs.append([append(number, events(number, 1), **summary)])

    assert listed(store, status="started") == [1]
    assert listed(store, status="idle") == [2]
    assert listed(store, status="waitingfortoolresults") == [4, 3]
    assert listed(store, status="active") == [5]
    assert listed(store, waiting=True) == [5, 4, 3]
    assert listed(store, waiting="approval") == [5, 4]
    assert listed(store, waiting="question") == [3]
    assert listed(store, waiting="tool_call") == [3]

    store.logs.append([append(3, events(3, 2), status="idle")])
    assert listed(store, waiting=True) == [5, 4]


def test_sessions_are_listed_by_how_their_last_turn_ended(store: Store) -> None:
    for number in range(1, 5):
        store.sessions.insert(session(number, preview="it has failed"))
    for number, outcome in {1: "failed", 2: "completed", 3: "cancelled"}.items():
        ended = append(number, events(number, 1), status="idle", last_outcome=outcome)
        store.logs.append([ended])

    assert listed(store, last_outcome="failed") == [1]
    assert listed(store, last_outcome="completed") == [2]
    assert listed(store, last_outcome="cancelled") == [3]
    assert listed(store, status="idle") == [3, 2, 1]
    assert store.sessions.count().waiting == {}

    store.logs.append([append(1, events(1, 2), status="active")])
    assert listed(store, last_outcome="failed") == []


def test_sessions_are_listed_by_all_of_their_tags_and_by_their_end_user(store: Store) -> None:
    store.sessions.insert(session(1, tags=["a", "b", "a"], end_user="alice"))
    store.sessions.insert(session(2, tags=["a"], end_user="bob"))
    store.sessions.insert(session(3, tags=["A"]))

    assert listed(store, tags=["a"]) == [2, 1]
    assert listed(store, tags=["a", "b"]) == [1]
    assert listed(store, tags=["a", "x"]) == []
    assert listed(store, end_user="alice") == [1]
    assert listed(store, end_user="alice", tags=["b"], search="session_") == [1]

    assert store.sessions.delete(session(1).id)
    assert listed(store, tags=["b"]) == []


def test_sessions_are_listed_by_time_in_either_order(store: Store) -> None:
    for number in range(1, 5):
        store.sessions.insert(session(number))
    store.logs.append([append(2, events(2, 1), updated_at=time(9))])
    store.logs.append([append(1, events(1, 1), updated_at=time(8))])
    ms = [parse_time(time(age)) for age in range(10)]

    assert listed(store, sort="updated") == [2, 1, 4, 3]
    assert listed(store, sort="updated", ascending=True) == [3, 4, 1, 2]
    assert listed(store, ascending=True) == [1, 2, 3, 4]
    assert listed(store, updated_from_ms=ms[8]) == [2, 1]
    assert listed(store, updated_until_ms=ms[8]) == [4, 3]
    assert listed(store, created_from_ms=ms[2], created_until_ms=ms[4]) == [3, 2]


def test_pages_in_either_order_go_through_all_sessions(store: Store) -> None:
    for number in range(1, 6):
        store.sessions.insert(session(number, tags=["t"] if number % 2 else []))

    for sort in ("created", "updated"):
        for ascending in (False, True):
            seen: list[str] = []
            for offset in range(0, 4, 2):
                query = SessionQuery(
                    tags=["t"], sort=sort, ascending=ascending, offset=offset, limit=2
                )
                page, total = store.sessions.list(query)
                assert total == 3
                seen += [each.id for each in page]
            expected = [session(number).id for number in (1, 3, 5)]
            assert seen == (expected if ascending else expected[::-1])


def test_sessions_are_listed_by_caller_going_on_after_one_of_them(store: Store) -> None:
    for number, end_user in enumerate(["", "alice", "bob", "alice", "", "alice"], 1):
        store.sessions.insert(session(number, end_user=end_user))
    store.sessions.insert(session(7, end_user="alice", agent_id="agent_2"))
    store.sessions.insert(session(8))  # Not made through a channel.

    def numbers(caller: Caller, after: int | None = None) -> tuple[list[int], int]:
        older_than = None if after is None else (parse_time(time(after)), session(after).id)
        found, total = store.sessions.list(
            SessionQuery(caller=caller, older_than=older_than, limit=2)
        )
        return [int(each.id.removeprefix("session_"), 16) for each in found], total

    alice = Caller("agent_1", "alice")
    assert numbers(alice) == ([6, 4], 3)
    assert numbers(alice, after=4) == ([2], 1)
    assert numbers(Caller("agent_1")) == ([5, 1], 2)


@pytest.mark.parametrize(
    ("grant", "numbers"),
    [
        (Grant(rights=["read"], agent_ids=["agent_1"]), [4, 2, 1]),
        (Grant(rights=["read"], agent_ids=["agent_2", "agent_1"]), [4, 3, 2, 1]),
        (Grant(rights=["read"], agent_ids=["agent_1"], end_user="alice"), [2]),
        (Grant(rights=["read"], session_id=f"session_{3:032x}"), [3]),
        (Grant(rights=["read"]), []),
    ],
)
def test_only_sessions_that_a_grant_covers_are_listed(
    store: Store, grant: Grant, numbers: list[int]
) -> None:
    store.sessions.insert(session(1))
    store.sessions.insert(session(2, end_user="alice"))
    store.sessions.insert(session(3, agent_id="agent_2", end_user="alice"))
    store.sessions.insert(session(4, end_user="bob"))
    store.sessions.insert(session(5, agent_id=None))

    found, total = store.sessions.list(SessionQuery(within=grant))

    assert [int(each.id.removeprefix("session_"), 16) for each in found] == numbers
    assert total == len(numbers)


def test_sessions_with_an_open_turn_are_told_oldest_first(store: Store) -> None:
    for number in (2, 1, 3):
        store.sessions.insert(session(number))
        store.logs.append([append(number, events(number, 1))])
    store.logs.append([append(3, events(3, 2), status="idle")])
    assert store.sessions.unfinished() == [session(1).id, session(2).id]


def test_a_turn_that_does_not_say_for_what_it_waits_is_not_left_out(store: Store) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1), turn_id="turn_1", waits_until_ms=NEVER_MS)])
    assert store.sessions.unfinished(1000) == [session(1).id]


def test_turns_that_only_wait_are_left_out_until_they_are_due(store: Store) -> None:
    for number, until_ms in ((1, 1000), (2, 2000), (3, NEVER_MS), (4, None)):
        store.sessions.insert(session(number))
        waits = {
            "turn_id": "turn_1",
            "waits_until_ms": until_ms,
            "waiting_for": [wait("tool_call")],
        }
        store.logs.append([append(number, events(number, 1), **waits)])
    assert store.sessions.unfinished(1000) == [session(1).id, session(4).id]
    in_a_century = 4_000_000_000_000
    assert store.sessions.unfinished(in_a_century) == [session(n).id for n in (1, 2, 4)]


def test_a_turn_that_sleeps_is_left_out_until_it_is_due_and_waits_for_nobody(store: Store) -> None:
    for number, until_ms in ((1, 1000), (2, 2000)):
        store.sessions.insert(session(number))
        sleeps = {"turn_id": "turn_1", "waits_until_ms": until_ms, "sleeps": True}
        store.logs.append([append(number, events(number, 1), status="active", **sleeps)])
    assert store.sessions.unfinished(1000) == [session(1).id]
    assert store.sessions.unfinished(2000) == [session(1).id, session(2).id]
    assert store.sessions.list(SessionQuery(waiting=True)) == ([], 0)
    assert store.sessions.list(SessionQuery(status="active"))[1] == 2


def test_sessions_are_counted_by_what_their_turns_do(store: Store) -> None:
    states = {
        1: {"status": "idle"},
        2: {"status": "active"},
        3: {"status": "waitingfortoolresults", "waiting_for": [wait("approval")]},
        4: {
            "status": "waitingfortoolresults",
            "waiting_for": [wait("approval"), wait("tool_call")],
        },
        5: {"status": "active", "sleeps": True},
    }
    store.sessions.insert(session(6))
    for number, state in states.items():
        store.sessions.insert(session(number))
        store.logs.append([append(number, events(number, 1), **state)])

    counts = store.sessions.count()

    assert (counts.stored, counts.open) == (6, 4)
    assert dict(counts.waiting) == {"approval": 2, "tool_call": 1, "sleeps": 1}


def test_the_turn_that_is_quiet_for_longest_is_one_that_waits_for_nobody(store: Store) -> None:
    for number in (1, 2, 3):
        store.sessions.insert(session(number))
        state = {"status": "active", "updated_at": time(10 * number), "sleeps": number == 1}
        store.logs.append([append(number, events(number, 1), **state)])
    assert store.sessions.count().quiet_since_ms == parse_time(time(20))


def test_no_turn_is_quiet_where_none_is_open(store: Store) -> None:
    store.sessions.insert(session(1))
    assert store.sessions.count().quiet_since_ms is None


def test_the_sessions_of_agents_are_counted_with_those_whose_turns_are_open(store: Store) -> None:
    for number in range(1, 5):
        store.sessions.insert(session(number, end_user="ada" if number == 1 else None))
    store.sessions.insert(session(5, agent_id="agent_2"))
    store.sessions.insert(session(6, agent_id=None))
    for number, status in {1: "active", 2: "waitingfortoolresults", 3: "idle"}.items():
        store.logs.append([append(number, events(number, 1), status=status)])
    asked = ["agent_1", "agent_3"]

    assert store.sessions.count_by_agent(asked) == {"agent_1": AgentSessions(4, 2)}
    of_ada = Grant(rights=["read"], agent_ids=asked, end_user="ada")
    assert store.sessions.count_by_agent(asked, of_ada) == {"agent_1": AgentSessions(1, 1)}
    assert store.sessions.count_by_agent([]) == {}
