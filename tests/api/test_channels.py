"""Channels: one agent, called for an application's users, each of whom sees what is their own."""

import httpx
import pytest
from fastapi import FastAPI

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from tests.api.credentials import client_of, key_headers

UNKNOWN = "session_" + "0" * 32
ALICE, BOB = {"End-User": "alice"}, {"End-User": "bob"}


@pytest.fixture
async def agent(client: httpx.AsyncClient) -> dict:
    wanted = {"name": "clerk", "display_name": "The clerk", "description": "Counts."}
    return (await client.post("/api/v1/agents", json=wanted)).json()


@pytest.fixture
def channel(agent: dict) -> str:
    return f"/api/v1/channels/{agent['id']}"


async def create(client: httpx.AsyncClient, channel: str, **headers: str) -> str:
    response = await client.post(f"{channel}/sessions", headers=headers)
    assert response.status_code == 201
    return response.json()["id"]


async def listed(client: httpx.AsyncClient, channel: str, **headers: str) -> list[str]:
    page = (await client.get(f"{channel}/sessions", headers=headers)).json()
    return [session["id"] for session in page["data"]]


async def reached(client: httpx.AsyncClient, session: str, **headers: str) -> set[tuple[int, str]]:
    """What the routes of a session answer: the status and the code of the error."""
    answers = [
        await client.get(session, headers=headers),
        await client.post(f"{session}/messages", json={"content": "hi"}, headers=headers),
        await client.post(f"{session}/cancel", headers=headers),
        await client.get(f"{session}/events", headers=headers),
        await client.get(f"{session}/sse", headers=headers),
    ]
    return {(answer.status_code, answer.json()["error"]["code"]) for answer in answers}


async def test_a_card_tells_what_the_agent_is_and_takes(
    client: httpx.AsyncClient, agent: dict, channel: str
):
    assert (await client.get(channel)).json() == {
        "name": "The clerk",
        "description": "Counts.",
        "streaming": True,
        "input": {"text": True, "images": True, "files": True},
        "auth": [],
        "conversation_starters": [],
        "links": {"sessions": f"{channel}/sessions"},
    }


async def test_a_channel_has_the_id_of_its_agent_or_its_name(
    client: httpx.AsyncClient, channel: str
):
    by_name = "/api/v1/channels/clerk"

    assert (await client.get(by_name)).json() == (await client.get(channel)).json()
    session = await create(client, by_name)
    assert await listed(client, channel) == [session]


@pytest.mark.parametrize("channel", ["nobody", "agent_" + "0" * 32, "x" * 3000])
async def test_an_agent_that_is_not_there_has_no_channel(client: httpx.AsyncClient, channel: str):
    for path in ("", "/sessions", f"/sessions/{UNKNOWN}"):
        answer = await client.get(f"/api/v1/channels/{channel}{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "AGENT_NOT_FOUND")


async def test_an_archived_agent_has_no_channel_any_more(
    client: httpx.AsyncClient, agent: dict, channel: str
):
    session = await create(client, channel)
    await client.delete(f"/api/v1/agents/{agent['id']}")

    assert (await client.get(f"{channel}/sessions/{session}")).status_code == 404
    assert (await client.get(f"/api/v1/sessions/{session}")).status_code == 200


async def test_a_session_takes_a_title_and_nothing_else(client: httpx.AsyncClient, channel: str):
    wanted = {"title": "First talk", "agent_id": None, "system_prompt": "Obey.", "end_user": "bob"}

    session = (await client.post(f"{channel}/sessions", json=wanted, headers=ALICE)).json()

    assert session["title"] == "First talk"
    assert session["agent_id"] == channel.rpartition("/")[2]
    assert "system_prompt" not in session
    assert (await client.get(f"{channel}/sessions/{session['id']}", headers=ALICE)).json() == {
        **session,
        "pending_questions": [],
        "pending_approvals": [],
    }


async def test_an_end_user_is_shown_and_an_application_by_itself_is_empty(
    client: httpx.AsyncClient, channel: str
):
    alices, nobodys = await create(client, channel, **ALICE), await create(client, channel)

    for face in ("/v1", "/api/v1"):
        assert (await client.get(f"{face}/sessions/{alices}")).json()["end_user"] == "alice"
        assert (await client.get(f"{face}/sessions/{nobodys}")).json()["end_user"] == ""
        found = await client.get(f"{face}/sessions", params={"end_user": "alice"})
        assert [session["id"] for session in found.json()["data"]] == [alices]


async def test_a_session_that_a_backend_made_for_an_end_user_is_theirs(
    client: httpx.AsyncClient, channel: str
):
    agent_id = channel.rpartition("/")[2]
    wanted = {"agent_id": agent_id, "end_user": "alice", "tags": ["vip"]}
    session = (await client.post("/v1/sessions", json=wanted)).json()["id"]

    assert await listed(client, channel, **ALICE) == [session]
    assert await listed(client, channel, **BOB) == []
    assert await listed(client, channel) == []


async def test_each_caller_lists_what_is_their_own(client: httpx.AsyncClient, channel: str):
    nobodys = await create(client, channel)
    alices = [await create(client, channel, **ALICE) for _ in range(2)]
    bobs = await create(client, channel, **BOB)
    await client.post("/api/v1/sessions", json={})
    await client.post("/v1/sessions", json={"agent_id": channel.rpartition("/")[2]})

    assert await listed(client, channel) == [nobodys]
    assert await listed(client, channel, **ALICE) == alices[::-1]
    assert await listed(client, channel, **BOB) == [bobs]


async def test_a_session_of_another_is_not_found(client: httpx.AsyncClient, channel: str):
    refusal = {(404, "SESSION_NOT_FOUND")}
    sessions = f"{channel}/sessions"
    nobodys = f"{sessions}/{await create(client, channel)}"
    alices = f"{sessions}/{await create(client, channel, **ALICE)}"
    outside = await client.post("/v1/sessions", json={"agent_id": channel.rpartition("/")[2]})
    of_no_agent = (await client.post("/api/v1/sessions", json={})).json()["id"]
    other = (await client.post("/api/v1/agents", json={"name": "other"})).json()["id"]
    of_other = await create(client, f"/api/v1/channels/{other}")

    assert await reached(client, alices, **BOB) == refusal
    assert await reached(client, alices) == refusal
    assert await reached(client, nobodys, **ALICE) == refusal
    assert await reached(client, f"{sessions}/{outside.json()['id']}") == refusal
    assert await reached(client, f"{sessions}/{of_no_agent}") == refusal
    assert await reached(client, f"{sessions}/{of_other}") == refusal
    assert await reached(client, f"{sessions}/{UNKNOWN}") == refusal


async def test_sessions_come_page_by_page_whatever_is_created_meanwhile(
    client: httpx.AsyncClient, channel: str
):
    made = [await create(client, channel) for _ in range(5)]
    seen, token = [], ""
    while token is not None:
        query = {"limit": 2, **({"page_token": token} if token else {})}
        page = (await client.get(f"{channel}/sessions", params=query)).json()
        seen += [session["id"] for session in page["data"]]
        token = page["next_page_token"]
        await create(client, channel)

    assert seen == made[::-1]


@pytest.mark.parametrize("token", ["", "2", "1.session_x", f"{'9' * 16}.{UNKNOWN}"])
async def test_a_page_token_of_ones_own_is_refused(
    client: httpx.AsyncClient, channel: str, token: str
):
    answer = await client.get(f"{channel}/sessions", params={"page_token": token})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST")
    assert "page_token" in answer.json()["error"]["message"]


@pytest.mark.parametrize("end_user", ["", "x" * 256, "al\tice"])
async def test_an_end_user_has_a_name_of_bounded_plain_text(
    client: httpx.AsyncClient, channel: str, end_user: str
):
    answer = await client.get(f"{channel}/sessions", headers={"End-User": end_user})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST")
    assert "End-User" in answer.json()["error"]["message"]


async def test_a_retried_session_is_made_once_for_each_caller(
    client: httpx.AsyncClient, channel: str
):
    key = {"Idempotency-Key": "k"}
    made = [await create(client, channel, **key, **who) for who in ({}, ALICE, BOB) for _ in "12"]

    assert made[::2] == made[1::2]
    assert len(set(made)) == 3
    assert await listed(client, channel, **ALICE) == [made[2]]


async def test_a_retried_message_is_sent_once(client: httpx.AsyncClient, channel: str):
    session = f"{channel}/sessions/{await create(client, channel, **ALICE)}"
    headers = {"Idempotency-Key": "k", **ALICE}

    sent = [
        await client.post(f"{session}/messages", json={"content": "hi"}, headers=headers)
        for _ in range(2)
    ]

    assert [answer.status_code for answer in sent] == [201, 201]
    assert sent[0].json() == sent[1].json()


async def test_a_retry_by_the_agents_name_is_the_same_as_by_its_id(
    client: httpx.AsyncClient, agent: dict
):
    by_id, by_name = (f"/api/v1/channels/{address}" for address in (agent["id"], agent["name"]))
    key = {"Idempotency-Key": "k", **ALICE}
    made = [await create(client, channel, **key) for channel in (by_id, by_name, by_id)]
    assert len(set(made)) == 1

    sent = [
        (
            await client.post(
                f"{channel}/sessions/{made[0]}/messages", json={"content": "hi"}, headers=key
            )
        ).json()["id"]
        for channel in (by_name, by_id)
    ]
    assert len(set(sent)) == 1


async def test_a_turn_is_streamed_and_listed_as_by_the_sessions_own_routes(
    server: httpx.AsyncClient,
):
    agent = (await server.post("/api/v1/agents", json={"name": "clerk"})).json()["id"]
    channel = f"/api/v1/channels/{agent}"
    session_id = await create(server, channel, **ALICE)
    session = f"{channel}/sessions/{session_id}"
    await server.post(f"{session}/messages", json={"content": "hi"}, headers=ALICE)
    stream = f"{session}/sse?after_sequence=0"
    async with server.stream("GET", stream, headers=ALICE) as frames:
        async for line in frames.aiter_lines():
            if line == "event: session.idled":
                break

    events = (await server.get(f"{session}/events?after_sequence=0", headers=ALICE)).json()

    assert events == (await server.get(f"/api/v1/sessions/{session_id}/events")).json()
    sequences = [event["sequence"] for event in events["data"]]
    assert sequences == sorted(sequences)
    assert (await server.post(f"{session}/cancel", headers=ALICE)).json() == {"status": "no_op"}


async def test_a_channel_is_behind_the_door(runtime: LocalRuntime, settings: Settings):
    _, headers = await key_headers(runtime.registry.keys)
    guarded = settings.model_copy(update={"auth": "api_keys"})
    app: FastAPI = create_app(runtime, guarded, load_capabilities())
    async with client_of(app) as client:
        await client.post("/api/v1/agents", json={"name": "clerk"}, headers=headers)

        refused = await client.get("/api/v1/channels/clerk")
        card = await client.get("/api/v1/channels/clerk", headers=headers)

    assert refused.status_code == 401
    assert card.json()["auth"] == [{"type": "agent_key"}]


async def test_messages_bring_files_and_name_none_of_the_workspace(
    client: httpx.AsyncClient, channel: str
):
    messages = f"{channel}/sessions/{await create(client, channel, **ALICE)}/messages"
    brought = {"type": "file", "base64": "aGk=", "media_type": "text/plain"}

    sent = await client.post(messages, json={"content": [brought]}, headers=ALICE)
    assert sent.status_code == 201
    assert sent.json()["content"][0]["text"] == "hi"
    for kind in ("file", "image"):
        named = {"content": [{"type": kind, "path": "/secret"}]}
        refused = await client.post(messages, json=named, headers=ALICE)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")
