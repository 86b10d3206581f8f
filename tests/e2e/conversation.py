"""A client's view of a conversation over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

ENDS = {"session.completed", "session.failed", "session.cancelled"}


def post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a request that must succeed."""
    answer = client.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


def start_session(client: httpx.Client, **agent: Any) -> str:
    """Define an agent and open a session with it."""
    created = post(client, "/v1/agents", {"name": "test", "system_prompt": "Be brief.", **agent})
    return post(client, f"/v1/agents/{created['id']}/sessions", {})["id"]


def frames(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Read Server-Sent Events: one dictionary of fields a frame."""
    frame: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in frame:
                yield frame
            frame = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            frame[name] = value


def read_turn(client: httpx.Client, session_id: str) -> list[dict[str, Any]]:
    """Read a session's stream until the end of a turn; return the events."""
    events: list[dict[str, Any]] = []
    with client.stream("GET", f"/v1/sessions/{session_id}/events") as stream:
        assert stream.status_code == 200
        for frame in frames(stream.iter_lines()):
            if frame["event"] == "connected":
                continue
            events.append(json.loads(frame["data"]))
            if frame["event"] in ENDS:
                return events
    raise AssertionError("the stream ended before the turn")


def say(client: httpx.Client, session_id: str, text: str) -> list[dict[str, Any]]:
    """Send a message and return the events of its turn."""
    post(client, f"/v1/sessions/{session_id}/messages", {"content": text})
    return read_turn(client, session_id)


def types(events: list[dict[str, Any]]) -> list[str]:
    """Return the types of durable events."""
    return [event["type"] for event in events if not event["type"].endswith(".delta")]


def rebuilt(events: list[dict[str, Any]], message_id: str) -> str:
    """Rebuild a message's text from its deltas."""
    text = ""
    for event in events:
        data = event["data"]
        if event["type"] == "message.delta" and data["message_id"] == message_id:
            text = text[: data["offset"]] + data["delta"]
    return text
