"""Leftover processes of a killed server, which the next server on its data directory ends.

HAProxy and Ray's agents outlive a server that was killed, and HAProxy keeps the port. All processes
of a server have the data directory in their environment. The holder of that directory's lock is its
only server, so any other process with it is left over.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import psutil

from actors.processes import is_alive, send_signal, wait
from actors.serving.front import list_folders
from everruns.errors import Unavailable
from everruns.process_environment import get_environment

MARK = "SERVED_DATA_DIRECTORY"
END_TIMEOUT_S = 10.0


def mark(data_dir: Path) -> dict[str, str]:
    """Return the variables by which the processes of this server are found again."""
    # Ray's agents would write their title over the environment that they were started with.
    return {MARK: str(data_dir.resolve()), "SPT_NOENV": "1"}


def is_own_cluster() -> bool:
    """Tell whether this process is in a cluster that a server started for itself."""
    return get_environment(MARK) is not None


def end_leftovers(data_dir: Path) -> int:
    """End the processes that earlier servers on a data directory started; remove their folders.

    Args:
        data_dir: The directory, whose lock the caller holds.

    Returns:
        How many processes were ended.

    Raises:
        Unavailable: A process does not end.
    """
    left = list(_list_marked(str(data_dir.resolve())))
    for process in left:
        send_signal(process, signal.SIGKILL)
    # Zombies count as ended: they stay if no parent reaps them.
    wait(lambda: not any(map(is_alive, left)), END_TIMEOUT_S)
    if alive := [process for process in left if is_alive(process)]:
        pids = ", ".join(str(process.pid) for process in alive)
        raise Unavailable(f"Processes of an earlier server do not end: {pids}. Kill them by hand.")
    for folder in list_folders(data_dir):
        rmtree(folder, ignore_errors=True)
    return len(left)


def _list_marked(value: str) -> Iterator[psutil.Process]:
    ours = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    for process in psutil.process_iter():
        try:
            if process.pid not in ours and process.environ().get(MARK) == value:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # It has ended, or belongs to another user.
