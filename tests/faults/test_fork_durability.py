"""A process that is killed while it forks leaves forks that are whole, and nothing else."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from everruns.storage.data_directory.opening import DATABASE_FILE, open_store
from everruns.storage.logs import EventQuery
from everruns.storage.sessions import SessionQuery

EVENTS = 401
FILES = 3

# Forks one session again and again until it is killed, telling which forks are stored.
FORKER = f"""
import asyncio, sys
from pathlib import Path
from everruns.capabilities.registry import load_capabilities
from everruns.domain.forks import ForkInput
from everruns.domain.messages import Message, TextPart
from everruns.domain.sessions import SessionInput
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.storage.data_directory.opening import open_store

def said(role, words):
    part = TextPart(text=words)
    return Message(id="message_", session_id="session_", role=role, content=[part], created_at="")

async def fork():
    placement = Placement(sessions_per_host=2, warm_hosts=1, max_hosts=2)
    registry = Registry(open_store(Path(sys.argv[1])), load_capabilities(), placement)
    # Four events a turn, one of which is too wide for a row.
    conversation = [said("user", "x" * 100_000), said("agent", "y")]
    conversation += [said(role, "z" * 500) for _ in range(99) for role in ("user", "agent")]
    files = [{{"path": f"/{{n}}", "content": "x" * 60_000}} for n in range({FILES})]
    wanted = SessionInput.model_validate({{"title": "source", "initial_files": files}})
    source = await registry.sessions.create(wanted, conversation=conversation)
    while True:
        made = await registry.forks.create(source.id, ForkInput())
        print(made.id, flush=True)

asyncio.run(fork())
"""


def fork_and_kill(data_dir: Path, forks: int) -> list[str]:
    """Kill a process that forks after so many forks, in the middle of the next one."""
    command = [sys.executable, "-c", FORKER, str(data_dir)]
    made: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forker:
        assert forker.stdout is not None
        for line in forker.stdout:
            made.append(line.strip())
            if len(made) >= forks:
                break
        forker.kill()
    return made


@pytest.mark.parametrize("forks", [1, 2, 5])
def test_each_fork_is_there_as_a_whole_and_nothing_of_another(tmp_path: Path, forks: int) -> None:
    acknowledged = fork_and_kill(tmp_path, forks)
    assert len(acknowledged) == forks

    store = open_store(tmp_path)
    sessions, _ = store.sessions.list(SessionQuery(limit=100))
    stored = {session.id: session for session in sessions if session.forked_from_session_id}
    assert set(acknowledged) <= stored.keys()
    for fork in stored.values():
        events = store.logs.read(fork.id, EventQuery())
        assert [event.sequence for event in events] == list(range(1, EVENTS + 1))
        assert len(events[0].data["message"]["content"][0]["text"]) == 100_000
        files = store.files.list(fork.workspace_id, "/", contents=True)
        assert [len(file.content) for file in files] == [60_000] * FILES
    store.close()

    with duckdb.connect(str(tmp_path / DATABASE_FILE)) as database:
        logs = database.execute("SELECT DISTINCT session_id FROM events").fetchall()
        workspaces = database.execute("SELECT DISTINCT workspace_id FROM files").fetchall()
        owners = database.execute("SELECT DISTINCT owner FROM chunks").fetchall()
    assert {log for (log,) in logs} == {session.id for session in sessions}
    assert {found for (found,) in workspaces} == {session.workspace_id for session in sessions}
    # A wide event and the files of each session.
    assert len(owners) == (1 + FILES) * len(sessions)
