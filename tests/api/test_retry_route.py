"""The route that starts a session's last turn again."""

import httpx
import pytest

JSON = {"Accept": "application/json"}


@pytest.fixture(params=["/v1", "/api/v1"])
async def at(request: pytest.FixtureRequest, client: httpx.AsyncClient) -> str:
    """The address of a session with the simulated model."""
    session = (await client.post("/v1/sessions", json={"model_id": "simulated/simulated-1"})).json()
    return f"{request.param}/sessions/{session['id']}"


async def idle(client: httpx.AsyncClient, at: str) -> None:
    for _ in range(2000):
        if (await client.get(at)).json()["status"] == "idle":
            return
    raise AssertionError("the turn did not end")


async def test_a_retry_answers_with_the_turn_that_it_started(client: httpx.AsyncClient, at: str):
    sent = (await client.post(f"{at}/messages", json={"content": "hi"})).json()
    await idle(client, at)

    retried = await client.post(f"{at}/retry")
    await idle(client, at)

    started = retried.json()
    assert retried.status_code == 201
    assert started["input_message_id"] == sent["id"]
    path = at.replace("/api/v1", "/v1")
    query = {"turn_id": started["turn_id"]}
    log = (await client.get(f"{path}/events", params=query, headers=JSON)).json()["data"]
    assert [event["type"] for event in log] == [
        "session.started",
        "message.created",
        "session.completed",
    ]
    assert log[0]["sequence"] == started["sequence"]
    assert log[0]["data"]["retry_of"] == started["retry_of"]
    assert log[0]["data"]["superseded"] == [[2, 4]]


async def test_the_sdks_face_tells_of_the_retry_too(client: httpx.AsyncClient, at: str):
    await client.post(f"{at}/messages", json={"content": "hi"})
    await idle(client, at)
    started = (await client.post(f"{at}/retry")).json()
    await idle(client, at)

    path = f"/api/v1/sessions/{at.rpartition('/')[2]}/events"
    events = (await client.get(path, params={"types": "turn.started"})).json()["data"]

    assert events[-1]["data"]["retry_of"] == started["retry_of"]


async def test_a_key_retries_once_and_refuses_another_body(client: httpx.AsyncClient, at: str):
    await client.post(f"{at}/messages", json={"content": "hi"})
    await idle(client, at)
    key = {"Idempotency-Key": "k"}

    first = await client.post(f"{at}/retry", json={}, headers=key)
    again = await client.post(f"{at}/retry", json={}, headers=key)
    other = await client.post(f"{at}/retry", json={"controls": {"seed": 1}}, headers=key)

    assert first.content == again.content
    assert (other.status_code, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"controls": {"model_id": "nope/x"}}, "UNKNOWN_MODEL"),
        ({"controls": {"warmth": 1}}, "INVALID_REQUEST"),
        ({"controls": 7}, "INVALID_REQUEST"),
    ],
)
async def test_controls_of_a_retry_are_checked_and_a_refused_one_changes_nothing(
    client: httpx.AsyncClient, at: str, body: dict, code: str
):
    await client.post(f"{at}/messages", json={"content": "hi"})
    await idle(client, at)
    before = (await client.get(f"{at}/messages")).json()

    refused = await client.post(f"{at}/retry", json=body)

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)
    assert (await client.get(f"{at}/messages")).json() == before


async def test_there_must_be_a_turn_that_has_ended(client: httpx.AsyncClient, at: str):
    nothing = await client.post(f"{at}/retry")
    waiting = {"tools": [{"name": "ask", "description": "Ask.", "parameters": {"type": "object"}}]}
    provider = {
        "name": f"script-{at.rpartition('_')[2]}",
        "provider_type": "simulated",
        "settings": {"script": [{"tool_calls": [{"name": "ask", "arguments": {}}]}]},
    }
    made = (await client.post("/v1/providers", json=provider)).json()
    model = f"{made['name']}/simulated-1"
    await client.patch(at, json={**waiting, "model_id": model})
    await client.post(f"{at}/messages", json={"content": "hi"})
    for _ in range(2000):
        if (await client.get(at)).json()["status"] == "waitingfortoolresults":
            break
    is_open = await client.post(f"{at}/retry")

    assert (nothing.status_code, is_open.status_code) == (409, 409)
    assert "no turn to retry" in nothing.json()["error"]["message"]
    assert "Cancel it first" in is_open.json()["error"]["message"]
    unknown = await client.post(f"{at[:-32]}{'0' * 32}/retry")
    assert unknown.status_code == 404
