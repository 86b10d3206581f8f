"""Starting the servers that are compared, one at a time, each in a fresh folder."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil

from bench.peers.catalogue import Peer
from bench.peers.wires import SYSTEM_PROMPT
from bench.server import START_TIMEOUT_S, STOP_TIMEOUT_S, Server, running_server

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".venv" / "peers"

# None of them phones home meanwhile, or writes a line for each request.
QUIET = {
    "AGNO_TELEMETRY": "false",
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    "LANGGRAPH_NO_VERSION_CHECK": "true",
    "LANGSMITH_TRACING": "false",
    "LOG_LEVEL": "ERROR",
    "OTEL_SDK_DISABLED": "true",
}


@contextmanager
def running_model() -> Generator[str]:
    """Start the fake model server; yield its address.

    Raises:
        RuntimeError: It did not come up.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "bench.model"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        address = child.stdout.readline().strip() if child.stdout else ""
        if not address:
            raise RuntimeError("The model server did not come up.")
        yield address
    finally:
        _stop(child)


@contextmanager
def running_peer(peer: Peer, model_url: str, models: Sequence[str]) -> Generator[Server]:
    """Start a server and stop it afterwards.

    Raises:
        RuntimeError: It did not come up. What it printed is a note of this and every other error.
    """
    if peer.checkout is not None:
        # The others have no dashboard either.
        with running_server(checkout=peer.checkout, EVERRUNS_DASHBOARD="false") as server:
            yield server
        return
    with TemporaryDirectory(prefix="everruns-bench-") as name:
        folder = Path(name)
        peer.set_up(folder, models)
        port = _free_port()
        program, *arguments = peer.command(port)
        installed = ENVIRONMENTS / peer.name / "bin" / program
        if not installed.exists():
            raise RuntimeError(f"{peer.name} is not installed. `make bench-peers` installs it.")
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
                [installed, *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_ready(child, address + peer.ready_path)
            ready_s = time.monotonic() - started
            yield Server(address, ready_s, name, psutil.Process(child.pid), printed)
        except Exception as error:
            error.add_note(f"{peer.name} printed:\n{printed.read_text()[-4000:]}")
            raise
        finally:
            _stop(child)


def _wait_until_ready(child: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and child.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            # Nothing listens yet.
            pass
        time.sleep(0.1)
    raise RuntimeError(f"Nothing answered at {url}.")


def _stop(child: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
    child.terminate()
    try:
        child.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(STOP_TIMEOUT_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
