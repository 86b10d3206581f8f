"""Questions to the user and approvals of tool calls, over HTTP and on both faces."""

from typing import Any

import httpx
import pytest

FACES = ("/v1", "/api/v1")
QUESTION = {
    "id": "format",
    "question": "Which format?",
    "options": [{"label": "PDF", "recommended": True}, {"label": "HTML"}],
}
CAPABILITIES = ["ask_user", "session_file_system", "tool_approval"]


async def begin(client: httpx.AsyncClient, tool: str, **arguments: Any) -> tuple[str, dict]:
    """A session whose turn waits, and the event that says for what."""
    script = [{"tool_calls": [{"name": tool, "arguments": arguments}]}, {"text": "Done."}]
    provider = {"name": "acting", "provider_type": "simulated", "settings": {"script": script}}
    await client.post("/v1/llm-providers", json=provider)
    body = {"model_id": "acting/simulated-1", "capabilities": CAPABILITIES}
    session_id = (await client.post("/v1/sessions", json=body)).json()["id"]
    await client.post(f"/v1/sessions/{session_id}/messages", json={"content": "do it"})
    for _ in range(1000):
        if (await client.get(f"/v1/sessions/{session_id}")).json()["status"] != "active":
            return session_id, (await events(client, session_id))[-1]
    raise AssertionError("the turn did not wait")


async def events(client: httpx.AsyncClient, session_id: str) -> list[dict]:
    path = f"/v1/sessions/{session_id}/events"
    return (await client.get(path, headers={"Accept": "application/json"})).json()["data"]


async def result(client: httpx.AsyncClient, session_id: str) -> dict:
    """The result that the turn went on with, when it is over."""
    for _ in range(1000):
        log = await events(client, session_id)
        if log[-1]["type"] == "session.completed":
            return next(event["data"] for event in log if event["type"] == "tool.result")
    raise AssertionError("the turn did not end")


@pytest.mark.parametrize("face", FACES)
async def test_a_user_answers_a_question(client: httpx.AsyncClient, face: str):
    session_id, asked = await begin(client, "ask_user", questions=[QUESTION])
    assert asked["data"]["tool_call"]["arguments"] == {"questions": [QUESTION]}
    path = f"{face}/sessions/{session_id}/question-answers"

    wrong = await client.post(path, json={"answers": [{"id": "format", "selected": ["DOC"]}]})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "INVALID_REQUEST")
    answers = [{"id": "format", "selected": ["HTML"]}]
    answered = await client.post(path, json={"status": "answered", "answers": answers})

    assert answered.json() == {
        "status": "answered",
        "answered_by": "user",
        "already_stored": 0,
        "session_status": "active",
    }
    assert (await result(client, session_id))["result"]["answers"] == answers
    assert (await client.post(path, json={"status": "declined"})).status_code == 409


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("decision", ["allow", "reject"])
async def test_a_user_decides_about_a_call(client: httpx.AsyncClient, face: str, decision: str):
    session_id, held = await begin(client, "delete_file", path="/notes.md")
    assert (held["type"], held["data"]["status"]) == ("tool.approval", "requested")
    path = f"{face}/sessions/{session_id}/tool-approvals"

    given = {"tool_call_id": held["data"]["tool_call_id"], "decision": decision}
    decided = await client.post(path, json={"decisions": [given]})

    assert decided.json() == {"accepted": 1, "already_stored": 0, "session_status": "active"}
    assert ("rejected" in str(await result(client, session_id))) == (decision == "reject")
    again = await client.post(path, json={"decisions": [given]})
    assert again.status_code == 200
    assert again.json() == {"accepted": 1, "already_stored": 1, "session_status": "idle"}
    other = {**given, "decision": "reject" if decision == "allow" else "allow"}
    late = await client.post(path, json={"decisions": [other]})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize(
    ("route", "body", "field"),
    [
        ("question-answers", {"status": "maybe"}, "status"),
        ("question-answers", {"answers": [{"selected": "PDF"}]}, "id"),
        ("tool-approvals", {}, "decisions"),
        ("tool-approvals", {"decisions": [{"tool_call_id": "x", "decision": "?"}]}, "decision"),
    ],
)
async def test_what_is_wrong_is_said(client: httpx.AsyncClient, route: str, body: dict, field: str):
    session = (await client.post("/v1/sessions", json={})).json()
    refused = await client.post(f"/v1/sessions/{session['id']}/{route}", json=body)
    assert refused.status_code == 400
    assert field in refused.json()["error"]["message"]


async def test_the_sdks_face_shows_what_is_held(client: httpx.AsyncClient):
    session_id, _ = await begin(client, "delete_file", path="/notes.md")
    listed = (await client.get(f"/api/v1/sessions/{session_id}/events")).json()["data"]
    assert (listed[-1]["type"], listed[-1]["data"]["name"]) == ("tool.approval", "delete_file")
