"""The process in front, before the whole server: what listens, and who comes in when."""

import signal
import subprocess
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import httpx
import psutil

from actors.clusters.ports import RANGE, free_port
from actors.processes import wait
from bench.server import Server
from tests.aimock import NODE_ROOT, find_node
from tests.e2e.conversation import start_session
from tests.servers import small_server

PATIENCE_S = 60
ASK_AGAIN_S = 0.02
REFUSED = "refused"


def listening(process: psutil.Process) -> Iterator[tuple[str, int]]:
    with suppress(psutil.NoSuchProcess):  # Some end while one looks.
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                yield connection.laddr.ip, connection.laddr.port


def test_haproxy_listens_on_the_apis_port_alone_and_what_is_behind_it_on_loopback(
    server: Server,
) -> None:
    processes = server.process.children(recursive=True)
    front = {
        address
        for process in processes
        if process.name() == "haproxy"
        for address in listening(process)
    }
    behind = {
        address for process in processes for address in listening(process) if address[1] in RANGE
    } - front

    assert front == {("127.0.0.1", int(server.address.rsplit(":", 1)[1]))}
    assert len(behind) >= 2  # A replica and Serve's own proxy.
    assert {host for host, _ in behind} == {"127.0.0.1"}


@contextmanager
def event_source(address: str, session_id: str, notes: Path) -> Generator[Path]:
    """Follow a session's events as a browser does; yields the file of what happens."""
    node = find_node()
    assert node is not None
    program = [node, "--experimental-eventsource", "--no-warnings"]
    url = f"{address}/v1/sessions/{session_id}/events"
    with notes.open("w") as file:
        process = subprocess.Popen([*program, NODE_ROOT / "event_source.mjs", url], stdout=file)
    try:
        yield notes
    finally:
        process.kill()
        process.wait()


def connections(notes: Path) -> int:
    """Return how often the stream was opened."""
    return notes.read_text().split().count("connected")


@contextmanager
def asking(address: str) -> Generator["Counter[object]"]:
    """Ask for routes again and again; yields how often each answer came."""
    answers: Counter[object] = Counter()
    ends = Event()

    def ask() -> None:
        with httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
            while not ends.wait(ASK_AGAIN_S):
                for path in ("/health", "/v1/agents", "/nowhere"):
                    answers[answer(client, path)] += 1

    thread = Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        ends.set()
        thread.join()


def answer(client: httpx.Client, path: str) -> object:
    """Return what came: nothing, a success, or an error and whether to come again."""
    try:
        response = client.get(path)
    except httpx.TransportError:
        return REFUSED
    if response.is_success:
        return "success"
    try:
        return response.json()["error"]["code"], "retry-after" in response.headers
    except ValueError:
        return response.text


def test_a_killed_server_comes_back_on_its_port_and_serves_readers_again(tmp_path: Path) -> None:
    port = free_port()
    environment = {"EVERRUNS_DATA_DIR": str(tmp_path / "data")}
    with small_server(port, **environment) as first:
        with httpx.Client(base_url=first.address, timeout=PATIENCE_S) as client:
            session_id = start_session(client, default_model_id="simulated/simulated-1")
        everything = [first.process, *first.process.children(recursive=True)]
        with event_source(first.address, session_id, tmp_path / "notes") as notes:
            wait(lambda: connections(notes) == 1, PATIENCE_S)
            assert connections(notes) == 1

            first.process.send_signal(signal.SIGKILL)
            first.process.wait()
            with (
                asking(first.address) as answers,
                small_server(port, **environment) as second,
            ):
                assert second.address == first.address
                # Node's EventSource gives up when a port refuses it; a browser's does not.
                assert "retrying" in notes.read_text()
                with event_source(second.address, session_id, tmp_path / "again") as again:
                    wait(lambda: connections(again) == 1, PATIENCE_S)
                    assert connections(again) == 1
                answers.clear()
                wait(lambda: answers["success"] > 10, PATIENCE_S)
                assert answers["success"] > 10
    _, left = psutil.wait_procs(everything, timeout=0)
    assert left == []
