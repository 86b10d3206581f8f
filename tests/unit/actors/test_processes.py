"""Processes may end at any moment, also between two questions about them."""

import signal
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from actors.processes import is_alive, list_children, send_signal


@pytest.fixture
def child() -> Iterator[psutil.Process]:
    with subprocess.Popen(["sleep", "60"]) as started:
        yield psutil.Process(started.pid)
        started.kill()


@pytest.fixture
def ended() -> psutil.Process:
    """A process that is gone, although it was there a moment ago."""
    with subprocess.Popen(["sleep", "60"]) as started:
        process = psutil.Process(started.pid)
        started.kill()
    return process


def test_children_are_found_by_their_names(child: psutil.Process):
    assert list_children({"sleep", "nothing"})[child] == "sleep"
    assert child not in list_children({"nothing"})


def test_a_child_that_has_just_ended_is_not_listed(
    child: psutil.Process, ended: psutil.Process, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(psutil.Process, "children", lambda *_, **__: [ended, child])
    assert list_children({"sleep"}) == {child: "sleep"}


def test_a_signal_ends_a_process(child: psutil.Process):
    send_signal(child, signal.SIGKILL)
    child.wait(20)
    assert not is_alive(child)


def test_a_signal_for_a_process_that_has_ended_is_lost(ended: psutil.Process):
    send_signal(ended, signal.SIGKILL)
    assert not is_alive(ended)
