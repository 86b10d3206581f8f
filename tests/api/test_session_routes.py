"""Sessions and messages over HTTP."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from everruns.runtime.local import LocalRuntime

UNKNOWN = "session_" + "0" * 32
Wait = Callable[..., Awaitable[None]]


@pytest.fixture
async def agent(client: httpx.AsyncClient) -> dict:
    return (await client.post("/v1/agents", json={"name": "assistant"})).json()


@pytest.fixture
async def session(client: httpx.AsyncClient) -> dict:
    return (await client.post("/v1/sessions", json={})).json()


async def idle(client: httpx.AsyncClient, session_id: str) -> None:
    stream = f"/v1/sessions/{session_id}/events"
    headers = {"Accept": "application/json"}
    for _ in range(1000):
        events = (await client.get(stream, headers=headers)).json()["data"]
        if events and events[-1]["type"] in {"session.completed", "session.failed"}:
            return
    raise AssertionError("the turn did not end")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"title": "Talk"}'])
async def test_a_session_needs_no_field(client: httpx.AsyncClient, body: bytes):
    response = await client.post("/v1/sessions", content=body)

    assert response.status_code == 201
    assert response.json()["status"] == "started"


async def test_a_session_of_an_agent_is_made_at_the_agent_or_by_naming_it(
    client: httpx.AsyncClient, agent: dict
):
    nested = await client.post(f"/v1/agents/{agent['id']}/sessions", json={"title": "Talk"})
    by_id = await client.post("/v1/sessions", json={"agent_id": agent["id"]})
    by_name = await client.post("/v1/sessions", json={"agent_name": "assistant"})

    made = [nested.json(), by_id.json(), by_name.json()]
    assert [session["agent_id"] for session in made] == [agent["id"]] * 3
    listed = (await client.get(f"/v1/sessions?agent_id={agent['id']}")).json()
    assert [session["id"] for session in listed["data"]] == [s["id"] for s in reversed(made)]


async def test_a_session_of_an_unknown_agent_is_not_found(client: httpx.AsyncClient):
    unknown = "agent_" + "0" * 32

    nested = await client.post(f"/v1/agents/{unknown}/sessions", json={})
    listed = await client.get(f"/v1/agents/{unknown}/sessions")
    named = await client.post("/v1/sessions", json={"agent_name": "nobody"})

    assert [r.status_code for r in (nested, listed, named)] == [404] * 3
    assert {r.json()["error"]["code"] for r in (nested, listed, named)} == {"AGENT_NOT_FOUND"}


async def test_a_retried_session_is_made_once(client: httpx.AsyncClient, agent: dict):
    key = {"Idempotency-Key": "k"}
    path = f"/v1/agents/{agent['id']}/sessions"

    answers = [await client.post(path, json={}, headers=key) for _ in range(2)]

    assert answers[0].content == answers[1].content
    assert (await client.get(path)).json()["total"] == 1


async def test_a_sent_message_is_answered_as_stored(client: httpx.AsyncClient, session: dict):
    body = {
        "message": {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        "metadata": {"page": 3, "note": None},
        "tags": ["web"],
    }

    response = await client.post(f"/v1/sessions/{session['id']}/messages", json=body)

    assert response.status_code == 201
    message = response.json()
    assert message["content"] == [{"type": "text", "text": "hi"}]
    assert (message["role"], message["tags"]) == ("user", ["web"])
    assert message["metadata"] == {"page": 3, "note": None}


@pytest.mark.parametrize("body", [{"content": "hi"}, {"message": "hi"}])
async def test_a_text_alone_is_a_message(client: httpx.AsyncClient, session: dict, body: dict):
    response = await client.post(f"/v1/sessions/{session['id']}/messages", json=body)

    assert response.json()["content"] == [{"type": "text", "text": "hi"}]


async def test_messages_are_listed_oldest_first(client: httpx.AsyncClient, session: dict):
    path = f"/v1/sessions/{session['id']}/messages"
    await client.post(path, json={"content": "hi"})
    await idle(client, session["id"])

    page = (await client.get(f"{path}?limit=1")).json()

    assert page["total"] == 2
    assert [message["role"] for message in page["data"]] == ["user"]


async def test_a_retried_message_is_sent_once(client: httpx.AsyncClient, session: dict):
    path, key = f"/v1/sessions/{session['id']}/messages", {"Idempotency-Key": "k"}

    first = await client.post(path, json={"content": "hi"}, headers=key)
    again = await client.post(path, json={"content": "hi"}, headers=key)
    other = await client.post(path, json={"content": "ho"}, headers=key)

    assert first.content == again.content
    assert other.status_code == 409


async def test_cancelling_a_running_turn_ends_it_and_again_does_nothing(
    client: httpx.AsyncClient, runtime: LocalRuntime, session: dict
):
    slow = await client.post(
        "/v1/llm-providers",
        json={
            "name": "slow",
            "provider_type": "simulated",
            "is_default": True,
            "settings": {"tokens": 10_000, "tokens_per_s": 10},
        },
    )
    assert slow.status_code == 201
    await client.post(f"/v1/sessions/{session['id']}/messages", json={"content": "hi"})

    first = await client.post(f"/v1/sessions/{session['id']}/cancel")
    again = await client.post(f"/v1/sessions/{session['id']}/cancel", json={})

    assert (first.status_code, first.json()) == (200, {"status": "cancelled"})
    assert again.json() == {"status": "no_op"}


async def test_a_deleted_session_is_gone(client: httpx.AsyncClient, session: dict):
    path = f"/v1/sessions/{session['id']}"
    await client.post(f"{path}/messages", json={"content": "hi"})

    assert (await client.delete(path)).status_code == 204

    gone = [
        await client.get(path),
        await client.delete(path),
        await client.post(f"{path}/messages", json={"content": "hi"}),
        await client.get(f"{path}/events"),
        await client.get(f"{path}/messages"),
        await client.post(f"{path}/cancel"),
    ]
    assert [response.status_code for response in gone] == [404] * len(gone)
    assert {response.json()["error"]["code"] for response in gone} == {"SESSION_NOT_FOUND"}


async def test_every_route_of_a_session_exists_on_both_faces(client: httpx.AsyncClient):
    for face in ("/v1", "/api/v1"):
        session = (await client.post(f"{face}/sessions", json={})).json()
        sent = await client.post(
            f"{face}/sessions/{session['id']}/messages", json={"content": "hi"}
        )
        assert sent.status_code == 201
        assert (await client.get(f"{face}/sessions")).status_code == 200


async def test_a_session_has_one_agent_on_v1(client: httpx.AsyncClient):
    first, second = [
        (await client.post("/v1/agents", json={"name": name})).json()["id"] for name in "ab"
    ]

    twice = await client.post("/v1/sessions", json={"agent_id": first, "agent_name": "b"})
    other = await client.post(f"/v1/agents/{first}/sessions", json={"agent_id": second})
    same = await client.post(f"/v1/agents/{first}/sessions", json={"agent_id": first})

    assert [twice.status_code, other.status_code, same.status_code] == [400, 400, 201]
    assert "either agent_id or agent_name" in twice.json()["error"]["message"]
    assert (await client.get("/v1/sessions")).json()["total"] == 1
