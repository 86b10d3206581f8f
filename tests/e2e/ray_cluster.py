"""A Ray cluster as a user starts it: with the commands of the documents, and a home of its own.

A ``ray`` that comes first in the path adds to ``ray start`` what keeps clusters on one machine
apart: ports and a folder. Everything that is started here has a mark in its environment, by which
it is ended.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import httpx
import psutil

from actors.clusters.ports import free_port
from actors.processes import wait

ROOT = Path(__file__).parents[2]
COMMANDS = Path(sys.executable).parent
MARK = "TEST_CLUSTER"
COMMAND_TIMEOUT_S = 120
START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 30


@dataclass(frozen=True)
class RayCluster:
    """A head node.

    Attributes:
        address: ``HOST:PORT`` of its GCS.
        environment: Of its processes and of the shell that has started it.
        folder: The working folder of the shell: a copy of the configuration, on ports of its own.
        port: The port in that configuration.
        packages: A folder in which its new processes find Python modules first.
    """

    address: str
    environment: dict[str, str]
    folder: Path
    port: int
    packages: Path

    def run(self, command: str) -> "subprocess.CompletedProcess[str]":
        """Run a line of the documents in the cluster's shell, to its end."""
        return subprocess.run(
            ["bash", "-euc", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    @contextmanager
    def running(self, command: str) -> "Generator[Foreground]":
        """Run a line of the documents in the foreground, and end it with Ctrl-C."""
        printed = self.folder / f"printed-{free_port()}"
        with printed.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-euc", f"exec {command}"],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Foreground(psutil.Process(process.pid), printed)
        finally:
            if process.poll() is None:
                process.send_signal(2)
                process.wait(STOP_TIMEOUT_S)

    @property
    def url(self) -> str:
        """The base URL that the configuration names."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Foreground:
    """A command in the foreground.

    Attributes:
        process: Its process.
        file: What it prints.
    """

    process: psutil.Process
    file: Path

    @property
    def printed(self) -> str:
        """What it has printed so far."""
        return self.file.read_text()

    def wait_for(self, text: str) -> str:
        """Return what it has printed when the text is among it.

        Raises:
            AssertionError: It has ended, or the time is over, without it.
        """
        wait(lambda: text in self.printed or not self.process.is_running(), START_TIMEOUT_S)
        assert text in self.printed, self.printed
        return self.printed


def printed_commands(file: str, beginning: str = "#   ") -> list[str]:
    """Return the commands that a file of the configuration prints in its comments."""
    lines = (ROOT / file).read_text().splitlines()
    return [line.removeprefix(beginning) for line in lines if line.startswith(beginning)]


def documented_commands(section: str, language: str = "console") -> list[list[str]]:
    """Return the blocks of commands in a section of the document on operations."""
    text = (ROOT / "docs/operations.md").read_text()
    found = re.search(rf"(?ms)^(#+) {re.escape(section)}$(.*?)(?=^#{{1,3}} |\Z)", text)
    assert found is not None
    blocks = re.findall(rf"(?ms)^ *```{language}$\n(.*?)^ *```$", found[2])
    return [[line.strip() for line in block.splitlines()] for block in blocks]


@contextmanager
def started_with(commands: list[str]) -> Generator[RayCluster]:
    """Start a cluster with the given commands, and end it afterwards."""
    # Sockets below it have long names.
    own = Path(mkdtemp(prefix="er-", dir="/tmp"))
    for name in ("home", "shims", "packages", "ray", "work"):
        (own / name).mkdir()
    gcs, dashboard, client, agent, port = (free_port() for _ in range(5))
    address = f"127.0.0.1:{gcs}"
    shim = own / "shims" / "ray"
    added = (
        f"--port={gcs} --dashboard-port={dashboard} --ray-client-server-port={client} "
        f"--dashboard-agent-listen-port={agent} --temp-dir={own}/ray"
    )
    real = shlex.quote(str(COMMANDS / "ray"))
    shim.write_text(
        f'#!/bin/sh\nif [ "$1" = start ]; then exec {real} "$@" {added}; fi\nexec {real} "$@"\n'
    )
    shim.chmod(0o700)
    _configure(own / "work", port)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RAY_", "EVERRUNS_"))
    } | {
        MARK: str(own),
        # Ray's agents would write their title over the environment.
        "SPT_NOENV": "1",
        "HOME": str(own / "home"),
        "PATH": f"{own}/shims:{COMMANDS}:{os.environ['PATH']}",
        "PYTHONPATH": f"{own}/packages:{ROOT}",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Beside other tests the time that Ray and Serve give their processes would pass.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "120",
        "RAY_agent_register_timeout_ms": "120000",
        "EVERRUNS_DATA_DIR": str(own / "data"),
    }
    cluster = RayCluster(address, environment, own / "work", port, own / "packages")
    try:
        # The shell's variables are those of the commands that follow.
        begun = cluster.run("\n".join([*commands, "env -0 > variables"]))
        assert begun.returncode == 0, begun.stdout + begun.stderr
        for entry in (cluster.folder / "variables").read_text().split("\0")[:-1]:
            name, _, value = entry.partition("=")
            environment[name] = value
        # Where these commands look for the cluster of this machine.
        environment["RAY_ADDRESS"] = address
        environment["RAY_DASHBOARD_ADDRESS"] = f"http://127.0.0.1:{dashboard}"
        yield cluster
    finally:
        _end(str(own))
        rmtree(own, ignore_errors=True)


def _configure(folder: Path, port: int) -> None:
    (folder / "config").mkdir()
    text = (ROOT / "config/serve.yaml").read_text()
    changed, count = re.subn(r"(?m)^  port: 9300$", f"  port: {port}", text)
    assert count == 1
    (folder / "config/serve.yaml").write_text(changed)


def _end(mark: str) -> None:
    ours: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                ours.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    for process in ours:
        process.kill()
    psutil.wait_procs(ours, STOP_TIMEOUT_S)


def status_of(url: str) -> int | None:
    """Return the status with which ``/ready`` is answered; ``None`` if connections are refused."""
    try:
        return httpx.get(f"{url}/ready", timeout=10, trust_env=False).status_code
    except httpx.TransportError:
        return None


def statuses_until(condition: Callable[[int | None], bool], url: str) -> set[int | None]:
    """Ask for readiness until an answer fulfils the condition; return every answer.

    Raises:
        AssertionError: None does, within the time of a start.
    """
    seen: set[int | None] = set()
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        status = status_of(url)
        seen.add(status)
        if condition(status):
            return seen
        time.sleep(0.05)
    raise AssertionError(f"not within {START_TIMEOUT_S} s: {seen}")
