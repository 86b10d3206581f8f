"""Waiting for processes, and the start-up work that ours share."""

import gc
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress

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


def list_children(names: Collection[str], *, recursive: bool = False) -> dict[psutil.Process, str]:
    """Return this process's children of these names, each with its name.

    Args:
        names: Names of programs.
        recursive: Whether to include the children's children, and so on.
    """
    found: dict[psutil.Process, str] = {}
    for process in psutil.Process().children(recursive=recursive):
        # A process may end at any moment, also between two questions about it.
        with suppress(psutil.NoSuchProcess):
            if (name := process.name()) in names:
                found[process] = name
    return found


def send_signal(process: psutil.Process, number: signal.Signals) -> None:
    """Send a signal to a process, unless it has ended."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


# Python's defaults are 700, 10 and 10. With them, a process with hundreds of streams ran a full
# collection every few seconds under load and stood still for up to 0.2 s, although reference
# counting had already freed nearly everything.
COLLECT_AFTER = (10_000, 20, 10)


def collect_rarely() -> None:
    """Make the garbage collector interrupt this process rarely and briefly.

    Called when a process is up: what was allocated until then, such as everything imported, is
    never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
