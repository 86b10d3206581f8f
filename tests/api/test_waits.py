"""What a session waits for, over HTTP and on every face."""

from typing import Any

import httpx
import pytest

from everruns.api.sdk.event_types import SdkEvent
from everruns.api.v1.event_types import Event

FACES = ("/v1", "/api/v1")
REFUND: dict[str, Any] = {
    "name": "refund",
    "description": "Pay back.",
    "parameters": {"type": "object", "properties": {"order": {"type": "string"}}},
}
QUESTION = {"id": "name", "question": "Your name?", "kind": "text"}
REMIND = {"timeout_seconds": "never", "remind_after_seconds": 1}


async def model(client: httpx.AsyncClient, tool: str, **arguments: Any) -> str:
    script = [{"tool_calls": [{"name": tool, "arguments": arguments}]}, {"text": "Done."}]
    provider = {"name": "acting", "provider_type": "simulated", "settings": {"script": script}}
    await client.post("/v1/llm-providers", json=provider)
    return "acting/simulated-1"


async def begin(
    client: httpx.AsyncClient, call: tuple[str, dict[str, Any]], **fields: Any
) -> dict[str, Any]:
    """A session that waits."""
    body = {"model_id": await model(client, call[0], **call[1]), **fields}
    created = await client.post("/v1/sessions", json=body)
    assert created.status_code == 201, created.text
    path = f"/v1/sessions/{created.json()['id']}"
    await client.post(f"{path}/messages", json={"content": "go"})
    return await until(client, path, lambda session: session["status"] != "active")


async def until(client: httpx.AsyncClient, path: str, condition: Any, **options: Any) -> Any:
    for _ in range(5000):
        shown = (await client.get(path, **options)).json()
        if condition(shown):
            return shown
    raise AssertionError("it did not come to that")


async def give(
    client: httpx.AsyncClient, session: dict[str, Any], call_id: str, **fields: Any
) -> httpx.Response:
    body = {"tool_results": [{"tool_call_id": call_id, **fields}]}
    return await client.post(f"/v1/sessions/{session['id']}/tool-results", json=body)


@pytest.mark.parametrize("face", FACES)
async def test_a_session_says_what_its_client_is_to_do(client: httpx.AsyncClient, face: str):
    arguments = {"order": "order-1"}
    session = await begin(client, ("refund", arguments), tools=[REFUND])
    shown = (await client.get(f"{face}/sessions/{session['id']}")).json()
    (wait,) = shown["waiting_for"]
    assert wait == {
        "type": "tool_call",
        "tool_call_id": "call_1",
        "name": "refund",
        "arguments": arguments,
        "since": wait["since"],
        "expires_at": wait["expires_at"],
        "on_timeout": "error",
    }
    listed = (await client.get(f"{face}/sessions")).json()["data"][0]
    del wait["arguments"]
    assert listed["waiting_for"] == [wait]
    assert (await give(client, session, "call_1", result=1)).json()["accepted"] == 1
    path = f"/v1/sessions/{session['id']}"
    done = await until(client, path, lambda session: session["status"] == "idle")
    assert done["waiting_for"] == []


async def test_a_question_and_an_approval_are_shown_alike(client: httpx.AsyncClient):
    asked = await begin(
        client,
        ("ask_user", {"questions": [QUESTION]}),
        capabilities=[{"ref": "ask_user", "config": {"timeout_seconds": "never"}}],
    )
    (question,) = asked["waiting_for"]
    assert (question["type"], question["arguments"]) == ("question", {"questions": [QUESTION]})
    assert "expires_at" not in question


async def test_a_held_call_says_who_decides(client: httpx.AsyncClient):
    tool = {**REFUND, "policy": "requires_approval", "decided_by": "operator"}
    session = await begin(client, ("refund", {}), tools=[tool])
    (held,) = session["waiting_for"]
    assert (held["type"], held["decided_by"]) == ("approval", "operator")
    path = f"/v1/sessions/{session['id']}/tool-approvals"
    decision = {"tool_call_id": "call_1", "decision": "reject", "reason": "Too late."}
    await client.post(path, json={"decisions": [decision]})
    at_events = f"/v1/sessions/{session['id']}/events?types=tool.result"
    found = await until(
        client, at_events, lambda page: page["data"], headers={"Accept": "application/json"}
    )
    assert "Too late." in found["data"][0]["data"]["error"]


async def test_an_end_user_of_a_channel_cannot_decide_for_an_operator(client: httpx.AsyncClient):
    tool = {**REFUND, "policy": "requires_approval", "decided_by": "operator"}
    agent = {
        "name": "desk",
        "default_model_id": await model(client, "refund", order="order-1"),
        "tools": [tool],
    }
    await client.post("/v1/agents", json=agent)
    ada = {"End-User": "ada"}
    sessions = "/api/v1/channels/desk/sessions"
    session_id = (await client.post(sessions, headers=ada)).json()["id"]
    path = f"{sessions}/{session_id}"
    await client.post(f"{path}/messages", json={"content": "refund me"}, headers=ada)
    shown = await until(client, path, lambda session: session.get("pending_approvals"), headers=ada)
    (held,) = shown["pending_approvals"]
    assert (held["decided_by"], held["arguments"]) == ("operator", {"order": "order-1"})
    assert shown["waiting_for"][0]["tool_call_id"] == held["tool_call_id"]

    body = {"decisions": [{"tool_call_id": held["tool_call_id"], "decision": "allow"}]}
    refused = await client.post(f"{path}/tool-approvals", json=body, headers=ada)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "MAY_NOT_DECIDE")
    at_session = f"/api/v1/sessions/{session_id}/tool-approvals"
    # Outside its channel the header says nothing: who calls has the operator's key.
    assert (await client.post(at_session, json=body, headers=ada)).status_code == 200


async def test_early_late_and_unknown_are_told_apart(client: httpx.AsyncClient):
    new = (await client.post("/v1/sessions", json={})).json()
    early = await give(client, new, "call_1", result=1)
    assert (early.status_code, early.json()["error"]["code"]) == (
        409,
        "NOT_WAITING_FOR_TOOL_RESULTS",
    )
    session = await begin(client, ("refund", {}), tools=[REFUND])
    unknown = await give(client, session, "call_9", result=1)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "UNKNOWN_CALL")
    assert "Calls that do: 'call_1'" in unknown.json()["error"]["message"]
    await client.post(f"/v1/sessions/{session['id']}/cancel")
    late = await give(client, session, "call_1", result=1)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "CALL_CLOSED")


@pytest.mark.parametrize(("face", "kind"), [("/v1", Event), ("/api/v1", SdkEvent)])
async def test_a_reminder_is_an_event_of_every_face(
    client: httpx.AsyncClient, face: str, kind: Any
):
    session = await begin(client, ("refund", {}), tools=[{**REFUND, "wait": REMIND}])
    path = f"{face}/sessions/{session['id']}/events?types=wait.reminder"
    page = await until(
        client, path, lambda page: page["data"], headers={"Accept": "application/json"}
    )
    (reminder,) = page["data"]
    kind.model_validate(reminder)
    assert (reminder["data"]["tool_call_id"], reminder["data"]["overdue"]) == ("call_1", False)


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ({"type": "builtin"}, "client_side"),
        ({"policy": "client_side"}, "requires_approval"),
        ({"wait": {"timeout_seconds": 0}}, "31536000"),
        ({"wait": {"on_timeout": "recommendation"}}, "only questions"),
        ({"decided_by": "anybody"}, "operator"),
        ({"parameters": {"type": "nothing"}}, "nothing"),
        ({"parameters": {"$ref": "#/nowhere"}}, "nowhere"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/agents", "/api/v1/agents"])
async def test_a_tool_that_could_not_act_is_refused(
    client: httpx.AsyncClient, path: str, tool: dict[str, Any], words: str
):
    refused = await client.post(path, json={"name": "desk", "tools": [{**REFUND, **tool}]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "INVALID_REQUEST")
    assert words in refused.json()["error"]["message"]
