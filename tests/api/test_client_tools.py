"""Tools that the client runs, over HTTP and on both faces."""

from typing import Any

import httpx
import pytest

from tests.odd_images import PIXEL

FACES = ("/v1", "/api/v1")
TOOL = {"name": "open_door", "description": "Open the door.", "parameters": {"type": "object"}}
SCRIPT = [
    {"tool_calls": [{"name": "open_door", "arguments": {"place": "home"}}]},
    {"text": "It is open."},
]


@pytest.fixture
async def waiting(client: httpx.AsyncClient) -> dict[str, Any]:
    """A session whose turn waits for the client; with the id of its call."""
    provider = {"name": "acting", "provider_type": "simulated", "settings": {"script": SCRIPT}}
    await client.post("/v1/llm-providers", json=provider)
    created = await client.post(
        "/v1/sessions", json={"model_id": "acting/simulated-1", "tools": [TOOL]}
    )
    session = created.json()
    await client.post(f"/v1/sessions/{session['id']}/messages", json={"content": "open it"})
    asked = await event(client, session["id"], "tool.call")
    return {**session, "call_id": asked["data"]["tool_call"]["id"]}


async def event(client: httpx.AsyncClient, session_id: str, kind: str) -> dict[str, Any]:
    """The first event of a type, when there is one."""
    path = f"/v1/sessions/{session_id}/events?types={kind}"
    for _ in range(1000):
        found = (await client.get(path, headers={"Accept": "application/json"})).json()["data"]
        if found:
            return found[0]
    raise AssertionError(f"there was no {kind}")


def result(call_id: str, **fields: Any) -> dict[str, Any]:
    return {"tool_results": [{"tool_call_id": call_id, **fields}]}


PIXEL_PART = {"type": "image", "base64": PIXEL, "media_type": "image/png"}
PARTS = [{"type": "text", "text": "The door:"}, PIXEL_PART, {"type": "json", "value": {"n": 1}}]


@pytest.mark.parametrize("face", FACES)
async def test_a_client_answers_with_parts(client: httpx.AsyncClient, waiting: dict, face: str):
    path = f"{face}/sessions/{waiting['id']}/tool-results"

    for already_stored in (0, 1):
        answered = await client.post(path, json=result(waiting["call_id"], parts=PARTS))
        assert answered.json()["already_stored"] == already_stored

    stored = (await event(client, waiting["id"], "tool.result"))["data"]
    assert (stored["parts"], stored["success"], "result" in stored) == (PARTS, True, False)
    other = await client.post(path, json=result(waiting["call_id"], parts=PARTS[:1]))
    assert other.status_code == 409
    messages = (await client.get(f"/v1/sessions/{waiting['id']}/messages")).json()["data"]
    assert messages[2]["content"][0]["parts"] == PARTS


async def test_the_sdk_shows_texts_and_images_of_parts(client: httpx.AsyncClient, waiting: dict):
    path = f"/v1/sessions/{waiting['id']}/tool-results"
    await client.post(path, json=result(waiting["call_id"], parts=PARTS))
    await event(client, waiting["id"], "tool.result")

    listed = f"/api/v1/sessions/{waiting['id']}/events?types=tool.completed"
    shown = (await client.get(listed, headers={"Accept": "application/json"})).json()["data"]

    assert shown[0]["data"]["result"] == [*PARTS[:2], {"type": "text", "text": '{"n":1}'}]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"parts": []}, "parts"),
        ({"parts": [{"type": "sound"}]}, "parts"),
        ({"parts": PARTS, "result": 1}, "either parts, or a result or an error"),
        ({"parts": [PIXEL_PART] * 21}, "at most 20 images"),
        ({"parts": [{"type": "text", "text": "x" * 102_400}]}, "at most 102400 bytes of JSON"),
    ],
)
async def test_parts_beyond_the_rules_are_refused(
    client: httpx.AsyncClient, waiting: dict, fields: dict, words: str
):
    path = f"/v1/sessions/{waiting['id']}/tool-results"

    refused = await client.post(path, json=result(waiting["call_id"], **fields))

    assert refused.status_code == 400
    assert words in refused.text


@pytest.mark.parametrize("face", FACES)
async def test_a_client_answers_and_the_turn_goes_on(
    client: httpx.AsyncClient, waiting: dict, face: str
):
    session = (await client.get(f"{face}/sessions/{waiting['id']}")).json()
    assert session["status"] == "waitingfortoolresults"

    path = f"{face}/sessions/{waiting['id']}/tool-results"
    answered = await client.post(path, json=result(waiting["call_id"], result={"open": True}))

    assert answered.status_code == 200
    assert answered.json() == {"accepted": 1, "already_stored": 0, "status": "active"}
    await event(client, waiting["id"], "session.completed")
    messages = (await client.get(f"/v1/sessions/{waiting['id']}/messages")).json()["data"]
    assert messages[-1]["content"] == [{"type": "text", "text": "It is open."}]
    again = await client.post(path, json=result(waiting["call_id"], result={"open": True}))
    assert again.status_code == 200
    assert again.json() == {"accepted": 1, "already_stored": 1, "status": "idle"}
    late = await client.post(path, json=result(waiting["call_id"], result={"open": False}))
    assert (late.status_code, late.json()["error"]["code"]) == (409, "CONFLICT")
    # The SDK repeats what is refused in these words.
    assert "not waiting for tool results" not in late.json()["error"]["message"]


async def test_a_session_that_never_asked_takes_no_results(client: httpx.AsyncClient):
    session = (await client.post("/v1/sessions", json={})).json()
    early = await client.post(f"/v1/sessions/{session['id']}/tool-results", json=result("call_1"))
    assert early.status_code == 409
    assert early.json()["error"]["code"] == "NOT_WAITING_FOR_TOOL_RESULTS"
    unknown = await client.post(
        f"/v1/sessions/session_{'0' * 32}/tool-results", json=result("call_1")
    )
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "tool_results"),
        ({"tool_results": []}, "tool_results"),
        ({"tool_results": [{"result": 1}]}, "tool_call_id"),
        (result("unknown"), "unknown"),
        (result("call", result="x" * 102_400), "result"),
        (result("call", error="x" * 102_401), "error"),
    ],
)
async def test_what_is_wrong_with_results_is_said(
    client: httpx.AsyncClient, waiting: dict, body: dict, field: str
):
    refused = await client.post(f"/v1/sessions/{waiting['id']}/tool-results", json=body)
    assert refused.status_code == 400
    assert field in refused.json()["error"]["message"]
