"""Talking with an agent on a terminal: what its screen shows, and what the server has stored."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from bench.server import Server
from tests.e2e.conversation import post
from tests.terminal import (
    ALT_ENTER,
    CTRL_C,
    CTRL_D,
    UP,
    Terminal,
    running_in_terminal,
)

READY = r"^>$"
TURN_IS_OVER = r"tokens in, .* out"
DELETE = {"name": "delete_file", "arguments": {"path": "/notes.txt"}}


def make_agent(client: httpx.Client, name: str, settings: dict[str, Any], **agent: Any) -> str:
    """Add a simulated model with these settings, and an agent that it answers for."""
    provider = {"name": name, "provider_type": "simulated", "settings": settings}
    post(client, "/v1/llm-providers", provider)
    model = f"{name}/simulated-1"
    fields = {"system_prompt": "Be brief.", "default_model_id": model, **agent}
    return post(client, "/v1/agents", {"name": name, **fields})["id"]


@contextmanager
def chatting(server: Server, *words: str, columns: int = 100) -> Iterator[Terminal]:
    """Run a chat until its prompt is shown, and end it afterwards."""
    with running_in_terminal(
        "chat", *words, "--server", server.address, columns=columns
    ) as terminal:
        terminal.wait_for(READY)
        yield terminal


def events_of(client: httpx.Client, agent_id: str) -> list[dict[str, Any]]:
    """Return the stored events of an agent's newest session."""
    session = client.get(f"/v1/agents/{agent_id}/sessions").json()["data"][0]
    return client.get(f"/v1/sessions/{session['id']}/events/list").json()["data"]


def data_of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["type"] == kind]


def said_by_user(events: list[dict[str, Any]]) -> list[str]:
    messages = [data["message"] for data in data_of(events, "message.created")]
    return [each["content"][0]["text"] for each in messages if each["role"] == "user"]


def test_an_answer_is_shown_as_it_comes_once_and_whole_also_when_the_window_changes(
    server: Server, client: httpx.Client
) -> None:
    words = [f"word{number}" for number in range(60)]
    steps = [
        {
            "reasoning": "Nineteen and twenty-three are to be added.",
            "tool_calls": [{"name": "add", "arguments": {"a": 19, "b": 23}}],
        },
        {"text": f"# Result\n\nIt is **42**:\n- {' '.join(words)}\n\n```python\n1 + 1\n```\n"},
    ]
    settings = {"tokens_per_s": 15, "script": steps}
    make_agent(client, "streaming-clerk", settings, capabilities=["test_math"])

    with chatting(server, "streaming-clerk") as terminal:
        terminal.enter("What is 19 + 23?")
        terminal.wait_for("Thinking")
        at_first = terminal.wait_for("word5")
        assert "word59" not in at_first
        terminal.resize(60, 30)
        terminal.wait_for("word30")
        terminal.resize(120, 30)
        terminal.wait_for(TURN_IS_OVER)
        shown = terminal.everything

    assert shown.count("> What is 19 + 23?") == 1
    assert "✻ Thought for" in shown
    assert "✓ add(a=19, b=23) → " in shown
    assert [shown.split().count(word) for word in words] == [1] * len(words)
    assert "\n```python\n1 + 1\n```\n" in shown
    assert "Thinking" not in shown


def test_calls_that_are_held_are_allowed_and_rejected_in_place(
    server: Server, client: httpx.Client
) -> None:
    agent_id = make_agent(
        client,
        "careful",
        {"script": [{"tool_calls": [DELETE]}, {"tool_calls": [DELETE]}, {"text": "I am done."}]},
        capabilities=["session_file_system", "tool_approval"],
        initial_files=[{"path": "/notes.txt", "content": "x"}],
    )

    with chatting(server, "careful") as terminal:
        terminal.enter("Clean up.")
        asked = terminal.wait_for(r"^Allow delete_file\? \[y/n\]$")
        assert '"path": "/notes.txt"' in asked
        terminal.enter("ok, do it")
        terminal.wait_for("Type y, a or n")
        assert data_of(events_of(client, agent_id), "tool.approval")[-1]["status"] == "requested"
        terminal.enter("y")
        terminal.wait_for("✓ delete_file")
        terminal.wait_for(r"^Allow delete_file\? \[y/n\]$")
        terminal.enter("n it is gone")
        terminal.wait_for("I am done.")
        terminal.wait_for(TURN_IS_OVER)
        terminal.wait_for(READY)

    decided = data_of(events_of(client, agent_id), "tool.approval")
    statuses = [each["status"] for each in decided]
    assert statuses == ["requested", "allowed", "requested", "rejected"]
    assert decided[-1]["reason"] == "it is gone"


def test_questions_and_a_clients_call_are_answered_in_place(
    server: Server, client: httpx.Client
) -> None:
    options = [{"label": "PDF", "recommended": True}, {"label": "HTML"}]
    questions = [
        {"id": "format", "question": "Which format?", "options": options},
        {"id": "name", "question": "Your name?", "kind": "text"},
    ]
    steps = [
        {"tool_calls": [{"name": "ask_user", "arguments": {"questions": questions}}]},
        {"tool_calls": [{"name": "read_meter", "arguments": {"room": "hall"}}]},
        {"text": "Thank you."},
    ]
    tool = {"name": "read_meter", "description": "Reads.", "parameters": {"type": "object"}}
    agent_id = make_agent(
        client, "asking", {"script": steps}, capabilities=["ask_user"], tools=[tool]
    )

    with chatting(server, "asking") as terminal:
        terminal.enter("Make a report.")
        asked = terminal.wait_for(r"^Answer \[1-2\]:$")
        assert "Which format? (1 of 2)" in asked
        assert "1 PDF (recommended)" in asked
        terminal.enter("3")
        terminal.wait_for("The options are 1 to 2")
        terminal.enter("2")
        terminal.wait_for(r"Your name\? \(2 of 2\)")
        terminal.wait_for(r"^Answer:$")
        terminal.enter("Ada")
        terminal.wait_for("read_meter is to be run by a client")
        terminal.wait_for(READY)
        terminal.enter("/result kWh")
        terminal.wait_for("must be JSON")
        terminal.enter('/result {"kwh": 7}')
        terminal.wait_for("Thank you.")
        terminal.wait_for(TURN_IS_OVER)

    answered, read = data_of(events_of(client, agent_id), "tool.result")
    assert answered["result"]["answers"] == [
        {"id": "format", "selected": ["HTML"]},
        {"id": "name", "selected": [], "other_text": "Ada"},
    ]
    assert read["result"] == {"kwh": 7}


def test_what_is_typed_meanwhile_steers_the_turn_and_ctrl_c_stops_it_but_not_the_conversation(
    server: Server, client: httpx.Client
) -> None:
    agent_id = make_agent(client, "talker", {"tokens": 2000, "tokens_per_s": 10})

    with chatting(server, "talker", columns=160) as terminal:
        terminal.enter("Talk.")
        terminal.wait_for("these words")
        terminal.type("Be brief." + ALT_ENTER + "Please.")
        terminal.enter("")
        terminal.wait_for("^  Please.$")
        terminal.type("not sent yet" + CTRL_C)
        terminal.wait_for("■ Stopped")
        terminal.wait_for("^> not sent yet$")
        terminal.type(CTRL_C)
        terminal.wait_for(READY)
        terminal.type(UP)
        # Besides where it was sent.
        terminal.wait_for("(?s)^> Be brief.$.*^> Be brief.$")
        terminal.type(CTRL_C)
        terminal.enter("/say Once more.")
        terminal.wait_for("^> Once more.$")
        terminal.type(CTRL_D)
        assert terminal.wait_for_end() == 0
        left = terminal.screen

    events = events_of(client, agent_id)
    assert said_by_user(events) == ["Talk.", "Be brief.\nPlease.", "Once more."]
    assert [event["type"] for event in events].count("session.cancelled") == 1
    session_id = events[0]["session_id"]
    again = f"everruns chat --server {server.address} --session {session_id}"
    assert f"The turn goes on. Continue with: {again}" in " ".join(left.split())
    client.post(f"/v1/sessions/{session_id}/cancel")


def test_another_client_decides_and_what_was_being_typed_is_kept(
    server: Server, client: httpx.Client
) -> None:
    agent_id = make_agent(
        client,
        "watched",
        {"first_token_ms": 1500, "script": [{"tool_calls": [DELETE]}, {"text": "I am done."}]},
        capabilities=["session_file_system", "tool_approval"],
        initial_files=[{"path": "/notes.txt", "content": "x"}],
    )

    with chatting(server, "watched") as terminal:
        terminal.enter("Clean up.")
        terminal.wait_for("Working")
        terminal.type("y")
        terminal.wait_for(r"^Allow delete_file\? \[y/n\]$")
        (asked,) = data_of(events_of(client, agent_id), "tool.approval")
        session_id = events_of(client, agent_id)[0]["session_id"]
        decision = {"tool_call_id": asked["tool_call_id"], "decision": "allow"}
        post(client, f"/v1/sessions/{session_id}/tool-approvals", {"decisions": [decision]})
        terminal.wait_for("Allowed delete_file")
        terminal.wait_for("I am done.")
        shown = terminal.wait_for("^> y$")

    assert "✓ delete_file" in shown


def test_what_a_model_and_a_tool_say_cannot_steer_the_terminal(
    server: Server, client: httpx.Client
) -> None:
    hostile = "\x1b[2J\x1b[H\x1b]0;owned\x07\x9b31m\rover\b\u202eevil\u2066 👩‍👩‍👧 \u4e2d\u6587"
    path = f"/{hostile}.txt"
    calls = [{"name": "read_file", "arguments": {"path": path}}]
    long = "x" * 30_000
    text = f"Before {hostile} after.\n{long}\nThe end."
    settings = {"script": [{"reasoning": hostile, "tool_calls": calls}, {"text": text}]}
    make_agent(client, "hostile", settings, capabilities=["session_file_system"])

    with chatting(server, "hostile") as terminal:
        terminal.enter("Attack.")
        terminal.wait_for(TURN_IS_OVER)
        printed, shown = terminal.printed.decode(), terminal.everything

    assert "Talking with hostile" in shown
    assert "> Attack." in shown
    assert "␛[2J␛[H␛]0;owned␇" in shown
    assert "👩\u200d👩\u200d👧" in printed
    for steering in ("\x1b[2J", "\x1b]0;", "\x07", "\x9b", "\u202e", "\u2066", "over\b"):
        assert steering not in printed
    assert shown.replace("\n", "").count(long) == 1
    assert shown.rstrip().splitlines()[-3] == "The end."


def run(
    server: Server, *words: str, typed: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a chat in a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "everruns.cli", "chat", *words, "--server", server.address],
        input=typed,
        stdin=None if typed is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=dict(os.environ),
    )


def test_in_a_pipe_a_message_goes_in_and_the_answer_comes_out(
    server: Server, client: httpx.Client
) -> None:
    agent_id = make_agent(client, "piped", {"script": [{"text": "One\n\x1b[1mTwo"}]})

    plain = run(server, "piped", typed="What is there?\n")
    session_id = events_of(client, agent_id)[0]["session_id"]
    as_json = run(server, "--session", session_id, "-m", "And then?", "-o", "json")

    assert (plain.returncode, plain.stdout, plain.stderr) == (0, "One\n\x1b[1mTwo\n", "")
    answer = json.loads(as_json.stdout)
    assert answer["session_id"] == session_id
    assert answer["answer"] == "One\n\x1b[1mTwo"
    assert answer["usage"]["output_tokens"] == 2
    assert said_by_user(events_of(client, agent_id)) == ["What is there?", "And then?"]


def test_in_a_pipe_a_turn_that_fails_or_waits_for_somebody_is_an_error_of_one_line(
    server: Server, client: httpx.Client
) -> None:
    make_agent(client, "rejected", {"fail": {"code": "PROVIDER_REJECTED"}})
    make_agent(
        client,
        "waiting",
        {"script": [{"tool_calls": [DELETE]}]},
        capabilities=["session_file_system", "tool_approval"],
    )

    failed, waits = run(server, "rejected", "-m", "Hi"), run(server, "waiting", "-m", "Hi")
    unknown = run(server, "nobody", "-m", "Hi")

    assert [each.returncode for each in (failed, waits, unknown)] == [1, 1, 1]
    assert "(PROVIDER_REJECTED)" in failed.stderr
    assert "everruns chat --session session_" in waits.stderr
    assert "No agent is called nobody" in unknown.stderr
    assert all(each.stderr.count("\n") == 1 for each in (failed, waits, unknown))


def test_a_session_goes_on_with_what_was_said_and_what_waits(
    server: Server, client: httpx.Client
) -> None:
    agent_id = make_agent(
        client,
        "going-on",
        {"script": [{"tool_calls": [DELETE]}, {"text": "I am done."}]},
        capabilities=["session_file_system", "tool_approval"],
        initial_files=[{"path": "/notes.txt", "content": "x"}],
    )
    session_id = post(client, f"/v1/agents/{agent_id}/sessions", {})["id"]
    post(client, f"/v1/sessions/{session_id}/messages", {"content": "Clean up."})

    with running_in_terminal(
        "chat", "--session", session_id, "--server", server.address
    ) as terminal:
        shown = terminal.wait_for(r"^Allow delete_file\? \[y/n\]$")
        assert "> Clean up." in shown
        terminal.enter("y")
        terminal.wait_for("I am done.")
        terminal.wait_for(READY)
        terminal.enter("/retry")
        terminal.wait_for("The turn starts again.")
        terminal.wait_for(r"^Allow delete_file\? \[y/n\]$")
        terminal.enter("/decline")
        terminal.wait_for("Rejected delete_file")
        terminal.enter("/new")
        terminal.wait_for("A new conversation begins")
        terminal.enter("/quit")
        assert terminal.wait_for_end() == 0

    assert said_by_user(events_of(client, agent_id)) == ["Clean up."]
