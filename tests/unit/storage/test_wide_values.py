"""Values of megabytes neither exhaust the database nor make a list too large."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from everruns.domain.agents import Agent
from everruns.domain.events import Event, EventType, NewEvent
from everruns.domain.files import File
from everruns.domain.sessions import Session, SessionSummary
from everruns.storage import pages
from everruns.storage.agents import AgentQuery
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.duckdb.database import DuckDB
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.files import StoredFile
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery
from everruns.storage.pages import cut, is_last
from everruns.storage.receipts import Receipt
from everruns.storage.sessions import NewSession
from everruns.storage.sql import chunks
from everruns.storage.sql.chunks import INLINE_BYTES
from everruns.storage.sql.migrate import migrate
from everruns.storage.sql.store import SqlStore

KIB = 1024
LARGE_BYTES = 1200 * KIB
COUNT = 20
SESSION = f"session_{1:032x}"
WIDTHS = [INLINE_BYTES - 1, INLINE_BYTES, INLINE_BYTES + 1, 3 * INLINE_BYTES + 7]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = duckdb_engine(str(tmp_path / "everruns.duckdb"))
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> Iterator[SqlStore]:
    store = SqlStore(DuckDB(engine), Cipher(bytes(32)))
    yield store
    store.close()


@pytest.fixture
def tight(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    """A store with a fiftieth of the usual memory, and chunks and pages to match."""
    with engine.connect() as connection:
        connection.execute(text("SET GLOBAL memory_limit = '20MB'"))
    monkeypatch.setattr(chunks, "INLINE_BYTES", 2 * KIB)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 2 * KIB)
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", 1024 * KIB)
    store = SqlStore(DuckDB(engine), Cipher(bytes(32)))
    yield store
    store.close()


def agent(number: int, size_bytes: int = 0, **fields: Any) -> Agent:
    return Agent(
        id=f"agent_{number:032x}",
        name="n",
        system_prompt="é" * (size_bytes // 2),
        harness_id="h",
        created_at=f"2026-01-01T00:00:00.{number:03}Z",
        updated_at="",
        **fields,
    )


def session(size_bytes: int = 0) -> Session:
    return Session(
        id=SESSION,
        system_prompt="x" * size_bytes,
        harness_id="h",
        organization_id="o",
        workspace_id="workspace_1",
        created_at="2026-01-01T00:00:00.000Z",
        updated_at="",
    )


def event(sequence: int, size_bytes: int) -> Event:
    new = NewEvent(EventType.MESSAGE_CREATED, {"text": f"{sequence}é" * (size_bytes // 3)}, {})
    return new.at(SESSION, sequence, sequence)


def append(*events: Event) -> Append:
    summary = SessionSummary(sequence=events[-1].sequence)
    return Append(SESSION, events[0].sequence, events, summary, FIRST_HOLDER)


def file(path: str, content: bytes) -> StoredFile:
    return StoredFile(
        "workspace_1", File(path, False, False, "text", len(content), "", "", content)
    )


def chunks_left(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM chunks")).scalar_one()


def checkpoint(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("CHECKPOINT"))


@pytest.mark.parametrize("size_bytes", WIDTHS)
def test_a_value_of_any_width_is_read_as_it_was_stored(store: SqlStore, size_bytes: int) -> None:
    content, wide = b"\xff\x00" * size_bytes, event(1, size_bytes)
    store.agents.put(agent(1, size_bytes), Receipt("k", "r", content))
    store.sessions.insert(session(size_bytes), [file("/a", content)])
    store.logs.append([append(wide)])

    assert store.agents.find(agent(1).id) == agent(1, size_bytes)
    assert store.agents.find_by_name("n") == agent(1, size_bytes)
    assert store.receipts.find("k") == Receipt("k", "r", content)
    found = store.sessions.find(SESSION)
    assert found is not None
    assert found.system_prompt == "x" * size_bytes
    loaded = store.sessions.take(SESSION, 0)
    assert loaded is not None
    assert loaded.events == store.logs.read(SESSION, EventQuery(limit=1)) == [wide]
    assert store.files.find("workspace_1", "/a") == file("/a", content).file
    assert store.files.list("workspace_1", "/", contents=True) == [file("/a", content).file]
    (listed,) = store.files.list("workspace_1", "/")
    assert (listed.size_bytes, listed.content) == (len(content), b"")


def test_a_wide_value_that_is_replaced_leaves_nothing_behind(
    store: SqlStore, engine: Engine
) -> None:
    for size_bytes in (300 * KIB, 100 * KIB, 0):
        store.agents.put(agent(1, size_bytes))
        store.files.put([file("/a", b"x" * size_bytes)])
        assert store.agents.find(agent(1).id) == agent(1, size_bytes)
    assert chunks_left(engine) == 0


def test_a_deleted_session_leaves_nothing_behind(store: SqlStore, engine: Engine) -> None:
    wide = 100 * KIB
    receipt = Receipt("k", "r", bytes(wide), SESSION)
    store.sessions.insert(session(wide), [file("/a", bytes(wide))], receipt)
    store.logs.append([append(event(1, 1), event(2, wide), event(3, 1))])
    store.files.put([file("/b", bytes(wide))])
    assert chunks_left(engine) > 0
    store.sessions.delete(SESSION)
    assert chunks_left(engine) == 0


def test_deleted_and_exchanged_files_and_forgotten_answers_leave_nothing_behind(
    store: SqlStore, engine: Engine
) -> None:
    wide = bytes(100 * KIB)
    store.files.put([file("/a", wide), file("/b", wide)])
    store.files.exchange("workspace_1", ["/a"], [file("/c", wide).file])
    assert store.files.list("workspace_1", "/", contents=True) == [
        file("/b", wide).file,
        file("/c", wide).file,
    ]
    store.files.delete("workspace_1", ["/b", "/c"])
    store.agents.put(agent(1), Receipt("k", "r", wide))
    store.receipts.forget(2**50)
    assert chunks_left(engine) == 0


def test_a_small_file_may_say_what_marks_a_wide_one(store: SqlStore) -> None:
    content = b"chunks:70000"
    store.files.put([file("/a", content)])
    assert store.files.find("workspace_1", "/a") == file("/a", content).file


def test_a_session_that_is_stored_again_keeps_its_wide_values(store: SqlStore) -> None:
    for _ in range(2):
        store.sessions.insert_many([NewSession(session(200 * KIB))])
    found = store.sessions.find(SESSION)
    assert found is not None
    assert found.system_prompt == "x" * 200 * KIB


def test_agents_larger_together_than_the_memory_are_listed_page_by_page(
    tight: SqlStore, engine: Engine
) -> None:
    agents = [agent(number, LARGE_BYTES, description="Large") for number in range(COUNT)]
    for each in agents:
        tight.agents.put(each)
    checkpoint(engine)
    seen: list[str] = []
    while len(seen) < COUNT:
        page, total = tight.agents.list(AgentQuery(search="LARGE", offset=len(seen), limit=1000))
        assert (len(page), total) == (1, COUNT)
        seen += [found.id for found in page]
    assert seen == [each.id for each in reversed(agents)]
    assert tight.agents.list(AgentQuery(limit=1))[0] == agents[-1:]


def test_a_log_larger_than_the_memory_is_loaded_whole_and_read_page_by_page(
    tight: SqlStore, engine: Engine
) -> None:
    tight.sessions.insert(session())
    log = [event(sequence, LARGE_BYTES) for sequence in range(1, COUNT + 1)]
    for each in log:
        tight.logs.append([append(each)])
    checkpoint(engine)
    loaded = tight.sessions.take(SESSION, 0)
    assert loaded is not None
    assert loaded.events == log

    read: list[Event] = []
    query = EventQuery(limit=1000)
    while not is_last(page := tight.logs.read(SESSION, query), query):
        assert len(page) == 1
        read += page
        query = EventQuery(limit=1000, after=page[-1].sequence)
    assert read == log
    assert tight.logs.read(SESSION, EventQuery(limit=1, newest_first=True)) == log[-1:]
    assert tight.logs.count(SESSION, EventQuery(limit=1)) == COUNT


def test_what_an_earlier_version_stored_in_wide_rows_is_moved(tmp_path: Path) -> None:
    engine = duckdb_engine(str(tmp_path / "old.duckdb"))
    migrate(engine, "0006")
    large, narrow = agent(1, 300 * KIB), agent(2)
    wide_event, content = event(1, 100 * KIB), b"\xff" * 200 * KIB
    rows = {
        "INSERT INTO agents VALUES (:id, 'n', NULL, NULL, 'active', :time, :document)": [
            {"id": each.id, "time": each.created_at, "document": each.model_dump_json()}
            for each in (large, narrow)
        ],
        "INSERT INTO files VALUES ('workspace_1', '/a', false, false, 'text', :size, '', '', :c)": [
            {"size": len(content), "c": content}
        ],
        "INSERT INTO events VALUES (:session, 1, :id, :type, NULL, 1, :body)": [
            {
                "session": SESSION,
                "id": wide_event.id,
                "type": wide_event.type,
                "body": wide_event.body.decode(),
            }
        ],
    }
    with engine.begin() as connection:
        for statement, values in rows.items():
            connection.execute(text(statement), values)
    migrate(engine)

    store = SqlStore(DuckDB(engine), Cipher(bytes(32)))
    assert store.agents.list(AgentQuery()) == ([narrow, large], 2)
    assert store.files.find("workspace_1", "/a") == file("/a", content).file
    assert store.logs.read(SESSION, EventQuery()) == [wide_event]
    with engine.connect() as connection:
        widest = "SELECT max(strlen(document)) FROM agents"
        assert connection.execute(text(widest)).scalar_one() < INLINE_BYTES
        limit = connection.execute(text("SELECT current_setting('memory_limit')")).scalar_one()
    assert limit.startswith("953.")
    store.close()


def test_a_page_has_at_least_one_item_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", 10)
    assert cut([99, 1], int) == [99]
    assert cut([4, 4, 4, 4], int) == [4, 4, 4]
    assert cut([4, 4], int) == [4, 4]


def test_chunks_are_not_compressed_together(engine: Engine, store: SqlStore):
    """Else whoever reads one unpacks two thousand of them."""
    store.files.put([file("/wide.txt", b"The quick brown fox.\n" * 100_000)])
    with engine.connect() as connection:
        connection.execute(text("CHECKPOINT"))
        stored_as = connection.execute(
            text(
                "SELECT compression FROM pragma_storage_info('chunks') "
                "WHERE column_name = 'content' AND segment_type = 'BLOB'"
            )
        )

        assert set(stored_as.scalars()) == {"Uncompressed"}
