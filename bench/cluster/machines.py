"""What a node of a cluster runs on: a machine of its own, or what stands for one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import psutil


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
        """Stop all its processes where they stand."""
        ...

    def resume(self) -> None:
        """Let them go on."""
        ...
