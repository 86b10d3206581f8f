"""Watching the two processes without which a cluster that was started here cannot go on."""

import signal
from threading import Event, Thread, get_ident

import structlog

from actors.processes import is_alive, list_children
from everruns.errors import Unavailable

NAMES = frozenset({"gcs_server", "raylet"})
POLL_S = 1.0

log = structlog.get_logger(__name__)


class RayWatch:
    """Interrupts the main thread, which makes it, when Ray's GCS or this machine's raylet ends.

    Ray itself waits a minute for a GCS that has gone, and then ends whatever process it is in.

    Args:
        logs: The folder of Ray's logs on this machine.
    """

    def __init__(self, logs: str) -> None:
        self._logs = logs
        self._processes = {name: process for process, name in list_children(NAMES).items()}
        if missing := NAMES - self._processes.keys():
            log.warning("not watched", processes=sorted(missing))
        self._over = Event()
        self._waiting = get_ident()

    def start(self) -> Thread:
        """Watch until ``stop``; what ends meanwhile is a ``KeyboardInterrupt`` in the main thread.

        The interrupt ends whatever the main thread waits for.
        """
        thread = Thread(target=self._watch, name="ray-watch", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Interrupt nobody any more."""
        self._over.set()

    def problem(self) -> Unavailable | None:
        """Return what is to be told the user if a process has ended."""
        ended = [name for name, process in self._processes.items() if not is_alive(process)]
        if not ended:
            return None
        return Unavailable(
            f"Ray's {' and '.join(sorted(ended))} ended unexpectedly, so the server has stopped. "
            f"The logs in {self._logs} say why. Start it again: nothing acknowledged is lost."
        )

    def _watch(self) -> None:
        while not self._over.wait(POLL_S):
            if self.problem() is not None:
                signal.pthread_kill(self._waiting, signal.SIGINT)
                return
