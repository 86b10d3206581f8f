"""Compactions as clients see them, on both faces."""

import httpx
import pytest

from everruns.api.sdk.event_types import SdkEventList
from everruns.api.v1.event_types import EventList

CONTEXT = 400
WORDS = " ".join(["word"] * 60)
TYPES = ["context.compacting", "context.compacted"]


@pytest.fixture
async def session_id(client: httpx.AsyncClient) -> str:
    """A session whose model takes few words and whose conversation had more of them."""
    provider = {
        "name": "tight",
        "provider_type": "simulated",
        "settings": {"reply": WORDS, "context_tokens": CONTEXT},
        "models": [{"model_id": "simulated-1", "limits": {"context": CONTEXT}}],
    }
    assert (await client.post("/v1/llm-providers", json=provider)).status_code == 201
    made = await client.post("/v1/sessions", json={"model_id": "tight/simulated-1"})
    session_id = made.json()["id"]
    for number in range(8):
        said = {"content": f"message {number}"}
        await client.post(f"/v1/sessions/{session_id}/messages", json=said)
        await idle(client, session_id)
    return session_id


async def idle(client: httpx.AsyncClient, session_id: str) -> None:
    for _ in range(2000):
        if (await client.get(f"/v1/sessions/{session_id}")).json()["status"] == "idle":
            return
    raise AssertionError("the turn did not end")


async def test_v1_tells_what_was_replaced_and_by_what(client: httpx.AsyncClient, session_id: str):
    path = f"/v1/sessions/{session_id}/events/list"
    listed = (await client.get(path, params={"types": ",".join(TYPES)})).json()
    EventList.model_validate(listed)
    begun, done, *_ = listed["data"]
    assert [begun["type"], done["type"]] == TYPES
    assert begun["data"]["reason"] == "proactive_budget"
    assert done["data"]["strategy"] == "summarization"
    assert done["data"]["summary"].startswith("word word")
    assert done["data"]["tokens_after"] < done["data"]["tokens_before"]
    assert done["data"]["usage"]["output_tokens"] > 0


async def test_the_sdks_face_has_its_own_fields(client: httpx.AsyncClient, session_id: str):
    path = f"/api/v1/sessions/{session_id}/events"
    listed = (await client.get(path, params={"types": TYPES})).json()
    SdkEventList.model_validate(listed)
    begun, done, *_ = listed["data"]
    assert begun["data"].keys() == {"reason", "strategy", "messages_before"}
    assert done["data"]["strategy_used"] == "summarization"
    assert done["data"]["messages_after"] < done["data"]["messages_before"]


async def test_messages_and_exports_have_all_that_was_said(
    client: httpx.AsyncClient, session_id: str
):
    messages = (await client.get(f"/v1/sessions/{session_id}/messages")).json()
    assert messages["total"] == 16
    exported = (await client.get(f"/v1/sessions/{session_id}/export")).text
    assert len(exported.splitlines()) == 16


async def test_a_conversation_that_is_imported_is_compacted_in_its_first_turn(
    client: httpx.AsyncClient, session_id: str
):
    exported = (await client.get(f"/v1/sessions/{session_id}/export")).content
    imported = await client.post(
        "/v1/sessions/import",
        content=exported,
        params={"model_id": "tight/simulated-1"},
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert imported.status_code == 201, imported.text
    copy_id = imported.json()["id"]
    await client.patch(f"/v1/sessions/{copy_id}", json={"model_id": "tight/simulated-1"})
    await client.post(f"/v1/sessions/{copy_id}/messages", json={"content": "Go on."})
    await idle(client, copy_id)
    listed = (await client.get(f"/v1/sessions/{copy_id}/events/list")).json()["data"]
    assert [event["type"] for event in listed][-4:] == [
        *TYPES,
        "message.created",
        "session.completed",
    ]
