"""The archive says what the store says, whatever happens to either."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pytest

from everruns.archive.archive import Archive
from everruns.archive.files import LOCK_FILE, SPOOL
from everruns.archive.manifest import MANIFEST_FILE
from everruns.errors import Conflict
from everruns.registry.database import Database
from everruns.registry.history import History
from everruns.storage.data_directory.opening import open_store
from everruns.storage.memory.store import MemoryStore
from everruns.storage.sessions import Fork
from everruns.storage.store import Store
from tests.stored import agent, answer, append, events, session


@pytest.fixture(params=["memory", "duckdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else open_store(tmp_path / "data")


@pytest.fixture
async def history(store: Store) -> AsyncIterator[History]:
    database = Database(store)
    yield History(database)
    await database.close()


@pytest.fixture
async def archive(history: History, tmp_path: Path) -> AsyncIterator[Archive]:
    archive = Archive(tmp_path / "archive", history)
    yield archive
    await archive.close()


def rows(folder: Path, archive: Archive, query: str) -> list[Any]:
    """Query the events and sessions of an archive."""

    def place(path: str) -> str:
        return str(folder / "archive" / path)

    with archive.reading() as state, duckdb.connect() as connection:
        if state.parts:
            parts = [place(part.path) for part in state.parts]
            connection.read_parquet(parts, hive_partitioning=True).create_view("events")
        else:
            connection.execute("CREATE TABLE events (session_id VARCHAR, sequence BIGINT)")
        if state.sessions:
            connection.read_parquet(place(state.sessions)).create_view("sessions")
        return connection.execute(query).fetchall()


def logs(folder: Path, archive: Archive) -> list[tuple[int, int]]:
    """Return session number and sequence of every event."""
    query = "SELECT session_id, sequence FROM events ORDER BY ALL"
    return [(int(one[-32:], 16), place) for one, place in rows(folder, archive, query)]


async def test_it_has_every_event_once(store: Store, archive: Archive, tmp_path: Path) -> None:
    for number in (1, 2):
        store.sessions.insert(session(number))
        store.logs.append([append(number, events(number, 1, 2))])
    assert (await archive.refresh()).added == 4
    store.logs.append([append(1, events(1, 3))])
    assert (await archive.refresh()).added == 1
    assert (await archive.refresh()).added == 0
    assert logs(tmp_path, archive) == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]


async def test_a_change_that_an_older_time_hides_is_found(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    store.sessions.insert(session(1, updated_at="2028-01-01T00:00:00.000Z"))
    await archive.refresh()
    store.sessions.insert(session(2))
    store.logs.append([append(2, events(2, 1))])
    await archive.refresh()
    assert logs(tmp_path, archive) == [(2, 1)]


async def test_a_deleted_session_is_gone_after_the_next_refresh(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    for number in (1, 2):
        store.sessions.insert(session(number))
        store.logs.append([append(number, events(number, 1, 2))])
    await archive.refresh()
    store.sessions.delete(session(1).id)
    assert (await archive.refresh()).removed == 1
    assert logs(tmp_path, archive) == [(2, 1), (2, 2)]
    assert rows(tmp_path, archive, "SELECT id FROM sessions") == [(session(2).id,)]
    on_disk = b"".join(path.read_bytes() for path in (tmp_path / "archive").rglob("*.*"))
    assert session(1).id.encode() not in on_disk


async def test_a_removal_that_takes_long_goes_on_the_next_time(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    store.sessions.insert(session(1))
    for place in (1, 2, 3):
        store.logs.append([append(1, events(1, place))])
        await archive.refresh()
    store.sessions.delete(session(1).id)
    assert [(await archive.refresh(limit_s=0)).missing > 0 for _ in range(4)] == [
        *(True, True, True),
        False,
    ]
    assert logs(tmp_path, archive) == []


async def test_a_reader_keeps_the_files_that_it_reads(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1))])
    await archive.refresh()
    store.sessions.delete(session(1).id)
    with archive.reading() as state:
        await archive.refresh()
        assert all((tmp_path / "archive" / path).exists() for path in state.paths)
    assert not any((tmp_path / "archive" / path).exists() for path in state.paths)


async def test_a_later_reader_does_not_keep_what_only_an_earlier_one_reads(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1))])
    await archive.refresh()
    store.sessions.delete(session(1).id)
    with ExitStack() as later:
        with archive.reading() as state:
            await archive.refresh()
            later.enter_context(archive.reading())
        assert not any((tmp_path / "archive" / path).exists() for path in state.paths)


async def test_events_that_a_fork_has_from_its_source_are_marked(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 2))])
    forked = session(2, forked_from_session_id=session(1).id, forked_from_sequence=2)
    assert store.sessions.fork(Fork(session(1).id, 2, forked, append(2, events(2, 3))))
    await archive.refresh()
    query = "SELECT is_copied FROM events WHERE session_id LIKE '%2' ORDER BY sequence"
    assert rows(tmp_path, archive, query) == [(True,), (True,), (False,)]


async def test_sessions_are_as_they_are_now(store: Store, archive: Archive, tmp_path: Path) -> None:
    store.agents.put(agent(1))
    store.sessions.insert(session(1, agent_id=agent(1).id, tags=["a"]))
    store.logs.append([append(1, events(1, 1, 2), status="active")])
    await archive.refresh()
    store.sessions.update(session(1, agent_id=agent(1).id, title="New", tags=["b", "c"]))
    store.agents.put(agent(1, name="Clerk"))
    await archive.refresh()
    query = "SELECT title, agent_name, tags, status, events FROM sessions"
    assert rows(tmp_path, archive, query) == [("New", "Clerk", ["b", "c"], "active", 2)]


async def test_a_renamed_agent_alone_is_noticed(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    store.agents.put(agent(1))
    store.sessions.insert(session(1, agent_id=agent(1).id))
    await archive.refresh()
    store.agents.put(agent(1, name="Clerk"))
    await archive.refresh()
    assert rows(tmp_path, archive, "SELECT agent_name FROM sessions") == [("Clerk",)]


async def test_a_long_log_and_wide_events_arrive_whole(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    store.sessions.insert(session(1))
    wide = events(1, 1, 30, text="w" * 100_000)
    store.logs.append([append(1, [*wide, *events(1, 31, 2_500)])])
    assert (await archive.refresh()).added == 2_530
    query = "SELECT count(*), count(DISTINCT sequence), max(sequence) FROM events"
    assert rows(tmp_path, archive, query) == [(2_530, 2_530, 2_530)]


async def test_what_a_limit_leaves_comes_later(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    for number in range(1, 5):
        store.sessions.insert(session(number))
        store.logs.append([append(number, events(number, 1, 3))])
    added, missing = 0, 12
    while missing:
        refreshed = await archive.refresh(limit_s=0)
        added, missing = added + refreshed.added, refreshed.missing
        assert added + missing == 12
    assert len(logs(tmp_path, archive)) == 12


async def test_usage_is_in_columns(store: Store, archive: Archive, tmp_path: Path) -> None:
    store.sessions.insert(session(1))
    store.logs.append([answer(1, 1, tokens=7, usd=0.25)])
    await archive.refresh()
    query = "SELECT message_id, output_tokens, cost_usd, day FROM events"
    (found,) = rows(tmp_path, archive, query)
    assert found[:3] == ("message_1", 7, 0.25)
    assert str(found[3]) == "2027-01-15"


async def test_merging_changes_no_row(store: Store, archive: Archive, tmp_path: Path) -> None:
    store.sessions.insert(session(1))
    for place in range(1, 20):
        store.logs.append([append(1, events(1, place))])
        await archive.refresh()
    before = logs(tmp_path, archive)
    await archive.merge()
    with archive.reading() as state:
        assert len(state.parts) < 19
    assert logs(tmp_path, archive) == before


async def test_it_goes_on_where_an_earlier_process_stood(
    store: Store, archive: Archive, history: History, tmp_path: Path
) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 2))])
    await archive.refresh()
    await archive.close()
    store.logs.append([append(1, events(1, 3))])
    again = Archive(tmp_path / "archive", history)
    assert (await again.refresh()).added == 1
    assert logs(tmp_path, again) == [(1, 1), (1, 2), (1, 3)]
    await again.close()


async def test_only_one_process_keeps_it(
    archive: Archive, history: History, tmp_path: Path
) -> None:
    with pytest.raises(Conflict):
        Archive(tmp_path / "archive", history)


@pytest.mark.parametrize("damage", ["manifest", "sessions", "format"])
async def test_a_damaged_archive_is_built_anew(
    store: Store, archive: Archive, history: History, tmp_path: Path, damage: str
) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 2))])
    await archive.refresh()
    with archive.reading() as state:
        sessions = tmp_path / "archive" / str(state.sessions)
    await archive.close()
    manifest = tmp_path / "archive" / MANIFEST_FILE
    match damage:
        case "manifest":
            manifest.write_bytes(b"{")
        case "sessions":
            sessions.write_bytes(b"PAR1")
        case _:
            manifest.write_bytes(manifest.read_bytes().replace(b'"format":1', b'"format":99'))
    again = Archive(tmp_path / "archive", history)
    await again.refresh()
    assert logs(tmp_path, again) == [(1, 1), (1, 2)]
    await again.close()


async def test_a_session_restored_from_a_backup_is_read_again(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 3))])
    await archive.refresh()
    store.sessions.delete(session(1).id)
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 2))])
    await archive.refresh()
    assert logs(tmp_path, archive) == [(1, 1), (1, 2)]


async def test_nobody_else_can_read_it(store: Store, archive: Archive, tmp_path: Path) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1))])
    await archive.refresh()
    for path in [tmp_path / "archive", *(tmp_path / "archive").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


async def test_nothing_is_left_in_the_spool(store: Store, archive: Archive, tmp_path: Path) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1))])
    await archive.refresh()
    assert [*(tmp_path / "archive" / SPOOL).iterdir()] == []
    assert (tmp_path / "archive" / LOCK_FILE).read_bytes() == b""
