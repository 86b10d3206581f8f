"""A server whose cluster has lost its GCS or its raylet is interrupted, and told what happened."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from actors.clusters.watch import RayWatch

PATIENCE_S = 30.0
Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a child process of this name that waits to be ended."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> "subprocess.Popen[bytes]":
        program = shutil.copy(shutil.which("cat") or "cat", tmp_path / name)
        process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def kill_and_wait(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    Event().wait(PATIENCE_S)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("lost", ["gcs_server", "raylet"])
def test_the_end_of_either_interrupts_whatever_the_main_thread_waits_for(
    start: Start, lost: str
) -> None:
    processes = {name: start(name) for name in ("gcs_server", "raylet")}
    watch = RayWatch("/logs")
    watch.start()
    assert watch.problem() is None

    with pytest.raises(KeyboardInterrupt):
        kill_and_wait(processes[lost])

    problem = watch.problem()
    assert problem is not None
    assert lost in problem.message
    assert "/logs" in problem.message


@pytest.mark.usefixtures("interruptible")
def test_a_stopped_watch_interrupts_nobody(start: Start) -> None:
    processes = {name: start(name) for name in ("gcs_server", "raylet")}
    watch = RayWatch("/logs")
    thread = watch.start()

    watch.stop()
    thread.join(PATIENCE_S)
    processes["raylet"].kill()

    assert not thread.is_alive()
