"""Exports: rows as the archive has them, in files of one's own."""

from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from typer.testing import CliRunner

from everruns.archive.export import Form, Selection, export
from everruns.cli import cli
from everruns.errors import Conflict, InvalidRequest, SessionNotFound
from everruns.ids import format_time
from everruns.registry.database import Database
from everruns.registry.history import History
from everruns.storage.data_directory.opening import open_store
from everruns.storage.memory.store import MemoryStore
from tests.stored import agent, append, events, session

FIRST_MS = 1_800_000_000_000


@pytest.fixture
def history() -> History:
    store = MemoryStore()
    store.agents.put(agent(1))
    for number in (1, 2):
        store.sessions.insert(session(number, agent_id=agent(1).id))
        made = events(number, 1, 3)
        store.logs.append([append(number, made, updated_at=format_time(made[-1].ts))])
    return History(Database(store))


async def written(
    history: History, target: Path, form: Form = "jsonl", **selection: Any
) -> tuple[int, int]:
    return await export(history, target, form, Selection(**selection), lambda *_: None)


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


async def test_parquet_has_events_by_day_and_sessions(history: History, tmp_path: Path) -> None:
    assert await written(history, tmp_path / "x", "parquet") == (2, 6)
    with duckdb.connect() as connection:
        found = connection.read_parquet(f"{tmp_path}/x/events/*/*.parquet", hive_partitioning=True)
        (counted,) = found.aggregate("count(*), min(day)::VARCHAR").fetchall()
        sessions = connection.read_parquet(f"{tmp_path}/x/sessions/*.parquet")
        names = sessions.project("agent_name, events").fetchall()
    assert counted == (6, "2027-01-15")
    assert names == [("Agent 1", 3), ("Agent 1", 3)]
    assert {path.name for path in (tmp_path / "x").iterdir()} == {"events", "sessions"}


async def test_json_has_a_row_on_each_line(history: History, tmp_path: Path) -> None:
    assert await written(history, tmp_path / "x") == (2, 6)
    rows = lines(tmp_path / "x" / "events.jsonl")
    assert [row["sequence"] for row in rows] == [1, 2, 3, 1, 2, 3]
    assert rows[0]["ts"] == "2027-01-15T08:00:00.001Z"
    assert rows[0]["day"] == "2027-01-15"
    sessions = lines(tmp_path / "x" / "sessions.jsonl")
    assert [row["agent_name"] for row in sessions] == ["Agent 1", "Agent 1"]


async def test_sessions_can_be_chosen(history: History, tmp_path: Path) -> None:
    assert await written(history, tmp_path / "x", session_ids={session(2).id}) == (1, 3)
    with pytest.raises(SessionNotFound):
        await written(history, tmp_path / "y", session_ids={session(3).id})


async def test_times_can_be_chosen(history: History, tmp_path: Path) -> None:
    bounds = {"since_ms": FIRST_MS + 2, "until_ms": FIRST_MS + 3}
    assert await written(history, tmp_path / "x", **bounds) == (2, 2)
    assert {row["sequence"] for row in lines(tmp_path / "x" / "events.jsonl")} == {2}
    assert await written(history, tmp_path / "y", since_ms=FIRST_MS * 2) == (0, 0)


async def test_a_directory_with_files_is_refused(history: History, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    with pytest.raises(Conflict, match="not empty"):
        await written(history, tmp_path)


async def test_nobody_else_can_read_it(history: History, tmp_path: Path) -> None:
    await written(history, tmp_path / "x")
    for path in [tmp_path / "x", *(tmp_path / "x").iterdir()]:
        assert path.stat().st_mode & 0o077 == 0


def test_the_command_exports_the_data_of_a_stopped_server(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data")
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 3))])
    store.close()
    target = tmp_path / "x"
    given = ["export", str(target), "--format", "jsonl", "--data-dir", str(tmp_path / "data")]
    ended = CliRunner().invoke(cli, given, catch_exceptions=False)
    assert "Exported 3 events of 1 sessions" in ended.output.replace("\n", "")
    assert len(lines(target / "events.jsonl")) == 3


@pytest.mark.parametrize(
    "options", [["--format", "csv"], ["--since", "yesterday"], ["--session", "1"]]
)
def test_the_command_says_what_is_wrong(options: list[str], tmp_path: Path) -> None:
    given = ["export", str(tmp_path / "x"), "--data-dir", str(tmp_path / "data"), *options]
    ended = CliRunner().invoke(cli, given)
    assert isinstance(ended.exception, InvalidRequest)
    assert options[1] in ended.exception.message
