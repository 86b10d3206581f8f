"""HAProxy as a child of this process, which starts it again if it ends by itself."""

import re
import signal
import subprocess
import time
from pathlib import Path
from threading import Event, Lock, Thread

import psutil
import structlog

from actors.processes import wait
from everruns.errors import Unavailable
from everruns.log import error_kind

ALERT = re.compile(r"^\[ALERT\]\s+\(\d+\) : (.*)", re.MULTILINE)
START_TIMEOUT_S = 10.0
START_AGAIN_AFTER_S = 0.2
# The pause doubles up to this while it ends soon after each start.
LONGEST_PAUSE_S = 5.0

log = structlog.get_logger(__name__)


class FrontProcess:
    """HAProxy in front of the API.

    Args:
        binary: Its path.
        configuration: The file with its configuration; what it prints goes next to it.
        port: The port on which it is to listen.

    Attributes:
        configuration: The file with its configuration.
    """

    def __init__(self, binary: str, configuration: Path, port: int) -> None:
        self.configuration = configuration
        self._command = [binary, "-db", "-f", str(configuration)]
        self._printed = configuration.with_name("haproxy.log")
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ending = Event()
        # Once it is to end, no other process takes its place.
        self._replacing = Lock()

    def start(self) -> None:
        """Start it; return when it listens.

        Raises:
            Unavailable: It does not start. The message has the reason.
        """
        process = self._process = self._spawn()
        wait(lambda: process.poll() is not None or self._listens(process.pid), START_TIMEOUT_S)
        if process.poll() is not None or not self._listens(process.pid):
            raise Unavailable(f"HAProxy did not start: {self._reason()}")
        Thread(target=self._keep, args=[process], name="haproxy", daemon=True).start()

    def abandon(self) -> None:
        """Do not start it again when it ends."""
        with self._replacing:
            self._is_ending.set()

    def refuse(self) -> None:
        """Have it accept no more connections, and end with its last one."""
        self.abandon()
        if self._process is not None:
            # The signal that makes HAProxy stop listening.
            self._process.send_signal(signal.SIGUSR1)

    def end(self, timeout_s: float) -> None:
        """Wait until it has ended, and kill it when the time is over.

        It does not close idle connections, which clients may keep open for half a minute.
        """
        process = self._process
        if process is not None:
            wait(lambda: process.poll() is not None, timeout_s)
            process.kill()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with self._printed.open("wb") as printed:
            return subprocess.Popen(  # noqa: S603 - HAProxy, with a file of ours
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                # A terminal's Ctrl-C would end it before its streams.
                start_new_session=True,
            )

    def _keep(self, process: "subprocess.Popen[bytes]") -> None:
        pause_s = START_AGAIN_AFTER_S
        while True:
            began = time.monotonic()
            status = process.wait()
            if time.monotonic() - began > LONGEST_PAUSE_S:
                pause_s = START_AGAIN_AFTER_S
            if self._is_ending.wait(pause_s):
                return
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            with self._replacing:
                if self._is_ending.is_set():
                    return
                try:
                    process = self._process = self._spawn()
                except OSError as error:  # For example, too many files are open.
                    log.warning("HAProxy not started again", error=error_kind(error))
                else:
                    log.warning("HAProxy ended and was started again", status=status)

    def _reason(self) -> str:
        """Return the first thing that it has complained about."""
        said = ALERT.search(self._printed.read_text())
        return f"{said[1]}." if said else "it says no reason."

    def _listens(self, pid: int) -> bool:
        # Whoever has the port already would answer for it.
        try:
            sockets = psutil.Process(pid).net_connections("inet")
        except psutil.NoSuchProcess:
            return False
        return any(
            one.status == psutil.CONN_LISTEN and one.laddr.port == self._port for one in sockets
        )
