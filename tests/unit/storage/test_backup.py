"""A backup holds everything that was acknowledged when it was begun, while others go on."""

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from pydantic import SecretStr

from everruns.domain.events import EventType, NewEvent
from everruns.domain.llm import Provider, ProviderAccount
from everruns.domain.sessions import Session, SessionSummary
from everruns.errors import Conflict, StoreUnavailable
from everruns.storage.data_directory.backup import make_backup_directory
from everruns.storage.data_directory.opening import open_store
from everruns.storage.journal.store import JournaledStore
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery

TIME = "2026-01-01T00:00:00.000Z"
SESSION = f"session_{1:032x}"
# More than a row may hold, so that it is stored in chunks.
WIDE = "x" * 100_000

pytestmark = pytest.mark.usefixtures("umask")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JournaledStore]:
    store = open_store(tmp_path / "data")
    store.sessions.insert(
        Session(
            id=SESSION,
            harness_id="h",
            organization_id="o",
            workspace_id="w",
            created_at=TIME,
            updated_at=TIME,
        )
    )
    yield store
    store.close()


def append(store: JournaledStore, sequence: int, text: str = "") -> None:
    event = NewEvent(EventType.MESSAGE_CREATED, {"text": text}, {}).at(SESSION, sequence, sequence)
    summary = SessionSummary(sequence=sequence)
    assert store.logs.append([Append(SESSION, sequence, [event], summary, FIRST_HOLDER)]) == [None]


def texts(store: JournaledStore) -> list[str]:
    return [event.data["text"] for event in store.logs.read(SESSION, EventQuery())]


def test_a_server_goes_back_to_a_backup(store: JournaledStore, tmp_path: Path) -> None:
    provider = Provider(
        id="provider_1", name="p", provider_type="openai", created_at=TIME, updated_at=TIME
    )
    account = ProviderAccount(provider=provider, api_key=SecretStr("sk-secret"))
    store.providers.put(account)
    append(store, 1, WIDE)

    store.copy_to(make_backup_directory(tmp_path / "data", tmp_path / "backup"))
    append(store, 2, "later")

    copy = open_store(tmp_path / "backup")
    try:
        assert texts(copy) == [WIDE]
        assert copy.providers.list() == [account]
    finally:
        copy.close()


def test_all_that_was_acknowledged_is_in_a_backup_made_while_others_write(
    store: JournaledStore, tmp_path: Path
) -> None:
    stop = Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            append(store, written + 1, str(written + 1))
            written += 1

    target = make_backup_directory(tmp_path / "data", tmp_path / "backup")
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        try:
            while written < 100 and not writing.done():
                stop.wait(0.01)
            acknowledged = written
            store.copy_to(target)
        finally:
            stop.set()
        writing.result()

    copy = open_store(tmp_path / "backup")
    try:
        found = texts(copy)
    finally:
        copy.close()
    assert acknowledged <= len(found) <= written
    assert found == [str(number + 1) for number in range(len(found))]


def test_a_backup_is_for_its_owner_alone_and_has_no_other_files(
    store: JournaledStore, tmp_path: Path
) -> None:
    store.copy_to(make_backup_directory(tmp_path / "data", tmp_path / "backup"))

    made = [tmp_path / "backup", *(tmp_path / "backup").iterdir()]
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in made} == {
        "backup": "0o700",
        "everruns.duckdb": "0o600",
        "encryption.key": "0o600",
    }


def test_a_backup_overwrites_nothing(store: JournaledStore, tmp_path: Path) -> None:
    kept = tmp_path / "backup" / "notes"
    kept.parent.mkdir()
    kept.touch()

    with pytest.raises(Conflict, match="not empty"):
        make_backup_directory(tmp_path / "data", tmp_path / "backup")


def test_a_backup_that_cannot_be_written_leaves_no_file(
    store: JournaledStore, tmp_path: Path
) -> None:
    with pytest.raises(StoreUnavailable):
        store.copy_to(tmp_path / "missing" / "everruns.duckdb")

    append(store, 1)
    store.copy_to(tmp_path / "everruns.duckdb")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["everruns.duckdb"]
