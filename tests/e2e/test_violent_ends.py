"""Servers that are ended by force: the one that the tests here share, and the next on its data.

So this file comes last of those that use it.
"""

import re
import signal
import subprocess
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import httpx
import psutil
import pytest

from actors.processes import is_alive, wait
from bench.server import Server
from tests.aimock import NODE_ROOT, find_node
from tests.e2e.conversation import post, start_session
from tests.servers import small_server
from tests.terminal import Terminal, running_in_terminal

PATIENCE_S = 60
ASK_AGAIN_S = 0.02
REFUSED = "refused"
# What is left of the server is waited for in this time.
END_WITHIN_S = 40
ANSWER = ["these", "words", "are", "simulated", "and", "mean", "nothing", "at", "all"] * 6


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


@contextmanager
def talking(address: str) -> Generator[Terminal]:
    """Talk on a terminal with a model that is in the middle of its answer."""
    settings = {"tokens": len(ANSWER), "tokens_per_s": 6}
    slow = {"name": "slow-talker", "provider_type": "simulated", "settings": settings}
    with httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        post(client, "/v1/llm-providers", slow)
        session_id = start_session(client, default_model_id="slow-talker/simulated-1")
    with running_in_terminal("chat", "--session", session_id, "--server", address) as terminal:
        terminal.wait_for("^>$")
        terminal.enter("Talk.")
        terminal.wait_for("^these words are")
        yield terminal


def is_streamed(address: str, session_id: str) -> bool:
    """Tell whether the events of a session are streamed now, at the first try."""
    url, headers = f"{address}/v1/sessions/{session_id}/events", {"accept": "text/event-stream"}
    with httpx.stream("GET", url, headers=headers, timeout=PATIENCE_S) as stream:
        return stream.is_success


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


def port_of(server: Server) -> int:
    return int(server.address.rsplit(":", 1)[1])


def lose(server: Server, core: str) -> None:
    """Kill a process of Ray's core, and check that the server ends and what it says."""
    started = [server.process, *server.process.children(recursive=True)]

    next(process for process in started if process.name() == core).kill()

    assert server.process.wait(END_WITHIN_S) == 1
    told = server.printed.read_text().partition("Stop with Ctrl-C\n")[2]
    assert told.startswith(f"everruns: Ray's {core}"), told
    assert told.count("\n") == 1, told
    assert not any(map(is_alive, started))


def test_a_killed_server_comes_back_on_its_port_and_serves_readers_again_until_rays_core_is_lost(
    server: Server, tmp_path: Path
) -> None:
    with httpx.Client(base_url=server.address, timeout=PATIENCE_S) as client:
        session_id = start_session(client, default_model_id="simulated/simulated-1")
    everything = [server.process, *server.process.children(recursive=True)]
    with (
        event_source(server.address, session_id, tmp_path / "notes") as notes,
        talking(server.address) as terminal,
    ):
        wait(lambda: connections(notes) == 1, PATIENCE_S)
        assert connections(notes) == 1

        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        with ExitStack() as lives:
            environment = {"EVERRUNS_DATA_DIR": server.data_dir}
            with asking(server.address) as answers:
                second = lives.enter_context(small_server(port_of(server), **environment))
                assert second.address == server.address
                assert is_streamed(second.address, session_id)
                # Node's EventSource gives up when a port refuses it; a browser's does not.
                assert "retrying" in notes.read_text()
                with event_source(second.address, session_id, tmp_path / "again") as again:
                    wait(lambda: bool(again.read_text()), PATIENCE_S)
                    assert again.read_text() == "connected\n"
                answers.clear()
                wait(lambda: answers["success"] > 10, PATIENCE_S)
                assert answers["success"] > 10
            _, left = psutil.wait_procs(everything, timeout=0)
            assert left == []
            terminal.wait_for("tokens in", everywhere=True)
            said = terminal.everything
            assert re.search("The connection was lost for .* s", said)
            assert said.count("> Talk.") == 1
            assert said.partition("The answer was interrupted.")[2].split()[: len(ANSWER)] == ANSWER

            lose(second, "gcs_server")


# The second starts on the port and the data that the first has left.
@pytest.mark.long
def test_a_server_that_loses_rays_core_leaves_its_port_and_data_to_the_next(tmp_path: Path) -> None:
    port, data = 0, str(tmp_path / "data")
    for core in ("gcs_server", "raylet"):
        with small_server(port, EVERRUNS_DATA_DIR=data) as server:
            port = port_of(server)
            lose(server, core)
