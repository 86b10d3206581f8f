"""What the store does so that it answers as fast with many sessions as with few."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event, insert, true

from everruns.domain.events import EventType, NewEvent
from everruns.domain.files import File
from everruns.domain.sessions import Session, SessionSummary
from everruns.ids import format_time, parse_time
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.duckdb.database import DuckDB
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.files import StoredFile
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery
from everruns.storage.pages import ListQuery
from everruns.storage.sessions import NewSession, SessionQuery
from everruns.storage.sql.chunks import INLINE_BYTES
from everruns.storage.sql.lists import select_page
from everruns.storage.sql.page_bound import SET_APART
from everruns.storage.sql.session_rows import session_row
from everruns.storage.sql.store import SqlStore
from everruns.storage.sql.tables import metadata, sessions


def make_session(number: int, created_ms: int) -> Session:
    return Session(
        id=f"session_{number:032x}",
        agent_id=f"agent_{number % 2}",
        harness_id="h",
        organization_id="o",
        workspace_id=f"workspace_{number}",
        created_at=format_time(created_ms),
        updated_at=format_time(created_ms),
    )


def make_file(number: int, path: str, size_bytes: int = 0) -> StoredFile:
    content = bytes(size_bytes)
    file = File(path, False, False, "text", size_bytes, "", "", content)
    return StoredFile(f"workspace_{number}", file)


def empty_engine(database: str = "") -> Engine:
    engine = duckdb_engine(database or f":memory:{uuid4().hex}")
    metadata.create_all(engine)
    return engine


def insert_sessions(connection: Connection, created: list[int]) -> None:
    rows = [session_row(make_session(number, ms)) for number, ms in enumerate(created)]
    connection.execute(insert(sessions), rows)


def filled_engine(created: list[int], database: str = "") -> Engine:
    engine = empty_engine(database)
    with engine.begin() as connection:
        insert_sessions(connection, created)
    return engine


def store_of(engine: Engine) -> SqlStore:
    return SqlStore(DuckDB(engine), Cipher(bytes(32)))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A database with tables, in which no example leaves a row."""
    engine = empty_engine()
    yield engine
    engine.dispose()


@given(
    created=st.lists(st.integers(1, 6), min_size=1, max_size=8),
    since=st.integers(0, 7),
    offset=st.integers(0, 9),
    limit=st.integers(0, 9),
)
def test_a_page_is_the_same_whatever_bound_it_is_looked_for_in(
    engine, created, since, offset, limit
):
    query = ListQuery(offset=offset, limit=limit)
    with engine.connect() as connection:
        insert_sessions(connection, created)
        bounded, whole = (
            select_page(connection, sessions.c.created_ms, true(), query, bound)
            for bound in (since, None)
        )
        connection.rollback()

    assert bounded == whole


def test_the_newest_of_many_sessions_come_first_also_when_more_are_made() -> None:
    count = 2 * SET_APART
    store = store_of(filled_engine(list(range(1, count + 1))))

    def listed(**query: Any) -> list[int]:
        page, _ = store.sessions.list(SessionQuery(**query))
        return [parse_time(session.created_at) for session in page]

    assert listed(limit=2) == [count, count - 1]
    store.sessions.insert(make_session(count, count + 1))
    assert listed(limit=2) == [count + 1, count]
    assert listed(limit=2, offset=count - 1) == [2, 1]
    assert listed(limit=2, agent_id="agent_1") == [count, count - 2]
    store.close()


def test_sessions_stored_together_leave_those_that_exist_as_they_are() -> None:
    store = store_of(filled_engine([0]))
    there, tagged = make_session(1, 1), make_session(2, 2).model_copy(update={"tags": ["a", "b"]})
    wide = make_session(3, 3).model_copy(update={"system_prompt": "x" * (INLINE_BYTES + 1)})
    store.sessions.insert(there.model_copy(update={"title": "kept", "tags": ["c"]}))

    store.sessions.insert_many([NewSession(each) for each in (there, tagged, wide)])

    assert [store.sessions.find(each.id) for each in (tagged, wide)] == [tagged, wide]
    titles = [(each.id, each.title) for each in store.sessions.list(SessionQuery(tags=["c"]))[0]]
    assert titles == [(there.id, "kept")]
    assert store.sessions.list(SessionQuery(tags=["a", "b"])) == ([tagged], 1)
    store.close()


def append(number: int, first: int) -> Append:
    session_id = f"session_{number:032x}"
    new = NewEvent(EventType.TOOL_CALL, {}, {"turn_id": "turn_1"})
    return Append(session_id, first, [new.at(session_id, first, 1)], SessionSummary(), FIRST_HOLDER)


@pytest.fixture(scope="module")
def filled_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with 99 sessions, most with events and files, which is only copied."""
    file = tmp_path_factory.mktemp("filled") / "everruns.duckdb"
    store = store_of(filled_engine(list(range(1, 100)), str(file)))
    for sequence, size_bytes in ((1, 0), (2, INLINE_BYTES + 1)):
        store.logs.append([append(number, sequence) for number in range(1, 50)])
        store.files.put([make_file(number, f"/{sequence}", size_bytes) for number in range(1, 50)])
    store.close()
    return file


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.logs.append([append(1, 3)]),
        lambda store: store.logs.append([append(1, 3), append(2, 3)]),
        lambda store: store.logs.apply({append(1, 1).session_id: 1}, [append(1, 3), append(2, 3)]),
        lambda store: store.sessions.take(append(1, 1).session_id, store.registry.begin_life()),
        lambda store: store.sessions.find(append(1, 1).session_id),
        lambda store: store.logs.read(append(1, 1).session_id, EventQuery()),
        lambda store: store.logs.read(append(1, 1).session_id, EventQuery(after=1)),
        lambda store: store.logs.read(append(1, 1).session_id, EventQuery(types=["tool.call"])),
        lambda store: store.logs.read(append(1, 1).session_id, EventQuery(limit=1)),
        lambda store: store.logs.count(append(1, 1).session_id, EventQuery()),
        lambda store: store.files.find("workspace_1", "/1"),
        lambda store: store.files.find("workspace_1", "/2"),
        lambda store: store.files.list("workspace_1", "/"),
        lambda store: store.files.delete("workspace_1", ["/1", "/2"]),
    ],
    ids=[
        "append",
        "appends",
        "what a journal had",
        "take",
        "session",
        "log",
        "later events",
        "events of a type",
        "first event",
        "number of events",
        "file",
        "wide file",
        "files",
        "files to delete",
    ],
)
def test_what_a_session_has_is_found_by_its_index(
    filled_file: Path, tmp_path: Path, call: Callable[[SqlStore], object]
) -> None:
    engine = duckdb_engine(shutil.copy(filled_file, tmp_path))
    store = store_of(engine)
    run: list[tuple[str, Any]] = []

    def note(_connection, _cursor, statement, parameters, *_) -> None:
        # These tables have hardly any rows.
        is_small = "FROM registry" in statement or "FROM unfinished_forks" in statement
        if not statement.startswith("INSERT") and not is_small:
            run.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    call(store)
    event.remove(engine, "before_cursor_execute", note)

    assert run
    with engine.connect() as connection:
        for statement, parameters in run:
            plan = connection.exec_driver_sql("EXPLAIN ANALYZE " + statement, parameters)
            assert "Index Scan" in plan.one()[1]
    store.close()
