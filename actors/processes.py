"""Processes: waiting for them, and what each of ours does when it is up."""

import gc
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


def keep_what_is_there() -> None:
    """Spare the garbage collector what was made so far: it stays until the process ends.

    Called when a process is up. Each full collection would else go over all that was imported,
    which takes tens of milliseconds, while everything waits.
    """
    gc.collect()
    gc.freeze()
