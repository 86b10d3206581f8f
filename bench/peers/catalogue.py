"""The servers that are compared, and how each is run as its makers say it should be."""

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson

from bench.checkout import HERE, Checkout
from bench.peers.ours import Everruns, EverrunsStreamPerTurn
from bench.peers.theirs import Adk, Agno, Bare, LangGraph, python_name
from bench.peers.wires import Wire

PROGRAMS = Path(__file__).parent / "servers"


@dataclass(frozen=True)
class Peer:
    """A server that is compared.

    Attributes:
        name: As ``--only`` and the tables name it.
        durable: Whether what it acknowledged outlives its process.
        wires: How it is spoken to; each is a row of its own.
        ready_path: Answers when it is up.
        command: Its program in its environment, and the arguments; for a port.
        set_up: Puts what it needs into its folder, for each model.
        checkout: The version of this server that it is; none for the others.
    """

    name: str
    durable: bool
    wires: dict[str, Callable[[aiohttp.ClientSession], Wire]]
    ready_path: str = "/health"
    command: Callable[[int], list[str]] = lambda _port: []
    set_up: Callable[[Path, Sequence[str]], None] = field(default=lambda _folder, _models: None)
    checkout: Checkout | None = None


def _uvicorn(program: str) -> Callable[[int], list[str]]:
    options = ["--no-access-log", "--log-level", "warning", "--app-dir", str(PROGRAMS)]
    return lambda port: ["uvicorn", program, *options, "--port", str(port)]


def _adk_agents(folder: Path, models: Sequence[str]) -> None:
    # A file that is made for concurrent writers stays so; ADK's own is not, and locks itself out.
    with closing(sqlite3.connect(folder / "sessions.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
    for model in models:
        agent = folder / "agents" / python_name(model)
        agent.mkdir(parents=True)
        (agent / "__init__.py").write_text("from . import agent\n")
        shutil.copy(PROGRAMS / "adk_agent.py", agent / "agent.py")


def _langgraph(port: int) -> list[str]:
    # Ten turns at once are its default; more wait.
    options = ["--no-browser", "--no-reload", "--allow-blocking", "--n-jobs-per-worker", "256"]
    quiet = ["--server-log-level", "ERROR"]
    return ["langgraph", "dev", *options, *quiet, "--port", str(port)]


def _langgraph_graphs(folder: Path, models: Sequence[str]) -> None:
    graphs: dict[str, str] = {}
    for model in models:
        program = f"{python_name(model)}.py"
        shutil.copy(PROGRAMS / "langgraph_agent.py", folder / program)
        graphs[model] = f"./{program}:graph"
    config = {"dependencies": ["."], "graphs": graphs}
    (folder / "langgraph.json").write_bytes(orjson.dumps(config))


def ours(name: str, checkout: Checkout) -> Peer:
    """Return a version of this server under a name of its own."""
    wires: dict[str, Callable[[aiohttp.ClientSession], Wire]] = {
        name: Everruns,
        f"{name}, stream per turn": EverrunsStreamPerTurn,
    }
    return Peer(name, durable=True, wires=wires, checkout=checkout)


OURS = "everruns"
CEILING = "bare"

PEERS = (
    ours(OURS, HERE),
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
