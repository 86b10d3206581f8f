"""Usage, and queries in SQL, over HTTP."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.domain.rights import RIGHTS, Grant
from everruns.ids import new_id
from everruns.registry.keys import ApiKeys
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from tests.api.credentials import bearer, client_of, key_headers, signed
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, call, calls, says


@pytest.fixture
async def talk(runtime: LocalRuntime) -> Conversation:
    """A session in which a tool was called once."""
    driver = ScriptedDriver(calls(call("add", a=19, b=23)), says("42."))

    async def scripted(_account: object) -> ScriptedDriver:
        return driver

    runtime.host.environment.driver = scripted
    talk = await Conversation.begin(
        runtime, model_id="simulated/simulated-1", capabilities=["test_math"], end_user="alice"
    )
    await talk.say("What is 19 + 23?")
    return talk


async def sql(client: httpx.AsyncClient, query: str, *values: Any, **fields: Any) -> httpx.Response:
    body = {"query": query, "parameters": list(values), **fields}
    return await client.post("/v1/sql", json=body)


async def test_a_query_sees_what_was_acknowledged_before(
    client: httpx.AsyncClient, talk: Conversation
):
    answer = await sql(
        client,
        "SELECT role, text FROM messages WHERE session_id = ? ORDER BY sequence",
        talk.session.id,
    )

    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert found["columns"] == [
        {"name": "role", "type": "VARCHAR"},
        {"name": "text", "type": "VARCHAR"},
    ]
    assert found["rows"] == [["user", "What is 19 + 23?"], ["agent", ""], ["agent", "42."]]
    assert found["truncated"] is False

    tools = await sql(client, "SELECT tool_name, success FROM tool_calls")
    assert tools.json()["rows"] == [["add", True]]


async def test_usage_is_what_the_session_says_it_is(client: httpx.AsyncClient, talk: Conversation):
    session = (await client.get(f"/v1/sessions/{talk.session.id}")).json()

    usage = (await client.get("/v1/usage")).json()

    assert usage["timezone"] == "UTC"
    assert usage["group_by"] == ["day"]
    (row,) = usage["data"]
    assert row == {**usage["total"], "day": row["day"]}
    assert row["turns"] == 1
    assert (row["model_calls"], row["tool_calls"], row["failed_turns"]) == (2, 1, 0)
    for name in ("input_tokens", "output_tokens"):
        assert row[name] == session["usage"][name]

    divided = {"group_by": ["agent", "session", "end_user"], "session_id": talk.session.id}
    (row,) = (await client.get("/v1/usage", params=divided)).json()["data"]
    assert (row["session_id"], row["end_user"]) == (talk.session.id, "alice")
    by_model = await client.get("/v1/usage", params={"group_by": "model", "from": "2026-01-01"})
    (row,) = by_model.json()["data"]
    assert (row["model"], row["turns"]) == ("simulated/simulated-1", None)


async def test_usage_comes_as_a_file_too(client: httpx.AsyncClient, talk: Conversation):
    answer = await client.get("/v1/usage", params={"format": "csv", "group_by": "end_user"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["everruns-truncated"] == "false"
    names, row = answer.text.splitlines()
    assert dict(zip(names.split(","), row.split(","), strict=True))["end_user"] == "alice"
    answer = await sql(client, "SELECT 1 AS one", format="parquet")
    assert answer.content.startswith(b"PAR1")
    assert answer.headers["content-disposition"] == 'attachment; filename="answer.parquet"'


async def test_nothing_was_used_where_nothing_happened(client: httpx.AsyncClient):
    usage = (await client.get("/v1/usage")).json()

    assert usage["data"] == []
    assert usage["total"]["turns"] == 0
    assert usage["total"]["cost_usd"] == 0


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-02-01", "to": "2026-01-01"},
        {"from": "yesterday"},
        {"from": "2026-13-01"},
        {"to": "0001-01-01"},
        {"to": "0001-01-20"},
        {"group_by": "weekday"},
        {"agent_id": "x"},
        {"limit": "0"},
        {"format": "xml"},
        {"since": "2026-01-01"},
    ],
)
async def test_usage_that_is_not_asked_for_rightly_is_refused(
    client: httpx.AsyncClient, query: dict[str, str]
):
    answer = await client.get("/v1/usage", params=query)

    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("DELETE FROM events", "INVALID_QUERY"),
        ("SELECT * FROM read_text('/etc/passwd')", "INVALID_QUERY"),
        ("SELECT nope FROM turns", "INVALID_QUERY"),
        ("SELECT length(repeat('x', 3000000000))", "QUERY_TOO_EXPENSIVE"),
        ("", "INVALID_REQUEST"),
        ("SELECT '" + "x" * 70_000 + "'", "INVALID_REQUEST"),
    ],
    ids=["change", "file", "mistake", "memory", "nothing", "length"],
)
async def test_a_query_that_cannot_be_is_refused(client: httpx.AsyncClient, query: str, code: str):
    answer = await sql(client, query)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


async def test_sql_is_for_nobody_with_limits(app: FastAPI, keys: ApiKeys):
    token = await signed(keys, Grant(rights=list(RIGHTS), agent_ids=[new_id("agent")]))
    async with client_of(app, bearer(token)) as client:
        answer = await sql(client, "SELECT 1")

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")


async def test_a_sender_with_limits_sees_its_own_usage(
    app: FastAPI, keys: ApiKeys, talk: Conversation
):
    own = Grant(rights=["read"], session_id=talk.session.id)
    other = Grant(rights=["read"], session_id=new_id("session"))
    async with client_of(app) as client:
        for grant, turns in ((own, 1), (other, 0)):
            token = bearer(await signed(keys, grant))
            usage = await client.get("/v1/usage", headers=token)
            assert usage.json()["total"]["turns"] == turns


@pytest.mark.parametrize(
    ("changes", "statuses"),
    [
        ({"host": "0.0.0.0", "allow_open_network": True}, (403, 200)),
        ({"host": "0.0.0.0", "auth": "api_keys"}, (200, 200)),
        ({"archive": False}, (403, 403)),
    ],
    ids=["open", "with keys", "without an archive"],
)
async def test_sql_is_off_where_anybody_could_ask(
    runtime: LocalRuntime,
    settings: Settings,
    keys: ApiKeys,
    changes: dict[str, Any],
    statuses: tuple[int, int],
):
    app = create_app(runtime, settings.model_copy(update=changes), load_capabilities())
    _, headers = await key_headers(keys)
    async with client_of(app, headers) as client:
        client.base_url = httpx.URL("http://127.0.0.1")
        found = (await sql(client, "SELECT 1"), await client.get("/v1/usage"))

    assert tuple(answer.status_code for answer in found) == statuses
