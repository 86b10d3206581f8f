"""A server that joins a cluster of two nodes, one of which dies."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from actors.ports import free_port
from actors.processes import is_alive, wait
from bench.server import Server, running_server
from tests.e2e.conversation import post, say, start_session

pytestmark = pytest.mark.timeout(900)

RAY = str(Path(sys.executable).with_name("ray"))
START_S = 180.0
RECOVER_S = 120.0
SESSIONS = 6


class Node:
    """A node of Ray's, with all its processes below one."""

    def __init__(self, process: psutil.Process) -> None:
        self.process = process

    def processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def kill(self) -> None:
        for process in self.processes():
            process.kill()

    def holds_session_actors(self) -> bool:
        return any("ray::SessionActor" in " ".join(each.cmdline()) for each in self.processes())


@contextmanager
def running_node(folder: Path, *words: str) -> Iterator[Node]:
    environment = {
        **os.environ,
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    printed = (folder / f"{len(words)}.log").open("w")
    child = subprocess.Popen(
        [RAY, "start", "--block", "--dashboard-agent-listen-port=0", *words],
        env=environment,
        stdout=printed,
        stderr=subprocess.STDOUT,
    )
    node = Node(psutil.Process(child.pid))
    try:
        yield node
    finally:
        left = node.processes() if child.poll() is None else []
        for process in left:
            process.kill()
        child.wait()
        printed.close()


def answers(port: int) -> Callable[[], bool]:
    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return answers


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Server, Node]]:
    """A server on a cluster, and the node that it did not join at."""
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="er", dir="/tmp"))
    try:
        with ExitStack() as stack:
            head = ["--head", f"--port={port}", "--include-dashboard=false", "--num-cpus=1"]
            stack.enter_context(running_node(folder, *head))
            wait(answers(port), START_S)
            joining = [f"--address=127.0.0.1:{port}", "--num-cpus=2"]
            worker = stack.enter_context(running_node(folder, *joining))
            server = stack.enter_context(
                running_server(EVERRUNS_RAY_ADDRESS=f"127.0.0.1:{port}", RAY_TMPDIR=str(folder))
            )
            yield server, worker
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_joining_says_the_same_few_lines_as_starting_alone(
    cluster: tuple[Server, Node],
) -> None:
    printed = cluster[0].printed.read_text().splitlines()

    assert [line.strip().split("  ")[0].split(" at ")[0] for line in printed] == [
        "Joining Ray",
        "Starting the API",
        "Everruns is ready",
        "API reference",
        "Data",
        "Logs",
        "Stop with Ctrl-C",
    ]


def test_requests_while_a_node_dies_succeed_or_are_told_to_try_again(
    cluster: tuple[Server, Node],
) -> None:
    server, worker = cluster
    with httpx.Client(base_url=server.address, timeout=90) as client:
        wait(worker.holds_session_actors, START_S)
        sessions = [
            start_session(client, default_model_id="simulated/simulated-1") for _ in range(SESSIONS)
        ]
        for session in sessions:
            say(client, session, "hi")

        worker.kill()
        refused = [
            answer
            for session in sessions
            for answer in (
                client.post(f"/v1/sessions/{session}/messages", json={"content": "on"}),
                client.get(f"/v1/sessions/{session}/messages"),
            )
            if not answer.is_success
        ]

        for answer in refused:
            assert answer.status_code == 503, answer.text
            assert answer.json()["error"]["code"]
            assert answer.headers["retry-after"]
        for session in sessions:
            wait(lambda session=session: accepts(client, session), RECOVER_S)
            assert post(client, f"/v1/sessions/{session}/messages", {"content": "again"})
        assert not is_alive(worker.process)


def accepts(client: httpx.Client, session: str) -> bool:
    answer = client.post(f"/v1/sessions/{session}/messages", json={"content": "now"})
    return answer.is_success
