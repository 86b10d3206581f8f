"""Servers by others: the protocol's own test server over three transports, and a stateless one."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from everruns.domain.mcp_servers import McpAccount
from everruns.domain.parts import ImagePart
from everruns.domain.questions import Question
from everruns.mcp.capability import ServerTools
from everruns.mcp.connections import Connections
from everruns.mcp.limits import Limits
from everruns.tools.base import Resumption, Suspend, ToolContext, ToolError
from tests.aimock import NODE_ROOT, find_node
from tests.waiting import POLL_S, eventually

EVERYTHING = (
    NODE_ROOT / "node_modules" / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
)
STATELESS = """
import sys
from mcp.server import MCPServer
server = MCPServer("adder", instructions="Add numbers.")

@server.tool()
def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b

server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command: list[str], port: int, path: str) -> Iterator[str]:
    """Run a server while the context is open; yields its address."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield f"http://127.0.0.1:{port}{path}"
    finally:
        # The command may be a wrapper whose child is the server.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def listens(port: int) -> None:
    def accepts() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    await eventually(accepts, patience_s=60)


class Turn:
    """One server as a turn uses it."""

    def __init__(self, account: McpAccount, connections: Connections) -> None:
        self._server = ServerTools(account, connections)
        self.progress: list[str] = []
        self.asked = 0
        self.context = ToolContext(
            "session_1",
            files=None,  # type: ignore[arg-type] - these tools use none
            turn_id="turn_1",
            config={},
            call_id="call_1",
            allow_private_addresses=True,
            report_progress=self.progress.append,
        )

    async def tools(self):
        prepared = await self._server.prepare({}, self.context)
        return {tool.reference["tool"]: tool for tool in prepared.tools}

    async def call(self, name: str, **arguments):
        # The server offers some of its tools only a moment after it was connected to.
        async with asyncio.timeout(60):
            while name not in (tools := await self.tools()):
                await asyncio.sleep(POLL_S)
        resumption = None
        while True:
            context = replace(self.context, resumption=resumption)
            try:
                return await self._server.run(tools[name], arguments, context)
            except Suspend as suspended:
                await asyncio.sleep(suspended.suspension.resume_after_seconds)
                resumption = Resumption(suspended.suspension.state)

    def answers(self, replies: dict[str, str]) -> None:
        """Answer each question so, or with the first option, or leave it out."""

        async def ask(questions: Sequence[Question], wait_s: float) -> dict[str, Any]:
            self.asked += 1
            answers = []
            for question in questions:
                reply = replies.get(question.id) or (
                    question.options[0].label if question.options else "-"
                )
                given = {"selected": [reply]} if question.options else {"other_text": reply}
                answers.append({"id": question.id, **given})
            return {"status": "answered", "answers": answers}

        self.context = replace(self.context, ask=ask)


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """The protocol's test server over each transport that many connections share."""
    ports = {"sse": free_port(), "http": free_port()}
    arguments = {"sse": ("sse", "/sse"), "http": ("streamableHttp", "/mcp")}
    with ExitStack() as started:
        yield {
            transport: started.enter_context(
                running([str(find_node()), str(EVERYTHING), argument], ports[transport], path)
            )
            for transport, (argument, path) in arguments.items()
        }


@pytest.fixture(params=["stdio", "sse", "http"])
async def everything(request, addresses: dict[str, str]):
    connections = Connections(Limits(connect_s=60, list_ttl_s=0, least_list_ttl_s=0))
    if request.param == "stdio":
        command = [str(find_node()), str(EVERYTHING), "stdio"]
        account = McpAccount(name="everything", type="stdio", command=command)
    else:
        url = addresses[request.param]
        await listens(urlsplit(url).port)
        account = McpAccount(name="everything", type=request.param, url=url)
    yield Turn(account, connections)
    await connections.close()


async def test_everything_that_the_servers_tools_return_is_told(everything):
    tools = await everything.tools()
    assert tools["echo"].definition.name == "mcp_everything__echo"
    assert tools["echo"].reads_only
    assert await everything.call("echo", message="hi") == "Echo: hi"
    assert (await everything.call("get-sum", a=2, b=3)).startswith("The sum of 2 and 3 is 5")
    image = await everything.call("get-tiny-image")
    assert any(isinstance(part, ImagePart) for part in image.parts)
    weather = await everything.call("get-structured-content", location="Chicago")
    assert set(weather) == {"temperature", "conditions", "humidity"}
    links = await everything.call("get-resource-links", count=2)
    assert "demo://resource/" in links.parts[-1].text
    embedded = await everything.call("get-resource-reference", resourceType="Text", resourceId=1)
    assert any("[Resource: demo://" in part.text for part in embedded.parts)


async def test_progress_of_a_long_call_arrives(everything):
    await everything.call("trigger-long-running-operation", duration=1, steps=4)
    assert everything.progress[-1] == "4 of 4"


async def test_a_question_that_nobody_can_be_asked_is_cancelled(everything):
    output = await everything.call("trigger-elicitation-request")
    assert any("cancelled" in part.text.lower() for part in output.parts)


async def test_a_question_in_the_middle_of_a_call_is_asked_and_answered(everything):
    everything.answers({"now.name": "Ann", "now.check": "Yes"})
    output = await everything.call("trigger-elicitation-request")
    text = "\n".join(part.text for part in output.parts)
    assert "Name: Ann" in text
    assert "Agreed to terms: true" in text


async def test_a_task_of_a_server_with_sessions_runs_to_its_end_and_asks(everything):
    everything.answers({"now.interpretation": ""})
    report = await everything.call("simulate-research-query", topic="python", ambiguous=True)
    assert report.startswith("# Research Report: python (")
    assert "default" not in report.split("\n")[0]
    assert everything.asked == 1


async def test_arguments_that_a_server_refuses_are_an_error_in_its_words(everything):
    with pytest.raises(ToolError, match="Invalid arguments"):
        await everything.call("get-sum", a="two")


async def test_a_stateless_server_that_is_killed_between_two_calls_answers_the_next(tmp_path: Path):
    script = tmp_path / "server.py"
    script.write_text(STATELESS)
    port = free_port()
    command = [sys.executable, str(script), str(port)]
    connections = Connections(Limits(connect_s=60))
    with running(command, port, "/mcp") as url:
        await listens(port)
        turn = Turn(McpAccount(name="adder", url=url), connections)
        assert await turn.call("add", a=1, b=2) == {"result": 3}
        tool = (await turn.tools())["add"]
    with pytest.raises(ToolError, match="adder cannot be used: it cannot be connected to"):
        await turn._server.run(tool, {"a": 1, "b": 1}, turn.context)
    with running(command, port, "/mcp"):
        await listens(port)
        assert await turn._server.run(tool, {"a": 1, "b": 1}, turn.context) == {"result": 2}
    await connections.close()
