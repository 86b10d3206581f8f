"""The trace context of requests: in with a message, out with the requests of its turn."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.model_server import ModelServer, model_server

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SENDER = f"00-{TRACE}-00f067aa0ba902b7-01"
JSON = {"Accept": "application/json"}


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with model_server() as server:
        server.has("m")
        yield server


async def session_of(client: httpx.AsyncClient, model: ModelServer) -> str:
    provider = {
        "name": "wire",
        "provider_type": "openai",
        "base_url": model.url,
        "api_key": "sk-1",
    }
    assert (await client.post("/v1/llm-providers", json=provider)).is_success
    agent = (await client.post("/v1/agents", json={"name": "ann", "system_prompt": "Hi."})).json()
    fields = {"agent_id": agent["id"], "model_id": "wire/m"}
    return (await client.post("/v1/sessions", json=fields)).json()["id"]


async def contexts(client: httpx.AsyncClient, session_id: str) -> list[dict[str, str]]:
    """The contexts of the events of a turn that has ended."""
    for _ in range(2000):
        log = await client.get(f"/v1/sessions/{session_id}/events", headers=JSON)
        events = log.json()["data"]
        if events and events[-1]["type"] in {"session.completed", "session.failed"}:
            return [event["context"] for event in events]
    raise AssertionError("the turn did not end")


@pytest.mark.parametrize("face", ["/v1", "/api/v1"])
async def test_a_turn_goes_on_with_the_trace_of_the_request_that_began_it(
    client: httpx.AsyncClient, model: ModelServer, face: str
):
    session = await session_of(client, model)
    path = f"{face}/sessions/{session}/messages"
    body = {"message": {"role": "user", "content": [{"type": "text", "text": "hi"}]}}
    sent = await client.post(path, json=body, headers={"traceparent": SENDER})
    assert sent.status_code == 201
    stored = [context.get("traceparent") for context in await contexts(client, session)]
    assert stored[:2] == [SENDER, SENDER]
    told = model.requests[-1][2]["traceparent"]
    assert told.startswith(f"00-{TRACE}-")
    assert told != SENDER


@pytest.mark.parametrize("given", ["hello", f"00-{'0' * 32}-00f067aa0ba902b7-01", ""])
async def test_what_is_no_traceparent_is_left_aside(
    client: httpx.AsyncClient, model: ModelServer, given: str
):
    session = await session_of(client, model)
    path = f"/v1/sessions/{session}/messages"
    sent = await client.post(path, json={"content": "hi"}, headers={"traceparent": given})
    assert sent.status_code == 201
    assert not any("traceparent" in context for context in await contexts(client, session))
    assert "traceparent" not in model.requests[-1][2]


async def test_two_traceparents_are_none(client: httpx.AsyncClient, model: ModelServer):
    session = await session_of(client, model)
    headers = [("traceparent", SENDER), ("traceparent", SENDER)]
    await client.post(f"/v1/sessions/{session}/messages", json={"content": "hi"}, headers=headers)
    assert not any("traceparent" in context for context in await contexts(client, session))


async def test_a_repeated_request_may_come_from_another_span(
    client: httpx.AsyncClient, model: ModelServer
):
    session = await session_of(client, model)
    path, body = f"/v1/sessions/{session}/messages", {"content": "hi"}
    key = {"Idempotency-Key": "once"}
    first = await client.post(path, json=body, headers={**key, "traceparent": SENDER})
    again = {**key, "traceparent": SENDER.replace("902b7", "902b8")}
    second = await client.post(path, json=body, headers=again)
    assert (second.status_code, second.json()["id"]) == (201, first.json()["id"])


async def test_a_retry_has_a_trace_of_its_own(client: httpx.AsyncClient, model: ModelServer):
    session = await session_of(client, model)
    await client.post(f"/v1/sessions/{session}/messages", json={"content": "hi"})
    await contexts(client, session)
    await client.post(f"/v1/sessions/{session}/retry", headers={"traceparent": SENDER})
    stored = [context.get("traceparent") for context in await contexts(client, session)]
    assert stored[:3] == [None, None, None]
    assert SENDER in stored
