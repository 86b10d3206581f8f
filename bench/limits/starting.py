"""Starting an empty application or a server, and waiting for what answers at an address."""

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from actors.clusters.ports import free_port
from bench.checkout import HERE, Checkout
from bench.server import START_TIMEOUT_S, STOP_TIMEOUT_S, Child, Server, running_program

SERVER = ("everruns.cli", "serve")
EMPTY = ("bench.limits.empty",)
# The variables of a server whose API is served without Ray Serve, and what tables call it.
DIRECT = {"EVERRUNS_SERVING": "direct"}
DIRECT_NAME = "without Serve"
POLL_S = 0.02


@contextmanager
def running_until_answered(
    *program: str, checkout: Checkout = HERE, **environment: str
) -> Generator[Server]:
    """Run a program on a free port; its ``ready_s`` is when ``GET /health`` first answered 200.

    Args:
        program: The module and its arguments.
        checkout: The version that it belongs to.
        environment: Variables to add.

    Raises:
        RuntimeError: It did not come up; the message is what it printed.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"

    def wait(child: Child, printed: Path) -> str:
        deadline = time.monotonic() + START_TIMEOUT_S
        with httpx.Client(timeout=5.0) as client:
            while time.monotonic() < deadline and child.poll() is None:
                try:
                    if client.get(f"{address}/health").status_code == 200:
                        return address
                except httpx.TransportError:
                    # Nothing listens yet.
                    pass
                time.sleep(POLL_S)
        raise RuntimeError(f"{' '.join(program)} did not come up:\n{printed.read_text()}")

    command = [*program, "--port", str(port)]
    variables = {**checkout.environment, **environment}
    with running_program(command, wait, folder=checkout.path, **variables) as server:
        yield server


@contextmanager
def running_empty() -> Generator[Server]:
    """Run an empty application on Ray and Serve, started as a server is."""
    # Whether it ends in time as a server does is not what is measured.
    with suppress(subprocess.TimeoutExpired), running_until_answered(*EMPTY) as server:
        yield server


@contextmanager
def running_model() -> Generator[str]:
    """Start the fake model server; yield its address.

    Raises:
        RuntimeError: It did not come up.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "bench.model"], stdout=subprocess.PIPE, text=True
    )
    try:
        yield _printed_address(child)
    except Exception as error:
        if child.poll() is not None:
            error.add_note(f"The model server had ended by itself, with {child.returncode}.")
        raise
    finally:
        child.terminate()
        child.wait(STOP_TIMEOUT_S)


def _printed_address(child: "subprocess.Popen[str]") -> str:
    address = child.stdout.readline().strip() if child.stdout else ""
    if not address:
        raise RuntimeError("The model server did not come up.")
    return address
