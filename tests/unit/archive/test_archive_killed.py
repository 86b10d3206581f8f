"""A process that keeps the archive is killed at any moment, and the next one goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from everruns.archive.archive import Archive
from everruns.archive.manifest import MANIFEST_FILE
from everruns.registry.database import Database
from everruns.registry.history import History
from everruns.storage.memory.store import MemoryStore
from tests.stored import append, events, session

SESSIONS, EVENTS = 60, 20
START_TIMEOUT_S = 120.0

# Refreshes a little and merges, again and again, from a store that always has the same.
KEEPER = """
import asyncio, sys
from pathlib import Path
from everruns.archive.archive import Archive
from tests.unit.archive.test_archive_killed import filled_history

async def keep():
    archive = Archive(Path(sys.argv[1]), filled_history())
    while True:
        await archive.refresh(limit_s=0)
        await archive.merge()

asyncio.run(keep())
"""


def filled_history() -> History:
    store = MemoryStore()
    for number in range(1, SESSIONS + 1):
        store.sessions.insert(session(number))
        store.logs.append([append(number, events(number, 1, EVENTS))])
    return History(Database(store))


def keep_until_killed(folder: Path, changes: int) -> None:
    """Let another process keep an archive; kill it once it has changed so many times."""
    child = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    deadline = time.monotonic() + START_TIMEOUT_S
    seen = b""
    try:
        while changes:
            assert child.poll() is None, "The keeper has ended by itself."
            assert time.monotonic() < deadline, "The keeper writes nothing."
            manifest = folder / MANIFEST_FILE
            if manifest.exists() and manifest.read_bytes() != seen:
                seen = manifest.read_bytes()
                changes -= 1
            time.sleep(0.002)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


@pytest.mark.parametrize("changes", [1, 4, 12])
async def test_nothing_is_lost_or_doubled(tmp_path: Path, changes: int) -> None:
    folder = tmp_path / "archive"
    keep_until_killed(folder, changes)
    archive = Archive(folder, filled_history())
    await archive.refresh()
    await archive.merge()
    with archive.reading() as state, duckdb.connect() as connection:
        parts = [str(folder / part.path) for part in state.parts]
        found = connection.read_parquet(parts).project("session_id, sequence").fetchall()
        named = {folder / path for path in state.paths}
    await archive.close()
    numbers, places = range(1, SESSIONS + 1), range(1, EVENTS + 1)
    assert sorted(found) == [(session(number).id, place) for number in numbers for place in places]
    assert {*folder.glob("*/**/*.parquet")} == named
