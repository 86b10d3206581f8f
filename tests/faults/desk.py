"""An MCP server in a process of its own, in the catalogue of the server under test."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from actors.clusters.ports import free_port
from actors.processes import wait
from tests.faults.client import Client

NAME = "desk"
CAPABILITY = f"mcp:{NAME}"
# What its tools ask the user, by the id that the user's answer names.
ROW_ID = "seat.row"
START_WITHIN_S = 60.0


def tool_name(tool: str) -> str:
    """Return the name under which models call one of its tools."""
    return f"mcp_{NAME}__{tool}"


@contextmanager
def running_desk(tools_url: str) -> Iterator[str]:
    """Run the server until the block ends; yield its address.

    Args:
        tools_url: Where its tools report.
    """
    port = free_port()

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.desk_server", str(port)],
        env={**os.environ, "FAULT_TOOLS_URL": tools_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait(answers, START_WITHIN_S)
        assert answers(), "the MCP server did not start"
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


async def add_desk(client: Client, url: str) -> None:
    """Add the server to the catalogue, unless it is there."""
    if not (await client.get("/v1/mcp-servers", search=NAME))["data"]:
        await client.post("/v1/mcp-servers", {"name": NAME, "url": url})
