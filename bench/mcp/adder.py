"""A server of the Model Context Protocol with one tool, built with the protocol's library."""

import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
from mcp.server import MCPServer

from actors.clusters.ports import free_port
from bench.server import START_TIMEOUT_S, STOP_TIMEOUT_S

NAME = "adder"
TOOL = "add"
POLL_S = 0.02


@dataclass(frozen=True)
class Adder:
    """A server that is up.

    Attributes:
        url: Where it answers.
        port: Its port.
        process: Its process.
    """

    url: str
    port: int
    process: psutil.Process

    def connections(self) -> int:
        """Return how many connections it has now."""
        return sum(
            found.status == psutil.CONN_ESTABLISHED and found.laddr.port == self.port
            for found in self.process.net_connections("tcp")
        )


@contextmanager
def running_adder() -> Generator[Adder]:
    """Run it in a process of its own, and stop it afterwards.

    Raises:
        RuntimeError: It did not come up.
    """
    port = free_port()
    command = [sys.executable, "-m", "bench.mcp.adder", str(port)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _answers(port):
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("The MCP server did not come up.")
            time.sleep(POLL_S)
        yield Adder(f"http://127.0.0.1:{port}/mcp", port, psutil.Process(child.pid))
    finally:
        child.terminate()
        child.wait(STOP_TIMEOUT_S)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


def serve(port: int) -> None:
    """Serve until the process ends."""
    # Here, since it also sets up the logging of the process that makes it.
    server = MCPServer(NAME)

    server.add_tool(add, TOOL, structured_output=False)
    server.run("streamable-http", host="127.0.0.1", port=port)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
