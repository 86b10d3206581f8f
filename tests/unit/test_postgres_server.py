"""The PostgreSQL server that tests and measurements start."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.postgres import PostgresServer
from tests.waiting import eventually

Starter = subprocess.Popen[bytes]

STARTS_AND_WAITS = """
from bench.postgres import PostgresServer
server = PostgresServer()
print(server.folder, flush=True)
input()
"""


def test_it_keeps_what_was_committed_when_it_is_killed():
    with PostgresServer(durable=True) as server:
        name = server.create_database()
        server.execute("CREATE TABLE kept AS SELECT 1 AS number", name)

        server.kill()
        server.start()

        assert server.execute("SELECT number FROM kept", name) == [(1,)]


def test_nothing_of_it_is_left_when_it_is_closed():
    with PostgresServer() as server:
        folder = server.folder

    assert not folder.exists()
    assert not running_in(folder)


async def test_it_ends_when_the_process_that_started_it_is_killed(starter: Starter):
    assert starter.stdout is not None
    folder = Path(starter.stdout.readline().decode().strip())
    assert running_in(folder)

    starter.kill()

    await eventually(lambda: not running_in(folder) and not folder.exists())


@pytest.fixture
def starter() -> Iterator[Starter]:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_AND_WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        yield started
        started.kill()


def running_in(folder: Path) -> list[str]:
    """Return the names of the processes that have a folder among their arguments."""
    found = psutil.process_iter(["name", "cmdline"])
    return [each.info["name"] for each in found if str(folder) in (each.info["cmdline"] or [])]
