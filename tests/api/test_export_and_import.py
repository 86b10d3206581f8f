"""Conversations as JSON Lines: exported, imported, and gone on with."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from everruns.domain.idempotency import Idempotency
from everruns.domain.messages import SendMessage, ThinkingBlock
from everruns.providers.base import ModelAnswer, TextDelta
from everruns.runtime.local import LocalRuntime
from tests.conversations import Conversation
from tests.scripts import USAGE, Gate, ScriptedDriver, call, calls, says, step

PIXEL = "iVBORw0KGgo="
GIVEN_ANEW = {"id", "session_id", "sequence", "created_at"}
ADD = [
    {"role": "user", "content": [{"type": "text", "text": "19 + 23?"}]},
    {
        "role": "agent",
        "content": [
            {"type": "tool_call", "id": "call_1", "name": "add", "arguments": {"a": 19, "b": 23}}
        ],
    },
    {
        "role": "tool_result",
        "content": [{"type": "tool_result", "tool_call_id": "call_1", "result": 42}],
    },
    {"role": "agent", "content": [{"type": "text", "text": "42."}], "model": "p/m"},
]


def lines(*messages: Any) -> bytes:
    return b"".join(orjson.dumps(message) + b"\n" for message in messages)


def decided(exported: bytes) -> list[dict]:
    messages = [orjson.loads(line) for line in exported.splitlines()]
    return [
        {name: value for name, value in message.items() if name not in GIVEN_ANEW}
        for message in messages
    ]


@pytest.fixture(params=["/v1", "/api/v1"])
def sessions(request: pytest.FixtureRequest) -> str:
    return f"{request.param}/sessions"


async def imported(client: httpx.AsyncClient, sessions: str, body: bytes, **query: Any) -> dict:
    response = await client.post(f"{sessions}/import", content=body, params=query)
    assert response.status_code == 201, response.text
    return response.json()


def script(runtime: LocalRuntime, *steps: Any) -> ScriptedDriver:
    driver = ScriptedDriver(*steps)

    async def scripted(_account: object) -> ScriptedDriver:
        return driver

    runtime.host.environment.driver = scripted
    return driver


async def test_an_exported_session_is_imported_as_the_same_conversation(
    client: httpx.AsyncClient, runtime: LocalRuntime, sessions: str
):
    thought = ThinkingBlock(thinking="Sum them.", signature="s1")
    gate = Gate()
    driver = script(
        runtime,
        calls(call("current_time", "call_1"), words=["Wait."]),
        step(TextDelta("It is late."), ModelAnswer(usage=USAGE, thinking_blocks=(thought,))),
        says("Half an ans", gate),
        says("Yes."),
    )
    talk = await Conversation.begin(runtime, capabilities=["current_time"])
    image = {"type": "image", "base64": PIXEL, "media_type": "image/png"}
    parts = {"content": [{"type": "text", "text": "What is this?"}, image]}
    sent = SendMessage.model_validate({"message": parts, "metadata": {"page": 3}, "tags": ["t"]})
    await runtime.sessions.send(talk.id, sent, Idempotency.of_call())
    await talk.ended()
    await talk.send("And?")
    await gate.reached.wait()
    await runtime.sessions.cancel(talk.id)
    original = (await client.get(f"{sessions}/{talk.id}/export")).content

    copy = await imported(client, sessions, original, title="Copy", tag=["a", "b"])
    again = (await client.get(f"{sessions}/{copy['id']}/export")).content

    assert decided(again) == decided(original)
    assert [message["role"] for message in decided(again)] == [
        *("user", "agent", "tool_result", "agent", "user", "agent")
    ]
    assert decided(again)[-1]["metadata"] == {"incomplete": True}
    assert (copy["title"], copy["tags"], copy["status"]) == ("Copy", ["a", "b"], "idle")
    assert (copy["preview"], copy["usage"]["input_tokens"]) == ("What is this?", 0)
    assert copy == (await client.get(f"{sessions}/{copy['id']}")).json()

    await client.post(f"{sessions}/{copy['id']}/messages", json={"content": "Is it?"})
    await asyncio.wait_for(
        Conversation(runtime, (await runtime.registry.sessions.get(copy["id"]))).ended(), 20
    )
    said = [part for message in driver.requests[-1].messages for part in message.content]
    assert len(driver.requests[-1].messages) == 7
    assert any(getattr(part, "base64", None) == PIXEL for part in said)
    blocks = [message.thinking_blocks for message in driver.requests[-1].messages]
    assert [thought] in blocks


async def test_an_imported_session_can_be_retried(
    client: httpx.AsyncClient, runtime: LocalRuntime, sessions: str
):
    driver = script(runtime, says("Forty-two."))
    session = await imported(client, sessions, lines(*ADD))

    started = await client.post(f"{sessions}/{session['id']}/retry", json={})
    talk = Conversation(runtime, await runtime.registry.sessions.get(session["id"]))
    await talk.ended()

    assert started.status_code == 201
    assert driver.read(0) == ["user: 19 + 23?"]
    assert await talk.texts() == ["user: 19 + 23?", "agent: Forty-two."]


async def test_superseded_answers_are_neither_exported_nor_listed_unless_wanted(
    client: httpx.AsyncClient, runtime: LocalRuntime, sessions: str
):
    script(runtime, says("Bad."), says("Good."))
    talk = await Conversation.begin(runtime)
    await talk.say("hi")
    await client.post(f"{sessions}/{talk.id}/retry")
    await talk.ended()
    path = f"{sessions}/{talk.id}/messages"

    listed = (await client.get(path)).json()
    everything = (await client.get(path, params={"include_superseded": "true"})).json()

    texts = [message["content"][0]["text"] for message in listed["data"]]
    assert (texts, listed["total"]) == (["hi", "Good."], 2)
    marks = [message.get("superseded") for message in everything["data"]]
    assert (marks, everything["total"]) == ([None, True, None], 3)
    exported = (await client.get(f"{sessions}/{talk.id}/export")).content
    assert b"Bad." not in exported


async def test_an_agent_may_have_spoken_first(
    client: httpx.AsyncClient, runtime: LocalRuntime, sessions: str
):
    hello = {"role": "agent", "content": [{"type": "text", "text": "Hello!"}]}
    thought = {**hello, "thinking_blocks": [{"thinking": "Greet."}]}

    session = await imported(client, sessions, lines(thought, *ADD))

    exported = await client.get(f"{sessions}/{session['id']}/export")
    assert len(decided(exported.content)) == 5
    for path in ("/v1", "/api/v1"):
        headers = {"Accept": "application/json"}
        events = await client.get(f"{path}/sessions/{session['id']}/events", headers=headers)
        assert events.status_code == 200


async def test_a_repeated_import_makes_one_session(client: httpx.AsyncClient, sessions: str):
    key, path = {"Idempotency-Key": "k"}, f"{sessions}/import"

    first = await client.post(path, content=lines(*ADD), headers=key)
    again = await client.post(path, content=lines(*ADD), headers=key)
    other = await client.post(f"{path}?title=Other", content=lines(*ADD), headers=key)

    assert first.content == again.content
    assert other.status_code == 409
    assert (await client.get(sessions)).json()["total"] == 1


USER, CALLS, RESULT, _ = ADD


def calling(call_id: str) -> dict[str, Any]:
    return {**CALLS, "content": [{**CALLS["content"][0], "id": call_id}]}


WRONG = {
    "nothing": (b"", "line 1"),
    "no JSON": (lines(USER) + b"{", "line 2"),
    "no object": (lines(USER, []), "line 2"),
    "a role of the server": (lines({**USER, "role": "system"}), "line 1: role"),
    "no role": (lines({"content": []}), "line 1: role"),
    "an unknown part": (lines({**USER, "content": [{"type": "file"}]}), "line 1: content"),
    "a call by the user": (lines({**CALLS, "role": "user"}), "line 1: content"),
    "an empty user message": (lines({**USER, "content": []}), "line 1: content"),
    "a result without a call": (lines(USER, RESULT), "line 2: tool_call_id"),
    "two results of a call": (lines(USER, CALLS, RESULT, RESULT), "line 4: tool_call_id"),
    "two calls with one id": (lines(USER, CALLS, CALLS), "line 3: content"),
    "no time": (lines({**USER, "created_at": "noon"}), "line 1: created_at"),
    "a call without an id": (lines(USER, calling("")), "line 2: content.0.id"),
    "a call with an id too long": (lines(USER, calling("x" * 257)), "line 2: content.0.id"),
    "more tags than a message has": (lines({**USER, "tags": ["a"] * 101}), "line 1: tags"),
    "more metadata than a message has": (
        lines({**USER, "metadata": {"a": "b" * 65_536}}),
        "line 1: metadata",
    ),
    "a NUL": (lines({**USER, "tags": ["\0"]}), "line 1"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_no_conversation_is_refused_by_line_and_not_stored(
    client: httpx.AsyncClient, sessions: str, wrong: str
):
    body, place = WRONG[wrong]

    refused = await client.post(f"{sessions}/import", content=body)

    assert refused.status_code == 400, refused.text
    assert place in refused.json()["error"]["message"]
    assert (await client.get(sessions)).json()["total"] == 0


async def test_an_import_names_its_agent_like_a_new_session(
    client: httpx.AsyncClient, sessions: str
):
    agent = (await client.post("/v1/agents", json={"name": "clerk"})).json()

    session = await imported(
        client, sessions, lines(*ADD), agent_name="clerk", end_user="alice", title="T"
    )
    unknown = await client.post(f"{sessions}/import?agent_name=nobody", content=lines(*ADD))
    malformed = await client.post(f"{sessions}/import?agent_id=x", content=lines(*ADD))

    assert (session["agent_id"], session["end_user"]) == (agent["id"], "alice")
    assert (unknown.status_code, malformed.status_code) == (404, 400)
