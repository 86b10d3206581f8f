"""What an earlier server left is ended, and nothing else."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.serving.front import FOLDER_PREFIX, FOLDERS, OWNER_FILE
from actors.serving.leftovers import end_leftovers, mark

Start = Callable[[dict[str, str]], "subprocess.Popen[bytes]"]
PROGRAM = "print('up', flush=True); input()"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process with these variables; it has them when this returns."""
    started: list[subprocess.Popen[bytes]] = []

    def start(environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_what_was_started_on_this_directory_is_ended_and_nothing_else(
    tmp_path: Path, start: Start
) -> None:
    ours = start(mark(tmp_path / "ours"))
    copied = start(mark(tmp_path / "copy"))
    foreign = start({})

    ended = end_leftovers(tmp_path / "ours")

    assert ended == 1
    assert ours.poll() is not None
    assert copied.poll() is None
    assert foreign.poll() is None


def test_the_folders_of_this_directorys_servers_are_removed_and_no_others(tmp_path: Path) -> None:
    left = FOLDERS / f"{FOLDER_PREFIX}test-{tmp_path.parent.name}-left"
    other = FOLDERS / f"{FOLDER_PREFIX}test-{tmp_path.parent.name}-other"
    for folder, owner in ((left, tmp_path), (other, tmp_path / "copy")):
        folder.mkdir()
        (folder / OWNER_FILE).write_text(str(owner))

    end_leftovers(tmp_path)

    assert not left.exists()
    assert other.exists()
    (other / OWNER_FILE).unlink()
    other.rmdir()
