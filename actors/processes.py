"""Waiting for processes, and for anything else, to come to a state."""

import time
from collections.abc import Callable

import psutil

POLL_S = 0.05


def wait(condition: Callable[[], bool], timeout_s: float) -> None:
    """Return when the condition holds, or when the time is over."""
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_S)


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that ended and whose parent has not asked is over too."""
    try:
        return process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return False
