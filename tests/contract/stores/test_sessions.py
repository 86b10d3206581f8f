"""What every store does with sessions."""

from dataclasses import replace

from everruns.domain.usage import Usage
from everruns.ids import parse_time
from everruns.storage.files import StoredFile
from everruns.storage.logs import FIRST_HOLDER, EventQuery, LogHead
from everruns.storage.receipts import Receipt
from everruns.storage.sessions import NewSession
from everruns.storage.store import Store
from tests.stored import append, events, file, listed, log, session, time


def test_a_stored_session_is_found_as_it_was(store: Store) -> None:
    stored = session(
        1, title="t", tags=["x"], locale="de", model_id="p/m", max_iterations=4, end_user="alice"
    )
    store.sessions.insert(stored)
    assert store.sessions.find(stored.id) == stored
    assert store.sessions.find("session_0") is None


def test_a_session_comes_with_its_files_and_its_receipt(store: Store) -> None:
    receipt = Receipt("key", "request", b'{"id": 1}')
    store.sessions.insert(session(1), [StoredFile("workspace_1", file("/a", b"hi"))], receipt)
    assert store.files.find("workspace_1", "/a") == file("/a", b"hi")
    assert store.receipts.find("key") == receipt


def test_a_session_can_begin_with_a_log_that_goes_on(store: Store) -> None:
    begun = append(1, events(1, 1, 3), status="idle", preview="in", updated_at=time(2))
    store.sessions.insert(session(1), (), Receipt("key", "request", b"{}"), begun)

    assert log(store, 1) == [1, 2, 3]
    found = store.sessions.find(session(1).id)
    assert (found.status, found.preview) == ("idle", "in")
    assert store.logs.heads([found.id]) == {found.id: LogHead(3, FIRST_HOLDER)}
    assert store.receipts.find("key") is not None
    assert store.logs.append([append(1, events(1, 4))]) == [None]
    assert listed(store, status="active") == [1]


def test_events_are_read_without_the_ranges_to_leave_out(store: Store) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 9))])
    query = EventQuery(without=[(2, 3), (7, 9)])

    found = store.logs.read(session(1).id, query)

    assert [event.sequence for event in found] == [1, 4, 5, 6]
    assert store.logs.count(session(1).id, query) == 4
    page = store.logs.read(session(1).id, replace(query, offset=1, limit=2))
    assert [event.sequence for event in page] == [4, 5]


def test_a_deleted_session_takes_its_receipt_along_and_no_other(store: Store) -> None:
    for number in (1, 2):
        receipt = Receipt(f"key {number}", "request", b"{}", session(number).id)
        store.sessions.insert(session(number), receipt=receipt)
    assert store.sessions.delete(session(1).id)
    assert store.receipts.find("key 1") is None
    assert store.receipts.find("key 2") is not None


def test_a_changed_session_keeps_what_its_log_says(store: Store) -> None:
    store.sessions.insert(session(1, title="old", tags=["a", "b"], end_user="alice"))
    summary = {"status": "idle", "preview": "in", "updated_at": time(5)}
    store.logs.append([append(1, events(1, 1), **summary)])
    changes = {"title": "new", "tags": ["b", "c"], "metadata": {"order": 17}, "model_id": "p/m"}

    stale = session(1, end_user="alice", updated_at=time(7), **changes)
    assert store.sessions.update(stale)

    expected = stale.model_copy(update={"status": "idle", "preview": "in"})
    assert store.sessions.find(stale.id) == expected
    assert [listed(store, tags=[tag]) for tag in "abc"] == [[], [1], [1]]
    assert listed(store, search="new") == [1]
    assert listed(store, updated_from_ms=parse_time(time(7))) == [1]

    store.logs.append([append(1, events(1, 2), **summary | {"updated_at": time(6)})])
    assert store.sessions.find(stale.id).updated_at == time(7)
    assert listed(store, updated_from_ms=parse_time(time(7))) == [1]


def test_a_session_that_does_not_exist_is_not_changed(store: Store) -> None:
    assert not store.sessions.update(session(1, tags=["a"]))
    assert listed(store) == []
    assert listed(store, tags=["a"]) == []


def test_a_session_grows_and_shrinks_by_changes(store: Store) -> None:
    store.sessions.insert(session(1))
    for prompt in ("wide " * 20_000, "wider " * 30_000, None):
        changed = session(1, system_prompt=prompt)
        assert store.sessions.update(changed)
        assert store.sessions.find(changed.id) == changed


def test_a_session_says_what_its_last_append_summed_up(store: Store) -> None:
    store.sessions.insert(session(1, title="t", end_user="alice"))
    summary = {
        "status": "idle",
        "usage": Usage(input_tokens=5, output_tokens=7, estimated_cost_usd=0.25),
        "preview": "in",
        "output_preview": "out",
        "started_at": time(10),
        "finished_at": time(11),
        "last_outcome": "failed",
        "updated_at": time(12),
    }
    store.logs.append([append(1, events(1, 1, 2), **summary)])
    assert store.sessions.find(session(1).id) == session(1, title="t", end_user="alice", **summary)


def test_deleting_a_session_takes_its_log_and_files_along(store: Store) -> None:
    for number in (1, 2):
        files = [StoredFile(f"workspace_{number}", file("/a"))]
        store.sessions.insert(session(number), files)
        store.logs.append([append(number, events(number, 1, 3))])
    assert store.sessions.delete(session(1).id)
    assert not store.sessions.delete(session(1).id)
    assert store.sessions.find(session(1).id) is None
    assert log(store, 1) == []
    assert store.files.list("workspace_1", "/") == []
    assert log(store, 2) == [1, 2, 3]
    assert len(store.files.list("workspace_2", "/")) == 1


def test_sessions_that_are_stored_together_have_what_each_begins_with(store: Store) -> None:
    wide = Receipt("wide", "request", b"x" * 100_000, session(2).id)
    new = [
        NewSession(session(1, tags=["a"])),
        NewSession(session(2), [StoredFile("workspace_2", file("/a", b"hi"))], wide),
        NewSession(session(3), log=append(3, events(3, 1, 2))),
        NewSession(session(4, system_prompt="x" * 100_000), receipt=Receipt("k", "r", b"{}")),
    ]
    store.sessions.insert_many(new)

    assert [store.sessions.find(session(number).id) for number in (1, 2, 4)] == [
        each.session for each in new if each.log is None
    ]
    assert store.files.read("workspace_2", ["/a"]) == [file("/a", b"hi")]
    assert store.receipts.find("wide") == wide
    assert store.receipts.find("k") == Receipt("k", "r", b"{}")
    assert log(store, 3) == [1, 2]
    heads = store.logs.heads([each.session.id for each in new])
    assert {head.holder for head in heads.values()} == {FIRST_HOLDER}


def test_a_session_that_is_there_stays_as_it_is(store: Store) -> None:
    store.sessions.insert(session(1), log=append(1, events(1, 1)))
    files = [StoredFile("workspace_1", file("/a", b"late"))]
    late = NewSession(session(1, title="late"), files, Receipt("late", "r", b"{}"))
    store.sessions.insert_many([late, NewSession(session(2))])

    kept = store.sessions.find(session(1).id)
    assert kept is not None
    assert kept.title is None
    assert store.files.read("workspace_1", ["/a"]) == []
    assert store.receipts.find("late") is None
    assert log(store, 1) == [1]
    assert store.sessions.find(session(2).id) == session(2)
