"""Debian's Prometheus, watching a server that runs here."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from actors.clusters.ports import free_port
from bench.server import Server

START_TIMEOUT_S = 60.0
PUT_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
LOGS = re.compile(r"Logs\s+(\S+)/logs")


@dataclass(frozen=True)
class Series:
    """The values of a series over time.

    Attributes:
        labels: Its labels.
        points: Times, in seconds since the epoch, and values.
    """

    labels: dict[str, str]
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that is up.

    Attributes:
        url: Where it answers.
        folder: The folder with its settings and ours.
    """

    url: str
    folder: Path

    def series(self, expression: str) -> int:
        """Return how many series an expression has now."""
        return len(self._ask("query", query=expression))

    def values(self, expression: str, start: float, end: float, step_s: float) -> list[Series]:
        """Return the values of an expression between two times."""
        found = self._ask("query_range", query=expression, start=start, end=end, step=step_s)
        return [
            # A quantile of nothing is not a number.
            Series(one["metric"], [(at, float(v)) for at, v in one["values"] if v != "NaN"])
            for one in found
        ]

    def _ask(self, what: str, **parameters: str | float) -> list[dict]:
        answer = httpx.get(f"{self.url}/api/v1/{what}", params=parameters, trust_env=False)
        if answer.is_error:
            raise RuntimeError(f"Prometheus refuses {parameters['query']}: {answer.text}")
        return answer.json()["data"]["result"]


def find_program(name: str) -> str:
    """Return the path of ``prometheus`` or ``promtool``.

    Raises:
        RuntimeError: It is not installed; the message says how to install it.
    """
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(
            f"There is no {name} on this machine. Install it (Debian and Ubuntu: "
            "apt-get install prometheus)."
        )
    return found


def session_folder(server: Server) -> Path:
    """Return the folder of a server's Ray session."""
    found = LOGS.search(server.printed.read_text())
    if found is None:
        raise RuntimeError("The server has not printed where its logs are.")
    return Path(found[1])


@contextmanager
def watching(server: Server, every_s: float) -> Generator[Prometheus]:
    """Run Prometheus with the settings that a server has put next to Ray's, and stop it afterwards.

    Args:
        server: The server, with its dashboard.
        every_s: How often metrics are read and alerts judged.

    Raises:
        RuntimeError: Prometheus is not installed or does not come up.
    """
    program = find_program("prometheus")
    folder = session_folder(server) / "metrics" / "prometheus"
    theirs = folder / "everruns.yaml"
    wait(theirs.exists, PUT_TIMEOUT_S, f"The server has not written {theirs}.")
    # In the same folder, because it names other files relative to its own.
    quick = folder / "quick.yaml"
    quick.write_text(re.sub(r"interval: \S+", f"interval: {every_s:g}s", theirs.read_text()))
    address = f"127.0.0.1:{free_port()}"
    with TemporaryDirectory(prefix="everruns-prometheus-") as own:
        arguments = [
            f"--config.file={quick}",
            f"--storage.tsdb.path={own}/data",
            f"--web.listen-address={address}",
        ]
        printed = Path(own) / "prometheus.log"
        with printed.open("w") as output:
            child = subprocess.Popen([program, *arguments], stdout=output, stderr=output)
        try:
            url = f"http://{address}"
            wait(
                lambda: _is_ready(url) or child.poll() is not None,
                START_TIMEOUT_S,
                "Prometheus did not come up.",
            )
            if child.poll() is not None:
                raise RuntimeError(f"Prometheus did not come up:\n{printed.read_text()}")
            yield Prometheus(url, folder)
        finally:
            child.terminate()
            child.wait(STOP_TIMEOUT_S)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False


def wait(condition: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
    """Wait for a condition.

    Raises:
        RuntimeError: It does not come to hold in time; the message is ``otherwise``.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(0.1)
