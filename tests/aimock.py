"""A fake model server for tests: the npm package ``@copilotkit/aimock`` as a process.

It speaks the OpenAI and Anthropic streams, tool calls, delays and faults, and keeps a journal of
every call. Use::

    with AimockServer.started() as server:
        server.add({"match": {"userMessage": "hello"}, "response": {"content": "Hi!"}})
        ...  # OpenAI at server.openai_url, Azure at server.azure_url, Anthropic at anthropic_url
        assert server.calls()[-1]["body"]["model"] == "gpt-4.1"

A fixture is ``{"match": {...}, "response": {...}, ...}``; the first that matches answers. Matches:
``userMessage`` (part of the last user message), ``systemMessage``, ``toolName``, ``toolCallId``,
``hasToolResult``, ``turnIndex``, ``model``; ``{}`` matches all. Responses: ``content``,
``toolCalls: [{name, arguments}]``, ``reasoning``, ``usage``, ``finishReason``, or ``error`` with
``status`` and ``retryAfter``. Beside them: ``latency`` (milliseconds between chunks),
``chunkSize`` (characters), ``truncateAfterChunks``, ``disconnectAfterMs``,
``streamingProfile: {ttft, tps}`` and ``chaos: {dropRate, malformedRate, disconnectRate}``.
Fixtures can also be loaded from JSON files of the form ``{"fixtures": [...]}`` by ``load``.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

NODE_ROOT = Path(__file__).parent / "node"
PROGRAM = NODE_ROOT / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
LISTENING = re.compile(r"listening on (http://\S+)")


def find_node() -> str | None:
    """Return the Node that the test requirements bring, else that of the machine."""
    beside_python = Path(sys.executable).parent
    return shutil.which("node", path=f"{beside_python}:{os.environ.get('PATH', '')}")


def missing_part() -> str | None:
    """Say what has to be installed before the server can run, if anything."""
    if find_node() is None:
        return "node is not installed"
    if not PROGRAM.exists():
        return f"aimock is not installed: npm ci --prefix {NODE_ROOT}"
    return None


class AimockServer:
    """A running fake model server on a free port."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self._process = process
        self.url = url
        self._control = httpx.Client(base_url=f"{url}/__aimock", timeout=10)

    @classmethod
    def start(cls, *, port: int = 0) -> "AimockServer":
        """Start a server and wait until it listens."""
        problem = missing_part()
        if problem:
            raise RuntimeError(problem)
        with tempfile.TemporaryDirectory() as folder:
            empty = Path(folder, "fixtures.json")
            empty.write_text('{"fixtures": []}')
            process = subprocess.Popen(
                [
                    str(find_node()),
                    str(PROGRAM),
                    "-p",
                    str(port),
                    "-f",
                    str(empty),
                    "--journal-max",
                    "0",
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert process.stdout is not None
            for line in process.stdout:
                if found := LISTENING.search(line):
                    return cls(process, found[1])
        raise RuntimeError(f"aimock ended with code {process.wait()} before it listened")

    @classmethod
    @contextmanager
    def started(cls) -> "Iterator[AimockServer]":
        """Run a server for the length of a ``with`` block."""
        server = cls.start()
        try:
            yield server
        finally:
            server.stop()

    def stop(self) -> None:
        """End the server."""
        self._control.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def openai_url(self) -> str:
        """``base_url`` for a provider of type ``openai``."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """``base_url`` for a provider of type ``anthropic``."""
        return f"{self.url}/v1"

    @property
    def azure_url(self) -> str:
        """``base_url`` for a provider of type ``azure_openai`` with an ``api_version``."""
        return f"{self.url}/openai"

    def add(self, *fixtures: dict[str, Any]) -> None:
        """Add fixtures behind those that are there."""
        self._control.post("/fixtures", json={"fixtures": fixtures}).raise_for_status()

    def load(self, path: Path) -> None:
        """Add the fixtures of a JSON file."""
        self.add(*json.loads(path.read_text())["fixtures"])

    def fail_next(self, status: int, message: str = "injected", kind: str = "server_error") -> None:
        """Answer the next call with an error."""
        body = {"message": message, "type": kind}
        self._control.post("/error", json={"status": status, "body": body}).raise_for_status()

    def calls(self) -> list[dict[str, Any]]:
        """Return every call since the last reset: ``method, path, headers, body, response``."""
        answer = self._control.get("/journal")
        answer.raise_for_status()
        return answer.json()

    def reset(self) -> None:
        """Forget all fixtures, faults and calls."""
        self._control.post("/reset").raise_for_status()
