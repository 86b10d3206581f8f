"""What only the face of the SDK has: sessions as JSON Lines, and calls that are not offered."""

import json

import httpx
import pytest

from everruns.api.routes.conversations import EXPORTED_AT_ONCE
from everruns.api.sdk.not_offered import NOT_OFFERED

ROUTES = [
    (method, path)
    for routes in NOT_OFFERED.values()
    for *methods, path in (route.split() for route in routes)
    for method in methods
]


async def session_with(client: httpx.AsyncClient, *texts: str) -> str:
    session = (await client.post("/api/v1/sessions", json={})).json()["id"]
    for text in texts:
        sent = await client.post(f"/api/v1/sessions/{session}/messages", json={"content": text})
        assert sent.status_code == 201
    return session


async def quiet(client: httpx.AsyncClient, session: str) -> None:
    async with client.stream("GET", f"/v1/sessions/{session}/events?after_sequence=0") as stream:
        async for line in stream.aiter_lines():
            if line == "event: session.completed":
                return


async def test_an_export_has_each_message_on_a_line_oldest_first(server: httpx.AsyncClient):
    session = await session_with(server, "one\ntwo\u2028three")
    await quiet(server, session)

    exported = await server.get(f"/api/v1/sessions/{session}/export")
    listed = (await server.get(f"/api/v1/sessions/{session}/messages")).json()["data"]

    assert exported.headers["content-type"] == "application/jsonl"
    assert [json.loads(line) for line in exported.text.splitlines()] == listed
    assert [message["role"] for message in listed] == ["user", "agent"]


async def test_a_long_session_is_exported_whole(server: httpx.AsyncClient):
    texts = [str(number) for number in range(EXPORTED_AT_ONCE + 1)]
    session = await session_with(server, *texts)

    exported = await server.get(f"/api/v1/sessions/{session}/export")

    messages = [json.loads(line) for line in exported.text.splitlines()]
    sent = [message for message in messages if message["role"] == "user"]
    assert [message["content"][0]["text"] for message in sent] == texts


async def test_a_session_without_messages_is_exported_as_nothing(client: httpx.AsyncClient):
    exported = await client.get(f"/api/v1/sessions/{await session_with(client)}/export")

    assert (exported.status_code, exported.text) == (200, "")


async def test_an_unknown_session_is_not_exported(client: httpx.AsyncClient):
    response = await client.get(f"/api/v1/sessions/session_{'0' * 32}/export")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "SESSION_NOT_FOUND")


async def test_a_cancel_with_a_body_answers_json(client: httpx.AsyncClient):
    response = await client.post(f"/api/v1/sessions/{await session_with(client)}/cancel", json={})

    assert (response.status_code, response.json()) == (200, {"status": "no_op"})


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_what_is_not_offered_says_so(client: httpx.AsyncClient, method: str, path: str):
    address = path.replace("{", "").replace("}", "").replace(":path", "/fs/notes.md")

    response = await client.request(method, f"/api/v1{address}")

    assert (response.status_code, response.json()["error"]["code"]) == (501, "NOT_IMPLEMENTED")
    assert response.json()["error"]["message"].startswith("This server does not offer ")


async def test_the_other_face_knows_nothing_of_it(client: httpx.AsyncClient):
    response = await client.get("/v1/memories")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "ROUTE_NOT_FOUND")
