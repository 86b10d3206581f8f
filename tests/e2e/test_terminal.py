"""The commands that look into a running server."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from actors.clusters.ports import free_port
from bench.server import Server
from everruns.cli import cli
from tests.e2e.command_line import everruns
from tests.e2e.conversation import post, say, start_session, types
from tests.servers import small_server

SCRIPT = [
    {"tool_calls": [{"name": "add", "arguments": {"a": 19, "b": 23}}]},
    {"text": "It is 42."},
]
ENDS_WITHIN_S = 60


def run(server: Server, *words: str) -> Result:
    """Run a command in this process, for the server of a data directory."""
    result = CliRunner().invoke(cli, [*words, "--data-dir", server.data_dir])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def conversation(server: Server) -> tuple[str, list[dict[str, Any]]]:
    """A session whose turn has called a tool, and the events of this turn."""
    with httpx.Client(base_url=server.address, timeout=30) as client:
        provider = {
            "name": "in-the-terminal",
            "provider_type": "simulated",
            "settings": {"script": SCRIPT},
        }
        post(client, "/v1/llm-providers", provider)
        session_id = start_session(
            client,
            name="terminal clerk",
            default_model_id="in-the-terminal/simulated-1",
            capabilities=["test_math"],
        )
        return session_id, say(client, session_id, "What is 19 + 23?")


def test_status_shows_the_cluster(server: Server) -> None:
    shown = run(server, "status").stdout

    assert re.search(r"^session-actor-0 +[0-9a-f]{8} +up", shown, re.MULTILINE)
    assert re.search(r"^registry +[0-9a-f]{8}", shown, re.MULTILINE)
    assert re.search(r"^api \w+ +[0-9a-f]{8}", shown, re.MULTILINE)
    assert "(head)" in shown


def test_status_as_json_is_what_the_api_answers(server: Server) -> None:
    state = json.loads(run(server, "status", "-o", "json").stdout)

    (node,) = state["nodes"]
    assert node["is_head"]
    assert node["memory_used_bytes"] < node["memory_bytes"]
    places = [state["registry"], *state["session_actors"], *state["replicas"]]
    assert node["processes"] == len(places)
    assert {place["node_id"] for place in places if "pid" in place} == {node["id"]}
    assert len({place["pid"] for place in places if "pid" in place}) == len(
        [place for place in places if "pid" in place]
    )
    assert state["problems"] == []


def test_sessions_are_listed_and_shown(
    server: Server, conversation: tuple[str, list[dict[str, Any]]]
) -> None:
    session_id, _ = conversation

    listed = run(server, "sessions", "list", "--agent", "terminal clerk").stdout
    shown = run(server, "sessions", "show", session_id).stdout

    assert re.search(rf"^{session_id} +idle +What is 19 \+ 23\?", listed, re.MULTILINE)
    assert re.search(r"^Last answer +It is 42\.", shown, re.MULTILINE)
    assert "terminal clerk" in run(server, "agents", "list").stdout
    assert "Be brief." in run(server, "agents", "show", "terminal clerk").stdout
    assert "in-the-terminal" in run(server, "providers", "list").stdout
    assert "in-the-terminal/simulated-1" in run(server, "models", "in-the-terminal").stdout


def test_budgets_are_listed_by_their_subject(
    server: Server, client: httpx.Client, conversation: tuple[str, list[dict[str, Any]]]
) -> None:
    session_id, _ = conversation
    other_id = post(client, "/v1/sessions", {})["id"]
    for subject_id, currency in ((session_id, "tokens"), (other_id, "usd")):
        subject = {"subject_type": "session", "subject_id": subject_id}
        post(client, "/v1/budgets", {**subject, "currency": currency, "limit": 5000})

    whole = run(server, "budgets", "list").stdout
    of_one = json.loads(
        run(server, "budgets", "list", "--session", session_id, "-o", "json").stdout
    )

    assert re.search(rf"{session_id} +active +5,000 tokens +5,000 tokens", whole)
    assert re.search(rf"{other_id} +active +\$5,000.00", whole)
    assert [budget["subject_id"] for budget in of_one["data"]] == [session_id]
    assert of_one["total"] == 1


def test_events_are_one_a_line(
    server: Server, conversation: tuple[str, list[dict[str, Any]]]
) -> None:
    session_id, told = conversation

    lines = run(server, "events", session_id).stdout.splitlines()
    printed = [
        json.loads(line)
        for line in run(server, "events", session_id, "-o", "json").stdout.splitlines()
    ]

    assert [event["type"] for event in printed] == types(told)
    assert [event["sequence"] for event in printed] == list(range(1, len(printed) + 1))
    assert len(lines) == len(printed)
    assert any("tool.call" in line and "add(a=19, b=23)" in line for line in lines)
    some = run(server, "events", session_id, "--after", "3", "--type", "tool.result").stdout
    assert re.fullmatch(r".* tool\.result +add ok .*42.*\n", some)


def test_a_session_is_deleted_after_a_question(server: Server, client: httpx.Client) -> None:
    session_id = post(client, "/v1/sessions", {})["id"]
    words = ["sessions", "delete", session_id, "--data-dir", server.data_dir]

    kept = CliRunner().invoke(cli, words, input="n\n")
    assert (kept.exit_code, client.get(f"/v1/sessions/{session_id}").status_code) == (1, 200)
    CliRunner().invoke(cli, words, input="y\n")

    assert client.get(f"/v1/sessions/{session_id}").status_code == 404


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["events", "session_1"], r"'session_1' is not the id of a session: .*sessions list"),
        (["events", "session_" + "0" * 32], r"not found\. .*sessions list.*\(SESSION_NOT_FOUND\)"),
        (["status", "--server", "http://127.0.0.1:9"], r"No server answers at http://127.0.0.1:9"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(
    server: Server, words: list[str], sentence: str
) -> None:
    refused = everruns(*words, EVERRUNS_DATA_DIR=server.data_dir)

    assert refused.returncode == 1
    assert refused.stdout == ""
    assert re.fullmatch(rf"everruns: .*{sentence}.*\n", refused.stderr)


def test_a_command_that_cannot_be_understood_is_a_usage_error(server: Server) -> None:
    assert CliRunner().invoke(cli, ["events"]).exit_code == 2
    assert CliRunner().invoke(cli, ["status", "-o", "xml"]).exit_code == 2


@contextmanager
def followed(session_id: str, address: str) -> Iterator["subprocess.Popen[str]"]:
    """Follow a session in a process of its own."""
    command = [sys.executable, "-m", "everruns.cli", "events", session_id, "-f", "-o", "json"]
    with subprocess.Popen(
        [*command, "--server", address], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: "subprocess.Popen[str]", event_type: str) -> list[dict[str, Any]]:
    """Read events that a follower prints until one of a type."""
    assert process.stdout is not None
    events: list[dict[str, Any]] = []
    for line in process.stdout:
        events.append(json.loads(line))
        if events[-1]["type"] == event_type:
            return events
    raise AssertionError(f"the follower ended: {events}")


def test_a_session_is_followed_until_ctrl_c(server: Server, client: httpx.Client) -> None:
    session_id = start_session(client, default_model_id="simulated/simulated-1")

    with followed(session_id, server.address) as follower:
        told = say(client, session_id, "Hello")
        seen = read_until(follower, "session.completed")
        follower.send_signal(signal.SIGINT)

        assert follower.wait(ENDS_WITHIN_S) == 130
    assert [event["type"] for event in seen] == types(told)


# Two starts; that nothing is lost at any cut is shown by the tests of `following`.
@pytest.mark.long
def test_a_session_is_followed_over_a_restart_of_the_server(tmp_path: Path) -> None:
    port, data = free_port(), str(tmp_path / "data")
    with small_server(port, EVERRUNS_DATA_DIR=data) as server:
        with httpx.Client(base_url=server.address, timeout=30) as client:
            session_id = start_session(client, default_model_id="simulated/simulated-1")
            say(client, session_id, "Before")
        address = server.address
        with followed(session_id, address) as follower:
            seen = read_until(follower, "session.completed")
            server.process.send_signal(signal.SIGINT)
            server.process.wait(ENDS_WITHIN_S)
            with small_server(port, EVERRUNS_DATA_DIR=data) as again:
                with httpx.Client(base_url=again.address, timeout=30) as client:
                    say(client, session_id, "After")
                seen += read_until(follower, "session.completed")

    assert [event["sequence"] for event in seen] == list(range(1, len(seen) + 1))
    assert types(seen).count("session.completed") == 2
