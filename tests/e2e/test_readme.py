"""The README's walk-through does what it says, as printed."""

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from bench.server import Server
from tests.aimock import NODE_ROOT, find_node

README = (Path(__file__).parents[2] / "README.md").read_text()


def walked(marker: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the README's walks as printed."""
    walk = re.search(rf"<!-- {marker} -->\n```bash\n(.*?)```", README, re.DOTALL)
    assert walk is not None
    return subprocess.run(
        ["bash", "-u", "-c", walk[1]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def events_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    events = re.findall(r"^event: (\S+)", done.stdout, re.MULTILINE)
    return [event for event in events if event != "message.delta"]


def test_the_walk_through_shows_a_turn_with_a_tool_call(server: Server) -> None:
    done = walked("walk", BASE=server.address)
    assert events_of(done) == [
        "connected",
        "message.created",
        "session.started",
        "message.created",
        "tool.call",
        "tool.result",
        "message.created",
        "session.completed",
    ], done.stderr
    assert "19 and 23 make 42." in done.stdout


@pytest.fixture
def mcp_server() -> Iterator[str]:
    """The server that the README starts, from the same package; its address."""
    package = "@modelcontextprotocol/server-everything"
    pinned = json.loads((NODE_ROOT / "package.json").read_text())["dependencies"][package]
    assert f"npx -y {package}@{pinned} streamableHttp\n" in README
    program = NODE_ROOT / "node_modules" / package / "dist" / "index.js"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [find_node(), program, "streamableHttp"]
    with subprocess.Popen(
        command, env={**os.environ, "PORT": str(port)}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            assert "listening" in "".join(iter_until(process.stderr, "listening"))
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()


def iter_until(lines: Iterable[str], word: str) -> Iterator[str]:
    for line in lines:
        yield line
        if word in line:
            return


def test_the_walk_with_an_mcp_server_shows_its_tool_at_work(
    server: Server, mcp_server: str
) -> None:
    done = walked("mcp walk", BASE=server.address, MCP=mcp_server)
    assert '"name": "get-sum"' in done.stdout, done.stderr
    assert events_of(done) == [
        "connected",
        "message.created",
        "session.started",
        "capabilities.prepared",
        "message.created",
        "tool.call",
        "tool.result",
        "message.created",
        "session.completed",
    ], done.stderr
    assert "The sum of 19 and 23 is 42." in done.stdout
