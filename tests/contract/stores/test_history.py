"""What every store says about all sessions together."""

from everruns.domain.events import EventType
from everruns.storage.history import HeadQuery, SessionHead, Stretch, Totals
from everruns.storage.store import Store
from tests.stored import agent, append, events, session

BEGIN_MS = 1_800_000_000_000
AMPLE = 1 << 20


def test_heads_tell_where_sessions_stand(store: Store) -> None:
    store.sessions.insert(session(2))
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 3))])
    found = store.history.heads(HeadQuery())
    assert found.heads == [
        SessionHead(session(1).id, 3, BEGIN_MS + 1, found.heads[0].updated_ms),
        SessionHead(session(2).id, 0, BEGIN_MS + 2, BEGIN_MS + 2),
    ]
    assert found.totals == Totals(2, 3, 2 * BEGIN_MS + 3)


def test_heads_come_in_pages(store: Store) -> None:
    for number in range(1, 6):
        store.sessions.insert(session(number))
    first = store.history.heads(HeadQuery(limit=2)).heads
    rest = store.history.heads(HeadQuery(limit=9, after=first[-1].id)).heads
    assert [head.id for head in (*first, *rest)] == [session(number).id for number in range(1, 6)]


def test_heads_can_be_those_of_what_has_changed(store: Store) -> None:
    for number in (1, 2, 3):
        store.sessions.insert(session(number))
    store.sessions.update(session(1, updated_at="2030-01-01T00:00:00.000Z"))
    changed = store.history.heads(HeadQuery(since_ms=BEGIN_MS + 3))
    assert [head.id for head in changed.heads] == [session(1).id, session(3).id]
    assert changed.totals.sessions == 3


def test_each_bucket_has_the_totals_of_its_sessions(store: Store) -> None:
    for number in (0x101, 0x201, 0x102):
        store.sessions.insert(session(number))
    store.logs.append([append(0x101, events(0x101, 1, 2))])
    assert store.history.totals() == {
        "01": Totals(2, 2, 2 * BEGIN_MS + 0x302),
        "02": Totals(1, 0, BEGIN_MS + 0x102),
    }
    listed = store.history.heads(HeadQuery(bucket="01")).heads
    assert [head.id for head in listed] == [session(0x101).id, session(0x201).id]


def test_a_deleted_session_is_in_no_answer(store: Store) -> None:
    for number in (1, 2):
        store.sessions.insert(session(number))
        store.logs.append([append(number, events(number, 1))])
    store.sessions.delete(session(1).id)
    assert [head.id for head in store.history.heads(HeadQuery()).heads] == [session(2).id]
    assert [*store.history.totals()] == ["02"]
    assert [one.id for one in store.history.entries([session(1).id, session(2).id])] == [
        session(2).id
    ]
    gone, there = (Stretch(session(number).id, 0, 1) for number in (1, 2))
    assert [event.session_id for event in store.history.events([gone, there], AMPLE)] == [
        session(2).id
    ]


def test_an_entry_has_what_describes_a_session(store: Store) -> None:
    store.sessions.insert(
        session(
            1,
            title="Refund",
            tags=["vip", "de"],
            end_user="anna",
            system_prompt="p" * 100_000,
            forked_from_session_id=session(9).id,
            forked_from_sequence=4,
        )
    )
    [entry] = store.history.entries([session(1).id])
    assert (entry.agent_id, entry.end_user, entry.title) == ("agent_1", "anna", "Refund")
    assert [*entry.tags] == ["vip", "de"]
    assert (entry.status, entry.created_ms) == ("started", BEGIN_MS + 1)
    assert (entry.forked_from_session_id, entry.forked_from_sequence) == (session(9).id, 4)


def test_an_entry_has_the_status_that_follows_from_the_log(store: Store) -> None:
    store.sessions.insert(session(1))
    begun = events(1, 1, kind=EventType.SESSION_STARTED)
    store.logs.append([append(1, begun, status="active")])
    assert [entry.status for entry in store.history.entries([session(1).id])] == ["active"]


def test_agents_have_names(store: Store) -> None:
    store.agents.put(agent(1))
    store.agents.put(agent(2, status="archived"))
    assert store.history.agent_names() == {
        agent(1).id: "Agent 1",
        agent(2).id: "Agent 2",
    }


def test_events_of_stretches_come_in_order_up_to_a_size(store: Store) -> None:
    for number in (1, 2):
        store.sessions.insert(session(number))
        store.logs.append([append(number, events(number, 1, 5))])
    stretches = [Stretch(session(2).id, 1, 3), Stretch(session(1).id, 0, 5)]
    size = len(events(2, 2)[0].body)

    def read(size_bytes: int) -> list[tuple[str, int]]:
        found = store.history.events(stretches, size_bytes)
        return [(event.session_id[-1], event.sequence) for event in found]

    assert read(AMPLE) == [("2", 2), ("2", 3), *(("1", place) for place in range(1, 6))]
    assert read(1) == [("2", 2)]
    assert read(3 * size) == [("2", 2), ("2", 3), ("1", 1)]


def test_events_are_as_they_were_stored_however_wide(store: Store) -> None:
    store.sessions.insert(session(1))
    stored = [*events(1, 1), *events(1, 2, text="w" * 100_000), *events(1, 3)]
    store.logs.append([append(1, stored)])
    assert store.history.events([Stretch(session(1).id, 0, 3)], AMPLE) == stored
