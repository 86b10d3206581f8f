"""The SDK reads every message, whatever its parts."""

import httpx
from everruns_sdk.models import Message as SdkMessage

from everruns.runtime.local import LocalRuntime
from tests.conversations import Conversation

PARTS = [{"type": "text", "text": "Here."}, {"type": "json", "value": {"found": 3}}]
TOOL = {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}
SCRIPT = {"script": [{"tool_calls": [{"name": "look", "arguments": {}}]}, {"text": "Done."}]}


async def test_files_and_results_with_parts_are_shown_as_the_sdk_can_read_them(
    client: httpx.AsyncClient, runtime: LocalRuntime
):
    provider = {"name": "scripted", "provider_type": "simulated", "settings": SCRIPT}
    await client.post("/v1/llm-providers", json=provider)
    wanted = {"tools": [TOOL], "model_id": "scripted/simulated-1"}
    session = (await client.post("/v1/sessions", json=wanted)).json()["id"]
    file = {"type": "file", "base64": "aGVsbG8=", "media_type": "text/plain", "filename": "a.txt"}
    said = {"message": {"content": [file]}}
    sent = await client.post(f"/api/v1/sessions/{session}/messages", json=said)
    talk = Conversation(runtime, await runtime.registry.sessions.get(session))
    async with talk.reading() as reader:
        await reader.until(lambda: any(event.data.get("client_side") for event in reader.events))
    call = reader.events[-1].data["tool_call"]["id"]
    given = {"tool_results": [{"tool_call_id": call, "parts": PARTS}]}
    assert (await client.post(f"/v1/sessions/{session}/tool-results", json=given)).is_success
    await talk.ended()

    listed = (await client.get(f"/api/v1/sessions/{session}/messages")).json()["data"]

    assert sent.json() == listed[0]
    messages = [SdkMessage.model_validate(message) for message in listed]
    assert messages[0].content[0].text == "[a.txt]\nhello"
    assert messages[2].content[0].result == PARTS
