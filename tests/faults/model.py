"""A fake model server: scripted answers, gates in them, and a journal of every call.

It speaks the streamed Chat Completions of https://platform.openai.com/docs/api-reference/chat and
lives in a thread of the test's process, so it outlives whatever happens to the server under test.
The same server takes the reports of the tools of ``plugin.py``.

Each user message begins with a marker, ``[name:3]``: the scenario's name and the message's number.
The scenario's script says what the model answers; which of its answers is due is read off the
transcript, as a real model would. User messages in a row arrive as one, so its last marker counts.
A request for a summary is answered with a few words, at whose gate ``summary`` it can be held.
"""

import asyncio
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from everruns.domain.token_estimates import BYTES_OF_A_TOKEN
from everruns.runtime.summary_request import INSTRUCTIONS
from tests.faults.gates import Gates

MARKER = re.compile(r"\[(?P<scenario>[^:\]]+):(?P<number>\d+)\]")
START_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Say:
    """Words of an answer, sent one by one.

    Attributes:
        words: How many.
        seconds: Over how long they are spread.
        word: What they are made of.
    """

    words: int
    seconds: float = 0.0
    word: str = "word"


@dataclass(frozen=True)
class Call:
    """A tool call. Its arguments name the call, so that executions can be told apart."""

    tool: str


@dataclass(frozen=True)
class Stop:
    """A gate of the scenario, at which the answer waits while it is held."""

    gate: str


Step = Say | Call | Stop
Answer = Sequence[Step]
SUMMARY: Answer = [Say(2), Stop("summary"), Say(2)]
Script = Callable[[int, str], Sequence[Answer]]
"""Given a user message's number and its text, returns the answers to it, one a model call."""


@dataclass
class ModelCall:
    """One call that the model got.

    Attributes:
        scenario: Whose session called.
        number: Number of the newest user message.
        answers: How many messages of the agent the transcript holds.
        messages: How many messages it holds in all.
        digest: A digest of them.
        at: When it came, on the monotonic clock.
        host: The caller's address.
        port: Its port.
        finished_at: When its last byte was sent; ``None`` while it is under way or broken off.
    """

    scenario: str
    number: int
    answers: int
    messages: int
    digest: str
    at: float
    host: str
    port: int
    finished_at: float | None = None


@dataclass(frozen=True)
class Execution:
    """One run of a tool, as the tool itself reported it."""

    scenario: str
    tool: str
    reference: str
    pid: int
    at: float


@dataclass
class Scenario:
    """What one session's model says, and what happened.

    Attributes:
        name: By which its messages are marked.
        script: What the model answers.
        gates: The gates of its answers and (by their names) of its tools.
        calls: What the model was asked.
        summaries: Which summaries it was asked for.
        executions: What the tools did.
    """

    name: str
    script: Script
    gates: Gates = field(default_factory=Gates)
    calls: list[ModelCall] = field(default_factory=list)
    summaries: list[ModelCall] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)

    def message(self, number: int, text: str = "Go on.") -> str:
        """Return a user message of this scenario."""
        return f"[{self.name}:{number}] {text}"


class ModelServer:
    """The server; its scenarios are looked up by name.

    Args:
        host: The address of this computer that the server under test reaches.

    Attributes:
        url: The base URL of the model's API.
        tools_url: Where tools report.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        self.url = ""
        self.tools_url = ""
        self._scenarios: dict[str, Scenario] = {}
        self._stopping = threading.Event()

    def scenario(self, name: str, script: Script) -> Scenario:
        """Add a scenario."""
        return self._scenarios.setdefault(name, Scenario(name, script))

    @contextmanager
    def running(self) -> "Iterator[ModelServer]":
        """Serve until the block ends."""
        ready = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        thread.start()
        if not ready.wait(START_TIMEOUT_S):
            raise RuntimeError("The model server did not start.")
        try:
            yield self
        finally:
            self._stopping.set()
            thread.join(START_TIMEOUT_S)

    async def _serve(self, ready: threading.Event) -> None:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_post("/v1/chat/completions", self._complete)
        application.router.add_post("/tools/{tool}", self._execute)
        runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, self._host, 0, backlog=1024).start()
        host, port = runner.addresses[0][:2]
        self.url, self.tools_url = f"http://{host}:{port}/v1", f"http://{host}:{port}/tools"
        ready.set()
        while not self._stopping.is_set():
            await asyncio.sleep(0.05)
        await runner.cleanup()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        messages = [said for said in body["messages"] if said["role"] != "system"]
        is_summary = any(said["content"] == INSTRUCTIONS for said in body["messages"])
        newest = [said["content"] for said in messages if said["role"] == "user"][-1]
        markers = [*MARKER.finditer(newest)]
        if not markers or markers[-1]["scenario"] not in self._scenarios:
            return web.json_response({"error": {"message": f"No script: {newest}"}}, status=400)
        scenario, number = self._scenarios[markers[-1]["scenario"]], int(markers[-1]["number"])
        peer = request.transport.get_extra_info("peername") if request.transport else None
        call = ModelCall(
            scenario.name,
            number,
            sum(said["role"] == "assistant" for said in messages),
            len(messages),
            hashlib.sha256(json.dumps(messages).encode()).hexdigest()[:12],
            time.monotonic(),
            *(peer[:2] if peer else ("", 0)),
        )
        calls = scenario.summaries if is_summary else scenario.calls
        calls.append(call)
        answers = [SUMMARY] if is_summary else scenario.script(number, newest)
        due = min(_answered(messages), len(answers) - 1)
        wire = _Wire(web.StreamResponse(headers={"Content-Type": "text/event-stream"}))
        wire.prompt_tokens = len(json.dumps(messages)) // BYTES_OF_A_TOKEN
        # The caller's process may die at any time: that is what these tests are about.
        with suppress(ConnectionError, asyncio.CancelledError):
            await wire.response.prepare(request)
            await self._speak(wire, scenario, answers[due], len(calls))
            await wire.response.write_eof()
            call.finished_at = time.monotonic()
        return wire.response

    async def _speak(self, wire: "_Wire", scenario: Scenario, answer: Answer, attempt: int) -> None:
        calls = 0
        for step in answer:
            match step:
                case Say(words, seconds, word):
                    for place in range(words):
                        # Other words each time, so that two attempts are never taken for one.
                        await wire.delta(content=f"{word}-{attempt}-{place} ")
                        if seconds:
                            await asyncio.sleep(seconds / words)
                case Stop("end"):
                    await wire.finish("tool_calls" if calls else "stop")
                    await scenario.gates["end"].passed()
                case Stop(gate):
                    await scenario.gates[gate].passed()
                case Call(tool):
                    identity = f"call_{scenario.name}_{attempt}_{calls}"
                    await wire.call(calls, identity, tool)
                    calls += 1
        await wire.finish("tool_calls" if calls else "stop")
        await wire.done()

    async def _execute(self, request: web.Request) -> web.Response:
        told = await request.json()
        marked = re.match(r"call_(.+)_\d+_\d+$", told["reference"])
        if marked is None or marked[1] not in self._scenarios:
            return web.json_response({"error": "No scenario"}, status=404)
        scenario = self._scenarios[marked[1]]
        tool = request.match_info["tool"]
        scenario.executions.append(
            Execution(scenario.name, tool, told["reference"], told["pid"], time.monotonic())
        )
        await scenario.gates[tool].passed()
        return web.json_response({"ok": True})


def _answered(messages: Sequence[dict[str, Any]]) -> int:
    """Return how many answers the newest user message has had."""
    count = 0
    for said in reversed(messages):
        if said["role"] == "user":
            break
        count += said["role"] == "assistant"
    return count


class _Wire:
    """The frames of one streamed completion."""

    def __init__(self, response: web.StreamResponse) -> None:
        self.response = response
        self.prompt_tokens = 1
        self._said = 0
        self._finished = False

    async def delta(self, finish_reason: str | None = None, **fields: Any) -> None:
        self._said += len(fields.get("content", ""))
        choice = {"index": 0, "delta": fields, "finish_reason": finish_reason}
        await self._send({"model": "scripted", "choices": [choice]})

    async def call(self, index: int, identity: str, tool: str) -> None:
        arguments = json.dumps({"reference": identity})
        function = {"name": tool, "arguments": arguments}
        await self.delta(tool_calls=[{"index": index, "id": identity, "function": function}])

    async def finish(self, reason: str) -> None:
        if not self._finished:
            self._finished = True
            await self.delta(reason)

    async def done(self) -> None:
        said = 1 + self._said // BYTES_OF_A_TOKEN
        usage = {"prompt_tokens": self.prompt_tokens, "completion_tokens": said}
        await self._send({"model": "scripted", "choices": [], "usage": usage})
        await self.response.write(b"data: [DONE]\n\n")

    async def _send(self, chunk: dict[str, Any]) -> None:
        await self.response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
