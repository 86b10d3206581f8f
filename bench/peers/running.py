"""Starting the servers that are compared, one at a time, each in a fresh folder."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import httpx
import orjson
import psutil

from bench.peers.wires import (
    SYSTEM_PROMPT,
    Adk,
    Agno,
    Bare,
    Everruns,
    EverrunsStreamPerTurn,
    LangGraph,
    Wire,
    python_name,
)
from bench.server import START_TIMEOUT_S, STOP_TIMEOUT_S, Server, running_server

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".venv" / "peers"
PROGRAMS = Path(__file__).parent / "servers"

# What would phone home, or could be slower for it.
QUIET = {
    "AGNO_TELEMETRY": "false",
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    "LANGGRAPH_NO_VERSION_CHECK": "true",
    "LANGSMITH_TRACING": "false",
    "OTEL_SDK_DISABLED": "true",
}


@dataclass(frozen=True)
class Peer:
    """A server that is compared.

    Attributes:
        name: As ``--only`` and the tables name it.
        durable: Whether what it acknowledged outlives its process.
        wires: How it is spoken to; each is a row of its own.
        ready_path: Answers when it is up.
        command: Its arguments after the environment's ``bin/``, for a port.
        set_up: Puts what it needs into its folder, for each model.
    """

    name: str
    durable: bool
    wires: dict[str, Callable[[aiohttp.ClientSession], Wire]]
    ready_path: str = "/health"
    command: Callable[[Path, int], list[str]] = lambda _folder, _port: []
    set_up: Callable[[Path, Sequence[str]], None] = field(default=lambda _folder, _models: None)


def _uvicorn(program: str) -> Callable[[Path, int], list[str]]:
    options = ["--no-access-log", "--log-level", "warning", "--app-dir", str(PROGRAMS)]
    return lambda _folder, port: ["uvicorn", program, *options, "--port", str(port)]


def _adk_agents(folder: Path, models: Sequence[str]) -> None:
    # A file that is made for concurrent writers stays so; ADK's own is not, and locks itself out.
    with closing(sqlite3.connect(folder / "sessions.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
    for model in models:
        agent = folder / "agents" / python_name(model)
        agent.mkdir(parents=True)
        (agent / "__init__.py").write_text("from . import agent\n")
        shutil.copy(PROGRAMS / "adk_agent.py", agent / "agent.py")


def _langgraph(folder: Path, port: int) -> list[str]:
    # Ten turns at once are its default; more wait.
    options = ["--no-browser", "--no-reload", "--allow-blocking", "--n-jobs-per-worker", "256"]
    quiet = ["--server-log-level", "ERROR"]
    config = ["--config", str(folder / "langgraph.json")]
    return ["langgraph", "dev", *options, *quiet, *config, "--port", str(port)]


def _langgraph_graphs(folder: Path, models: Sequence[str]) -> None:
    graphs: dict[str, str] = {}
    for model in models:
        program = f"{python_name(model)}.py"
        shutil.copy(PROGRAMS / "langgraph_agent.py", folder / program)
        graphs[model] = f"./{program}:graph"
    config = {"dependencies": ["."], "graphs": graphs}
    (folder / "langgraph.json").write_bytes(orjson.dumps(config))


OURS = "everruns"
CEILING = "bare"

PEERS = (
    Peer(
        OURS,
        durable=True,
        wires={OURS: Everruns, f"{OURS}, stream per turn": EverrunsStreamPerTurn},
    ),
    Peer("agno", durable=True, wires={"agno": Agno}, command=_uvicorn("agno_os:app")),
    Peer(
        "adk",
        durable=True,
        wires={"adk": Adk},
        command=_uvicorn("adk_server:app"),
        set_up=_adk_agents,
    ),
    Peer(
        "langgraph",
        durable=False,
        wires={"langgraph": LangGraph},
        ready_path="/ok",
        command=_langgraph,
        set_up=_langgraph_graphs,
    ),
    Peer(
        CEILING,
        durable=False,
        wires={CEILING: Bare},
        ready_path="/openapi.json",
        command=_uvicorn("bare:app"),
    ),
)


@contextmanager
def running_model() -> Generator[str]:
    """Start the fake model server; yield its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.model"], stdout=subprocess.PIPE, text=True
    ) as child:
        if child.stdout is None:
            raise RuntimeError("The model server has no output.")
        try:
            yield child.stdout.readline().strip()
        finally:
            child.terminate()


@contextmanager
def running_peer(peer: Peer, model_url: str, models: Sequence[str]) -> Generator[Server]:
    """Start a server and stop it afterwards.

    Raises:
        RuntimeError: It did not come up; the message is what it printed.
    """
    if peer.name == OURS:
        # The others have none either.
        with running_server(EVERRUNS_DASHBOARD="false") as server:
            yield server
        return
    with TemporaryDirectory(prefix="everruns-bench-") as name:
        folder = Path(name)
        peer.set_up(folder, models)
        port = _free_port()
        program, *arguments = peer.command(folder, port)
        environment = {
            "PATH": os.environ["PATH"],
            # Settings of whoever runs this are not for it.
            "HOME": name,
            "MODELS": ",".join(models),
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": f"{model_url}/v1",
            "SYSTEM_PROMPT": SYSTEM_PROMPT,
            **QUIET,
        }
        printed = folder / "printed.log"
        started = time.monotonic()
        with printed.open("w") as output:
            child = subprocess.Popen(
                [ENVIRONMENTS / peer.name / "bin" / program, *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_ready(child, address + peer.ready_path, printed)
            ready_s = time.monotonic() - started
            yield Server(address, ready_s, name, psutil.Process(child.pid))
        except Exception as error:
            error.add_note(f"{peer.name} printed:\n{printed.read_text()[-4000:]}")
            raise
        finally:
            child.terminate()
            try:
                child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(STOP_TIMEOUT_S)


def _wait_until_ready(child: "subprocess.Popen[bytes]", url: str, printed: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and child.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"The server did not come up:\n{printed.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
