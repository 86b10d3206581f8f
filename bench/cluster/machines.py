"""What a node of a cluster runs on: a machine of its own, or what stands for one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import psutil

from actors.processes import wait

STOP_TIMEOUT_S = 10.0
STANDING = {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}


class NotPossibleHereError(Exception):
    """This computer lacks what a fault or a cluster needs; the message says what."""


class Machine(Protocol):
    """A machine, whose folder stays when it is switched off.

    Attributes:
        name: Its name.
        ip: Its address.
        port: Where its proxy takes requests to the API.
        gcs_port: Where Ray's GCS listens, if it is the head.
        folder: The folder that is its ``/tmp``, as this computer sees it.
        tmp: The same folder, as its own processes see it.
    """

    name: str
    ip: str
    port: int
    gcs_port: int
    folder: Path
    tmp: Path

    def on(self) -> None:
        """Switch it on."""
        ...

    def off(self) -> None:
        """Kill all its processes at once. Connections to it are closed."""
        ...

    def words(self, *command: str) -> list[str]:
        """Return the words of a command that runs another one on this machine."""
        ...

    def variables(self) -> Mapping[str, str]:
        """Return the environment variables that keep its processes apart from others'."""
        ...

    def ray_options(self) -> list[str]:
        """Return the options of ``ray start`` that do the same."""
        ...

    def processes(self) -> list[psutil.Process]:
        """Return its processes."""
        ...

    def cut(self) -> None:
        """Drop every packet from and to it from now on, and tell nobody.

        Raises:
            NotPossibleHereError: It has no network of its own.
        """
        ...

    def mend(self) -> None:
        """Let packets pass again."""
        ...

    def slow(self, delay_ms: float) -> None:
        """Delay every packet that it sends; 0 ends that.

        Raises:
            NotPossibleHereError: It has no network of its own, or the kernel has no ``netem``.
        """
        ...

    def pause(self) -> None:
        """Stop all its processes where they stand; return when they do."""
        ...

    def resume(self) -> None:
        """Let them go on."""
        ...


def wait_until_stopped(processes: Sequence[psutil.Process]) -> None:
    """Return when processes stand still: a signal that stops them is obeyed a moment later.

    Raises:
        TimeoutError: Some do not.
    """
    wait(lambda: not any(map(_is_running, processes)), STOP_TIMEOUT_S)
    if any(map(_is_running, processes)):
        raise TimeoutError(f"Some processes still run {STOP_TIMEOUT_S:.0f} s after being stopped.")


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.status() not in STANDING
    except psutil.NoSuchProcess:
        return False
