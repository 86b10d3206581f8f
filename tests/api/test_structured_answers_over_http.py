"""Structured answers over HTTP, on both faces."""

from typing import Any

import httpx
import pytest
from everruns_sdk.models import Message as SdkMessage

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
SCRIPT = [{"text": "Paris"}, {"text": '{"city": "Paris"}'}]


async def ask(client: httpx.AsyncClient, face: str, script: Any, schema: Any) -> tuple[str, Any]:
    """Ask a new session for a value; return its path and how the turn ended."""
    provider = {
        "name": "talker",
        "provider_type": "simulated",
        "settings": {"script": script},
    }
    assert (await client.post("/v1/llm-providers", json=provider)).status_code == 201
    body = {"model_id": "talker/simulated-1", "controls": {"output_schema": schema}}
    created = await client.post(f"{face}/sessions", json=body)
    assert created.json()["controls"] == {"output_schema": schema}
    session = created.json()["id"]
    sent = await client.post(f"{face}/sessions/{session}/messages", json={"content": "Which?"})
    assert sent.status_code == 201
    for _ in range(1000):
        log = await client.get(f"/v1/sessions/{session}/events/list?after_sequence=0")
        last = log.json()["data"][-1]
        if last["type"] in {"session.completed", "session.failed"}:
            return f"{face}/sessions/{session}", last
    raise AssertionError("the turn did not end")


async def test_the_value_is_a_part_of_the_message(client: httpx.AsyncClient):
    session, ended = await ask(client, "/v1", SCRIPT, CITY)
    assert ended["type"] == "session.completed"
    _, wrong, right = (await client.get(f"{session}/messages")).json()["data"]
    assert wrong["content"][1]["type"] == "output"
    assert "not JSON" in wrong["content"][1]["error"]
    assert right["content"] == [
        {"type": "text", "text": '{"city": "Paris"}'},
        {"type": "output", "value": {"city": "Paris"}},
    ]


async def test_the_sdk_finds_the_value_in_the_metadata(client: httpx.AsyncClient):
    session, _ = await ask(client, "/api/v1", SCRIPT, CITY)
    listed = (await client.get(f"{session}/messages")).json()["data"]
    _, wrong, right = [SdkMessage.model_validate(message) for message in listed]
    assert "not JSON" in (wrong.metadata or {})["output"]["error"]
    assert (right.metadata or {})["output"] == {"value": {"city": "Paris"}}
    events = (await client.get(f"{session}/events")).json()["data"]
    shown = [one["data"]["message"] for one in events if one["type"] == "output.message.completed"]
    assert [SdkMessage.model_validate(message).metadata for message in shown] == [
        wrong.metadata,
        right.metadata,
    ]


async def test_an_answer_that_is_no_value_fails_the_turn(client: httpx.AsyncClient):
    session, ended = await ask(client, "/v1", [{"text": "Paris"}], CITY)
    assert ended["data"]["error"]["code"] == "OUTPUT_INVALID"
    assert (await client.get(session)).json()["status"] == "idle"
    assert len((await client.get(f"{session}/messages")).json()["data"]) == 4


async def test_a_conversation_with_values_is_exported_and_imported(client: httpx.AsyncClient):
    session, _ = await ask(client, "/v1", SCRIPT, CITY)
    lines = (await client.get(f"{session}/export")).content
    made = await client.post("/v1/sessions/import", content=lines)
    assert made.status_code == 201
    copied = (await client.get(f"/v1/sessions/{made.json()['id']}/messages")).json()["data"]
    assert copied[-1]["content"][1] == {"type": "output", "value": {"city": "Paris"}}


@pytest.mark.parametrize("face", ["/v1", "/api/v1"])
async def test_an_unusable_schema_is_refused(client: httpx.AsyncClient, face: str):
    body = {"name": "a", "controls": {"output_schema": {"$ref": "https://example.com/x"}}}
    refused = await client.post(f"{face}/agents", json=body)
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert error["code"] == "INVALID_REQUEST"
    assert error["message"].startswith("controls: output_schema: it refers to")
