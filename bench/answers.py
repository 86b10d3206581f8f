"""``python -m bench.answers``: whether answers over HTTP take longer with many stored sessions.

Two servers run side by side, one on a data directory that was empty and one on a filled one, and
are asked in turns, so that what else the machine does hits both.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.filled import fill
from bench.server import running_server

REPETITIONS = 100
WARM_UP = 10
LONG_EVENTS = 7
MODEL = "simulated/simulated-1"

out = Console()


def main() -> None:
    """Fill, start, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.answers", description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000, help="how many are many")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="everruns-bench-") as folder:
        data_dir = Path(folder) / "many"
        filled = fill(data_dir, options.sessions, LONG_EVENTS)
        filled.store.close()
        out.print("Starting two servers")
        with (
            running_server(EVERRUNS_DASHBOARD="false") as empty,
            running_server(EVERRUNS_DASHBOARD="false", EVERRUNS_DATA_DIR=str(data_dir)) as full,
            httpx.Client(base_url=empty.address, timeout=30) as few,
            httpx.Client(base_url=full.address, timeout=30) as many,
        ):
            _print(_measure(few, many), options.sessions)


def _measure(few: httpx.Client, many: httpx.Client) -> dict[str, tuple[float, float]]:
    """Return each request's median in milliseconds, with few and with many stored sessions."""
    requests: dict[str, Callable[[httpx.Client], float]] = {
        "create a session": _create,
        "send a message to a new session": _send,
        # Last, when both have more than a page of sessions.
        "list sessions": _list,
    }
    measured: dict[str, tuple[float, float]] = {}
    for name, request in requests.items():
        times: tuple[list[float], list[float]] = ([], [])
        for _ in track(range(WARM_UP + REPETITIONS), name, transient=True):
            for taken, client in zip(times, (few, many), strict=True):
                taken.append(request(client))
        measured[name] = median(times[0][WARM_UP:]), median(times[1][WARM_UP:])
    return measured


def _list(client: httpx.Client) -> float:
    return _timed(lambda: client.get("/v1/sessions"))


def _create(client: httpx.Client) -> float:
    return _timed(lambda: client.post("/v1/sessions", json={"model_id": MODEL}))


def _send(client: httpx.Client) -> float:
    session_id = client.post("/v1/sessions", json={"model_id": MODEL}).json()["id"]
    body = {"content": "How are you?"}
    taken = _timed(lambda: client.post(f"/v1/sessions/{session_id}/messages", json=body))
    _read_to_the_end(client, session_id)
    return taken


def _read_to_the_end(client: httpx.Client, session_id: str) -> None:
    with client.stream("GET", f"/v1/sessions/{session_id}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("event: session.completed"):
                return


def _timed(request: Callable[[], httpx.Response]) -> float:
    """Return the milliseconds that a request took."""
    started = time.perf_counter()
    request().raise_for_status()
    return (time.perf_counter() - started) * 1000


def _print(measured: dict[str, tuple[float, float]], sessions: int) -> None:
    table = Table("Request", "empty", f"{sessions:,} sessions", "Ratio", title="Medians")
    for name, (small, large) in measured.items():
        table.add_row(name, f"{small:.1f} ms", f"{large:.1f} ms", f"{large / small:.2f}")
    out.print(table)


if __name__ == "__main__":
    main()
