"""What was acknowledged survives a killed process and a full disk."""

import subprocess
import sys
from pathlib import Path

import pytest

from everruns.storage.data_directory.opening import open_store
from everruns.storage.logs import EventQuery

SESSION = f"session_{1:032x}"

# Appends events of a size until it is killed, telling what is stored and what refused.
# A limit on the size of files stands for a full disk; it goes when something was refused.
WRITER = f"""
import os, resource, signal, sys
from pathlib import Path
from everruns.domain.events import EventType, NewEvent
from everruns.domain.sessions import Session, SessionSummary
from everruns.errors import StoreUnavailable
from everruns.log import configure_log
from everruns.storage.logs import FIRST_HOLDER, Append
from everruns.storage.data_directory.opening import open_store

def say(*words): print(*words, flush=True)

configure_log()  # It goes to standard error: what the writer says stays apart from it.
session_id, time = "{SESSION}", "2026-01-01T00:00:00.000Z"
size, limit = int(sys.argv[2]), int(sys.argv[3])
store = open_store(Path(sys.argv[1]))
store.sessions.insert(Session(id=session_id, harness_id="h", organization_id="o",
    workspace_id="w", created_at=time, updated_at=time))
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
place = 1
while True:
    data = {{"text": os.urandom(size // 2).hex()}}
    event = NewEvent(EventType.TOOL_RESULT, data, {{}}).at(session_id, place, place)
    try:
        append = Append(session_id, place, [event], SessionSummary(), FIRST_HOLDER)
        assert store.logs.append([append]) == [None]
    except StoreUnavailable as error:
        say("refused", error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        continue
    say("stored", place)
    place += 1
"""


def write_and_kill(data_dir: Path, size: int, limit: int, stored: int) -> tuple[int, list[str]]:
    """Kill a writer after so many acknowledged events; return the last and what was refused."""
    command = [sys.executable, "-c", WRITER, str(data_dir), str(size), str(limit)]
    refused: list[str] = []
    last = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if line.startswith("stored"):
                last = int(line.split()[1])
            elif line.startswith("refused"):
                refused.append(line)
            if last >= stored:
                break
        writer.kill()
    return last, refused


def sequences(data_dir: Path) -> list[int]:
    store = open_store(data_dir)
    found = [event.sequence for event in store.logs.read(SESSION, EventQuery())]
    store.close()
    return found


def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    last, refused = write_and_kill(tmp_path, size=100, limit=0, stored=50)
    assert refused == []
    found = sequences(tmp_path)
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= last


@pytest.mark.parametrize(
    ("size", "limit", "stored"),
    [(20_000, 300_000, 20), (30_000, 18_000_000, 3_000)],
    ids=["the journal does not fit", "the database does not fit"],
)
def test_a_full_disk_refuses_and_goes_on_when_there_is_space(
    tmp_path: Path, size: int, limit: int, stored: int
) -> None:
    last, refused = write_and_kill(tmp_path, size, limit, stored=stored)
    assert refused
    assert all("disk is full" in line for line in refused)
    found = sequences(tmp_path)
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= last
