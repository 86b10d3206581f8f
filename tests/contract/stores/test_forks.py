"""What every store does with forks."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from everruns.domain.events import Event, EventType, NewEvent
from everruns.domain.forks import forked_event
from everruns.domain.sessions import Session, SessionSummary
from everruns.domain.snapshots import FORMAT, resume, snapshot_of
from everruns.domain.state import fold
from everruns.ids import new_id
from everruns.storage.files import StoredFile
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery, LogHead
from everruns.storage.receipts import Receipt
from everruns.storage.sessions import Fork
from everruns.storage.store import Store
from tests.logs import LogWriter, call_part, logs
from tests.stored import append, budget, events, file, listed, session, time, workspace

WIDE = 100_000


def stored(store: Store, log: LogWriter) -> Session:
    """A session with this log."""
    made = session(1, id=log.session_id)
    store.sessions.insert(made)
    assert store.logs.append([log.as_append()]) == [None]
    return made


def fork_of(source: Session, copied: list[Event], number: int = 2, **fields: Any) -> Fork:
    """A fork of a session with these events of its log."""
    new = session(
        number, forked_from_session_id=source.id, forked_from_sequence=len(copied), tags=["fork"]
    )
    if not copied:
        return Fork(source.id, 0, new, **fields)
    forked = forked_event(new, copied[-1], 1_900_000_000_000)
    summary = SessionSummary(
        status="idle", sequence=forked.sequence, preview="in", updated_at=time(9)
    )
    log = Append(new.id, forked.sequence, [forked], summary, FIRST_HOLDER)
    return Fork(source.id, len(copied), new, log, **fields)


def read(store: Store, session_id: str) -> list[Event]:
    return store.logs.read(session_id, EventQuery())


def talked(turns: int = 3, **kwargs: Any) -> LogWriter:
    log = LogWriter(**kwargs)
    for turn in range(turns):
        log.user(f'"session_id":"{log.session_id}" {turn}', key=f"k{turn}")
        log.agent(calls=[call_part(f"call_{turn}", session_id=log.session_id)])
        log.tool_call(f"call_{turn}")
        log.tool_result(f"call_{turn}", {"session_id": log.session_id})
        log.agent("Ünïcode 🎉 \x00", usage={"output_tokens": 7})
        log.end()
    return log


def test_a_fork_has_the_events_up_to_a_place_and_then_its_own(store: Store) -> None:
    log = talked()
    source = stored(store, log)
    fork = fork_of(source, log.events[:6])
    assert fork.log is not None

    assert store.sessions.fork(fork)

    new = fork.session.id
    assert read(store, new) == [
        *(event.copied(new) for event in log.events[:6]),
        *fork.log.events,
    ]
    assert read(store, source.id) == log.events
    found = store.sessions.find(new)
    assert found == fork.session.summed_up(fork.log.summary)
    assert (found.usage.output_tokens, found.status) == (0, "idle")
    assert store.logs.heads([new]) == {new: LogHead(7, FIRST_HOLDER)}
    assert listed(store, tags=["fork"]) == [2]


def test_only_what_an_event_is_called_and_where_it_is_differs_in_a_fork(store: Store) -> None:
    log = talked()
    source = stored(store, log)
    store.sessions.fork(fork_of(source, log.events))
    new = session(2).id

    for own, copied in zip(log.events, read(store, new), strict=False):
        was, now = own.envelope, copied.envelope
        assert (now.pop("session_id"), now.pop("id")) == (new, copied.id)
        assert (was.pop("session_id"), was.pop("id")) == (source.id, own.id)
        if own.type == EventType.MESSAGE_CREATED:
            assert now["data"]["message"].pop("session_id") == new
            assert was["data"]["message"].pop("session_id") == source.id
        assert now == was
        rebuilt = NewEvent(EventType(own.type), {}, {}).at(new, own.sequence, own.ts)
        assert copied.id == rebuilt.id


@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(log=logs(max_steps=12))
def test_a_store_copies_any_event_as_the_domain_does(store: Store, log: LogWriter) -> None:
    log = replaced(log, new_id("session"))
    source = stored(store, log)
    new = new_id("session")
    fork = fork_of(source, log.events)
    assert fork.log is not None
    fork = replace(
        fork,
        session=fork.session.model_copy(update={"id": new}),
        log=None,
    )

    assert store.sessions.fork(fork)

    assert read(store, new) == [event.copied(new) for event in log.events]


def replaced(log: LogWriter, session_id: str) -> LogWriter:
    """The same log in another session."""
    events = [event.copied(session_id) for event in log.events]
    other = LogWriter(session_id, log.now, events)
    other.state.apply_all(events)
    return other


def test_wide_events_are_copied_too(store: Store) -> None:
    log = LogWriter()
    log.user("é" * WIDE)
    log.agent("a", calls=[call_part("call_1")])
    log.tool_result("call_1", "ü" * WIDE)
    log.agent("b")
    log.end()
    log.user("c" * WIDE)
    source = stored(store, log)

    assert store.sessions.fork(fork_of(source, log.events[:6]))
    assert store.sessions.delete(source.id)

    copied = read(store, session(2).id)
    assert copied[:6] == [event.copied(session(2).id) for event in log.events[:6]]


def test_a_fork_outlives_its_source_with_its_history_and_its_files(store: Store) -> None:
    log = talked()
    source = stored(store, log)
    wide = file("/wide", bytes(range(256)) * 1000, encoding="base64", is_readonly=True)
    store.files.put([StoredFile(source.workspace_id, each) for each in (file("/a", b"hi"), wide)])
    fork = fork_of(source, log.events, files_of=source.workspace_id)

    assert store.sessions.fork(fork)
    assert store.sessions.delete(source.id)

    new = fork.session
    assert len(read(store, new.id)) == len(log.events) + 1
    assert store.files.list(new.workspace_id, "/", contents=True) == [file("/a", b"hi"), wide]
    assert store.files.list(source.workspace_id, "/") == []
    assert store.sessions.delete(new.id)
    assert store.files.list(new.workspace_id, "/") == []


def test_a_workspace_that_a_fork_shares_outlives_both(store: Store) -> None:
    log = talked()
    source = stored(store, log)
    store.files.put([StoredFile(source.workspace_id, file("/a", b"hi"))])
    fork = fork_of(source, log.events, shared=workspace(1))

    assert store.sessions.fork(fork)
    assert store.sessions.delete(source.id)

    assert store.files.find(source.workspace_id, "/a") == file("/a", b"hi")
    assert store.workspaces.find(source.workspace_id) == workspace(1)


def test_a_workspace_that_is_shared_already_stays_as_it_is(store: Store) -> None:
    named = workspace(1, name="Ours")
    store.workspaces.put(named)
    log = talked()

    store.sessions.fork(fork_of(stored(store, log), log.events, shared=workspace(1)))

    assert store.workspaces.find(named.id) == named


def test_a_fork_of_nothing_has_an_empty_log(store: Store) -> None:
    source = stored(store, talked())

    assert store.sessions.fork(fork_of(source, []))

    new = session(2).id
    assert read(store, new) == []
    assert store.sessions.find(new).status == "started"
    assert store.logs.heads([new]) == {new: LogHead(0, FIRST_HOLDER)}
    assert store.logs.append([append(2, events(2, 1))]) == [None]


def test_a_fork_goes_on_by_itself(store: Store) -> None:
    log = talked()
    source = stored(store, log)
    fork = fork_of(source, log.events)
    store.sessions.fork(fork)
    end = len(log.events) + 2
    more = [replace(append(2, events(2, end)), holder=FIRST_HOLDER)]

    assert store.logs.append(more) == [None]

    assert len(read(store, session(2).id)) == end
    assert len(read(store, source.id)) == len(log.events)


def test_a_fork_can_be_forked(store: Store) -> None:
    log = talked()
    source = stored(store, log)
    store.sessions.fork(fork_of(source, log.events))
    first = read(store, session(2).id)

    assert store.sessions.fork(fork_of(session(2), first, 3))
    store.sessions.delete(session(2).id)

    copied = read(store, session(3).id)
    assert copied[:-1] == [event.copied(session(3).id) for event in first]
    assert [event.type for event in copied[-2:]] == ["session.forked", "session.forked"]


@pytest.mark.parametrize("sequence", [1, 99])
def test_nothing_is_stored_if_the_source_lacks_the_events(store: Store, sequence: int) -> None:
    log = talked()
    source = stored(store, log)
    if sequence == 1:
        store.sessions.delete(source.id)
    receipt = Receipt("key", "request", b"{}", session(2).id)
    fork = replace(fork_of(source, log.events, receipt=receipt), sequence=sequence)

    assert not store.sessions.fork(fork)

    assert store.sessions.find(session(2).id) is None
    assert read(store, session(2).id) == []
    assert store.receipts.find("key") is None


def test_a_fork_comes_with_its_receipt_and_neither_with_budgets_nor_charges(store: Store) -> None:
    log = talked()
    source = stored(store, log)
    store.budgets.put(budget(1, source.id))
    store.budgets.put(budget(2, "agent_1"))
    receipt = Receipt("key", "request", b"{}", session(2).id)

    store.sessions.fork(fork_of(source, log.events, receipt=receipt))

    assert store.receipts.find("key") == receipt
    assert not store.budgets.is_budgeted(session(2).id)
    assert store.ledger.list(budget(2, "agent_1").id, 0, 10) == ([], 0)


def test_a_fork_is_loaded_from_the_snapshot_of_its_source(store: Store) -> None:
    log = talked()
    source = stored(store, log)
    state = fold(log.session_id, log.events[:9])
    store.sessions.put_snapshot(snapshot_of(state, log.events[8]))
    life = store.registry.begin_life()

    for number, cut, begins_at in ((2, 12, 9), (3, 6, 1)):
        store.sessions.fork(fork_of(source, log.events[:cut], number))
        taken = store.sessions.take(session(number).id, life, FORMAT)

        assert taken is not None
        assert taken.events[0].sequence == begins_at
        if taken.snapshot is None:
            continue
        resumed = resume(taken.snapshot, taken.events)
        whole = fold(session(number).id, read(store, session(number).id))
        assert resumed.summary == whole.summary
        kept = [message for message in whole.history if message.sequence not in resumed.earlier]
        assert resumed.history == kept
        assert resumed.size_bytes == whole.size_bytes
