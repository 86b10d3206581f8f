"""Waiting for processes, and the start-up work that ours share."""

import gc
import time
from collections.abc import Callable

import psutil

POLL_S = 0.05


def wait(condition: Callable[[], bool], timeout_s: float) -> None:
    """Wait until the condition holds or the time is over."""
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_S)


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; a zombie counts as ended."""
    try:
        return process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return False


def keep_what_is_there() -> None:
    """Freeze everything allocated during start-up so that later collections skip it.

    Called when a process is up. Otherwise each full collection would traverse everything imported,
    which blocks the process for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
