"""No file that a process logs to has what somebody said, a key, or the content of a file.

Every text here has a word of its own, so that a failure says which one was written where.
"""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from actors.processes import wait
from bench.server import Server
from everruns.storage.data_directory.logs_link import logs_link
from tests.e2e.conversation import post, say, start_session
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.timeout(600)

WORDS = {
    kind: f"{kind}-cabbage-73"
    for kind in (
        *("user", "model", "argument", "header", "query", "field", "file", "system"),
        *("provider", "page", "mcp", "tool"),
    )
}
KEY = "sk-test-cellar-4711-4711-4711-4711"


class Quoting(BaseHTTPRequestHandler):
    """A server of models, pages and MCP that quotes what it is sent, in answers that are wrong."""

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["content-length"])).decode()
        kind = "mcp" if "jsonrpc" in sent else "provider"
        said = f"{WORDS[kind]} {self.headers.get('authorization', '')} {sent}"
        status = 500 if "fault" in self.path else 400
        self.answer(status, json.dumps({"error": {"message": said}}))

    def do_GET(self) -> None:
        self.answer(500, WORDS["page"])

    def answer(self, status: int, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def quoting() -> Iterator[str]:
    """The address of a server that quotes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Quoting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def files_with(pattern: str, folder: Path) -> list[str]:
    """Where a pattern is in the files of a folder, with what is around it."""
    around = re.compile(f".{{0,80}}(?:{pattern}).{{0,40}}".encode())
    return [
        f"{path.name}: {found[0].decode(errors='replace')}"
        for path in folder.rglob("*")
        if path.is_file() and (found := around.search(path.read_bytes()))
    ]


def fail_with_a_provider(client: httpx.Client, base_url: str) -> str:
    name = base_url.rpartition("/")[2]
    provider = post(
        client,
        "/v1/llm-providers",
        {
            "name": f"quoting-{name}",
            "provider_type": "openai",
            "base_url": base_url,
            "api_key": KEY,
            "models": [{"model_id": "a-model"}],
        },
    )
    session_id = start_session(
        client,
        name=name,
        system_prompt=WORDS["system"],
        default_model_id=provider["models"][0]["id"],
    )
    failed = say(client, session_id, WORDS["user"])
    assert failed[-1]["type"] == "session.failed"
    # The words do come as far as the session's events.
    assert WORDS["provider"] in failed[-1]["data"]["error"]["message"]
    return session_id


def call_tools_that_fail(client: httpx.Client, quoting: str) -> str:
    calls = [
        {"name": "add", "arguments": {"a": WORDS["argument"], "b": 1}},
        {"name": WORDS["tool"], "arguments": {"text": WORDS["argument"]}},
        {"name": "web_fetch", "arguments": {"url": f"{quoting}/{WORDS['argument']}"}},
        {
            "name": "write_file",
            "arguments": {"path": f"/{WORDS['file']}.txt", "content": WORDS["file"]},
        },
        {"name": "read_file", "arguments": {"path": f"/{WORDS['argument']}"}},
        {"name": "mcp_quoting__anything", "arguments": {"text": WORDS["argument"]}},
    ]
    settings = {"script": [{"tool_calls": calls, "text": WORDS["model"]}, {"text": WORDS["model"]}]}
    post(
        client,
        "/v1/llm-providers",
        {"name": "quiet", "provider_type": "simulated", "settings": settings},
    )
    post(
        client,
        "/v1/mcp-servers",
        {"name": "quoting", "url": f"{quoting}/mcp", "headers": {"X-Secret": WORDS["header"]}},
    )
    session_id = start_session(
        client,
        name="quiet",
        default_model_id="quiet/simulated-1",
        capabilities=["test_math", "web_fetch", "session_file_system", "mcp:quoting"],
    )
    events = say(client, session_id, WORDS["user"])
    assert events[-1]["type"] == "session.completed"
    return session_id


def send_what_is_refused(client: httpx.Client, session_id: str) -> None:
    messages = f"/v1/sessions/{session_id}/messages"
    headers = {"X-Request-ID": f"{WORDS['header']} x", "End-User": WORDS["header"]}
    refused = [
        client.post(messages, json={"content": 7, WORDS["field"]: WORDS["user"]}, headers=headers),
        client.post(messages, content=f'{{"content": "{WORDS["user"]}', headers=headers),
        client.post("/v1/agents", json={"name": WORDS["field"], "capabilities": [WORDS["field"]]}),
        client.get(f"/v1/sessions?{WORDS['query']}={WORDS['query']}", headers=headers),
        client.get(f"/v1/sessions/{WORDS['query']}", headers=headers),
        client.get(f"/{WORDS['query']}", headers={"Authorization": f"Bearer {KEY}"}),
        client.get(f"/v1/agents?token={KEY}"),
    ]
    assert [answer.status_code >= 400 for answer in refused] == [True] * len(refused)


def test_what_is_said_is_in_no_file_of_the_logs(
    server: Server, client: httpx.Client, quoting: str
) -> None:
    for path in ("v1", "fault"):
        failed = fail_with_a_provider(client, f"{quoting}/{path}")
    called = call_tools_that_fail(client, quoting)
    send_what_is_refused(client, failed)

    logs = logs_link(Path(server.data_dir)).resolve()
    # The lines of these turns are written, so what came before them is, too.
    lines = [f"{session_id}.*turn ended" for session_id in (failed, called)]
    wait(lambda: all(files_with(line, logs) for line in lines), PATIENCE_S)
    assert all(files_with(line, logs) for line in lines)
    assert files_with("|".join([*WORDS.values(), KEY]), logs) == []
    assert not re.search("|".join([*WORDS.values(), KEY]), server.printed.read_text())
