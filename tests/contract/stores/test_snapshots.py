"""What every store does with the snapshots of sessions."""

from dataclasses import replace
from pathlib import Path

import pytest

from everruns.domain.sessions import Session
from everruns.domain.snapshots import Snapshot
from everruns.storage.data_directory.opening import open_store
from everruns.storage.journal.store import JournaledStore
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery
from everruns.storage.memory.store import MemoryStore
from everruns.storage.sessions import StoredLog
from everruns.storage.store import Store
from tests.logs import SESSION_ID, LogWriter

FORMAT = 7
LARGE = b"x" * 200_000


@pytest.fixture
def log(store: Store) -> LogWriter:
    """The log of a stored session with three turns."""
    session = Session.model_validate(
        {
            "id": SESSION_ID,
            "harness_id": "h",
            "organization_id": "o",
            "workspace_id": SESSION_ID.replace("session_", "workspace_"),
            "created_at": "2026-01-01T00:00:00.000Z",
            "updated_at": "2026-01-01T00:00:00.000Z",
        }
    )
    store.sessions.insert(session)
    log = LogWriter(session.id)
    for turn in range(3):
        log.user(f"hi {turn}")
        log.agent("hello")
        log.end()
    assert store.logs.append([log.as_append()]) == [None]
    return log


def snapshot(sequence: int, content: bytes = b"state") -> Snapshot:
    return Snapshot(SESSION_ID, sequence, FORMAT, content)


def load(store: Store, snapshot_format: int | None = FORMAT) -> StoredLog:
    loaded = store.sessions.take(SESSION_ID, 0, snapshot_format)
    assert loaded is not None
    return replace(loaded, events=list(loaded.events))


def test_a_session_is_loaded_from_its_snapshot_on(store: Store, log: LogWriter):
    assert store.sessions.put_snapshot(snapshot(8))
    loaded = load(store)
    assert loaded.snapshot == snapshot(8)
    assert loaded.events == log.events[7:]
    assert loaded.session == store.sessions.find(SESSION_ID)


@pytest.mark.parametrize("content", [b"another", LARGE])
def test_the_newest_snapshot_replaces_the_earlier_one(store: Store, log: LogWriter, content: bytes):
    for sequence, stored in ((3, LARGE), (8, content)):
        assert store.sessions.put_snapshot(snapshot(sequence, stored))
    assert load(store).snapshot == snapshot(8, content)


@pytest.mark.parametrize("wanted", [None, FORMAT + 1])
def test_without_a_snapshot_of_the_format_the_whole_log_is_loaded(
    store: Store, log: LogWriter, wanted: int | None
):
    loaded = load(store)
    assert loaded == StoredLog(loaded.session, log.events, loaded.holder)
    store.sessions.put_snapshot(snapshot(8))
    loaded = load(store, wanted)
    assert (loaded.snapshot, loaded.events) == (None, log.events)


def test_a_session_is_deleted_with_its_snapshot(store: Store, log: LogWriter):
    session = load(store).session
    store.sessions.put_snapshot(snapshot(8, LARGE))
    store.sessions.delete(SESSION_ID)
    assert store.sessions.take(SESSION_ID, 0, FORMAT) is None
    assert not store.sessions.put_snapshot(snapshot(8))
    # Nothing of it is left for a session that is restored under the same id.
    store.sessions.insert(session)
    store.logs.append([log.as_append()])
    assert load(store).snapshot is None


def test_a_snapshot_can_be_stored_as_soon_as_its_events_are(store: Store, log: LogWriter):
    log.user("more")
    new = log.events[-2:]
    assert store.logs.append([Append(SESSION_ID, 13, new, log.state.summary, FIRST_HOLDER)]) == [
        None
    ]
    assert store.sessions.put_snapshot(snapshot(14))
    assert load(store).events == new[1:]


# Only a data directory is copied by its store.
@pytest.mark.parametrize("store", ["duckdb"], indirect=True)
@pytest.mark.usefixtures("log")
def test_a_copy_of_the_store_has_the_snapshots(tmp_path: Path, store: JournaledStore):
    store.sessions.put_snapshot(snapshot(8, LARGE))
    (tmp_path / "copy").mkdir()
    store.copy_to(tmp_path / "copy" / "everruns.duckdb")
    copied = open_store(tmp_path / "copy")
    try:
        assert load(copied).snapshot == snapshot(8, LARGE)
    finally:
        copied.close()


QUERIES = [
    EventQuery(after=2_990, limit=5),
    EventQuery(before=4, newest_first=True, limit=2),
    EventQuery(types=("message.created",), offset=1_500, limit=3),
    EventQuery(types=("session.completed",), newest_first=True, limit=1),
    EventQuery(after=10, before=2_500, without=[(5, 2_400)]),
    EventQuery(after=3_000),
]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_pages_of_a_long_log_are_those_of_a_short_one(store: Store, log: LogWriter, query):
    """A long log is read in another way than a short one."""
    while len(log.events) < 3_000:
        log.user("hi")
        log.agent("hello")
        log.end()
    memory = MemoryStore()
    memory.sessions.insert(store.sessions.find(SESSION_ID))
    memory.logs.append([Append(SESSION_ID, 1, log.events[:12], log.state.summary, FIRST_HOLDER)])
    for start in range(12, len(log.events), 200):
        part = log.events[start : start + 200]
        append = Append(SESSION_ID, start + 1, part, log.state.summary, FIRST_HOLDER)
        assert store.logs.append([append]) == memory.logs.append([append]) == [None]
    assert store.logs.read(SESSION_ID, query) == memory.logs.read(SESSION_ID, query)
    counted = replace(query, limit=None, offset=0)
    assert store.logs.count(SESSION_ID, counted) == memory.logs.count(SESSION_ID, counted)
