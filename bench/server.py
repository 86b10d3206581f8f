"""The server under measurement: as ``everruns serve`` runs it, on a data directory of its own."""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.checkout import Checkout

START_TIMEOUT_S = 300.0
# A stop takes seconds, on a busy machine many.
STOP_TIMEOUT_S = 60.0
Child = subprocess.Popen[bytes]

ADDRESS = re.compile(r"Everruns is ready at (http://\S+)")


def add_variables(parser: argparse.ArgumentParser, which: str) -> None:
    """Add ``--with NAME=VALUE``, which may be repeated; ``variables`` gets pairs.

    Args:
        parser: Of a benchmark.
        which: Which server they are for.
    """
    parser.add_argument(
        "--with",
        dest="variables",
        metavar="NAME=VALUE",
        type=_pair,
        action="append",
        default=[],
        help=f"a variable for the server {which}, such as EVERRUNS_LOG_REQUESTS=false",
    )


def _pair(given: str) -> tuple[str, str]:
    name, sign, value = given.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{given} is not in the form NAME=VALUE")
    return name, value


@dataclass(frozen=True)
class Server:
    """A server that is up.

    Attributes:
        address: Where it answers.
        ready_s: Seconds from its start to its first answer.
        data_dir: Its data directory.
        process: Its first process; all others are below it.
        printed: The file with what it printed.
    """

    address: str
    ready_s: float
    data_dir: str
    process: psutil.Process
    printed: Path

    def memory(self) -> list[tuple[str, float]]:
        """Return each process's name and private memory in MB, largest first."""
        found: list[tuple[str, float]] = []
        for process in [self.process, *self.process.children(recursive=True)]:
            try:
                found.append((_name(process), process.memory_full_info().uss / 1e6))
            except psutil.NoSuchProcess:
                continue
        return sorted(found, key=lambda item: -item[1])

    def cpu_s(self) -> float:
        """Return the CPU seconds that all processes have used."""
        total = 0.0
        for process in [self.process, *self.process.children(recursive=True)]:
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total


@contextmanager
def running_server(
    port: int = 0,
    *,
    folder: Path | None = None,
    checkout: Checkout | None = None,
    **environment: str,
) -> Generator[Server]:
    """Start a server and stop it afterwards.

    Args:
        port: Of the API; 0 takes a free one.
        folder: The working folder to start it in, if not this process's.
        checkout: The version to start, in its folder; without it, the one that Python finds.
        environment: ``EVERRUNS_*`` variables to add.

    Raises:
        RuntimeError: It did not come up; the message is what it printed.
    """
    arguments = ["everruns.cli", "serve", "--port", str(port)]
    if checkout is not None:
        folder = checkout.path
        environment = {**checkout.environment, **environment}
    with running_program(arguments, _wait_for_address, folder=folder, **environment) as server:
        yield server


@contextmanager
def running_program(
    arguments: list[str],
    wait: Callable[[Child, Path], str],
    *,
    folder: Path | None = None,
    **environment: str,
) -> Generator[Server]:
    """Run a Python module that serves, on a data directory of its own, and stop it afterwards.

    Args:
        arguments: Its name and arguments.
        wait: Returns its address when it answers, given its process and where it prints.
        folder: Its working folder, if not this process's.
        environment: Variables to add.

    Raises:
        RuntimeError: It did not come up; the message is what it printed.
    """
    with TemporaryDirectory(prefix="everruns-bench-") as own:
        printed = Path(own) / "server.log"
        variables = {**os.environ, "EVERRUNS_DATA_DIR": f"{own}/data", **environment}
        started = time.monotonic()
        with printed.open("w") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env=variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )
        process = psutil.Process(child.pid)
        try:
            address = wait(child, printed)
            ready_s = time.monotonic() - started
            yield Server(address, ready_s, variables["EVERRUNS_DATA_DIR"], process, printed)
        finally:
            if child.poll() is None:
                below = process.children(recursive=True)
                child.send_signal(signal.SIGINT)
                try:
                    child.wait(STOP_TIMEOUT_S)
                finally:
                    child.kill()
                    for left in psutil.wait_procs(below, STOP_TIMEOUT_S)[1]:
                        left.kill()


def _wait_for_address(child: Child, printed: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if found := ADDRESS.search(printed.read_text().replace("\n", " ")):
            return found[1]
        if child.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"The server did not come up:\n{printed.read_text()}")


def _name(process: psutil.Process) -> str:
    words = " ".join(process.cmdline()) or process.name()
    if "everruns.cli" in words:
        return "everruns serve"
    return re.sub(r"^\S*/", "", words)[:60]
