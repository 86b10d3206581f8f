"""What servers repeat of their secrets reaches neither the model, nor people, nor the log."""

import base64
from typing import Any

import pytest

from everruns.domain.mcp_servers import McpAccount
from everruns.mcp.call import Call
from everruns.mcp.failures import InputRequired, McpFailure
from everruns.mcp.secrets import Secrets
from everruns.tools.base import ToolError
from tests.mcp_server import MODERN, SESSIONS, Exchange, ScriptedServer, tool

KEY = "sk-live-12345/6789"
BEARER = {"Authorization": f"Bearer {KEY}"}
QUOTED = f'It says "{KEY}".'
PLAIN = 'It says "***".'


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def resource(**fields: str) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": "demo://x", **fields}}


def encoded(words: str) -> str:
    return base64.b64encode(words.encode()).decode()


@pytest.mark.parametrize("revision", [SESSIONS, MODERN])
@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"content": [text(QUOTED)]}, PLAIN),
        (
            {"content": [text(f"https://x.test/?key={KEY.replace('/', '%2F')}")]},
            "https://x.test/?key=***",
        ),
        (
            {"content": [], "structuredContent": {"deep": [{KEY: [QUOTED, 1, True, None]}]}},
            {"deep": [{"***": [PLAIN, 1, True, None]}]},
        ),
        ({"content": [text(QUOTED)], "tools": []}, PLAIN),
        ({"content": [resource(text=QUOTED)]}, f"[Resource: demo://x]\n{PLAIN}"),
    ],
    ids=["text", "address", "structured", "disguised as a list", "resource"],
)
async def test_a_result_is_told_without_secrets(turns, revision, result, told):
    async def act(exchange: Exchange) -> None:
        await exchange.result(**result)

    async with ScriptedServer(act, revision=revision) as server:
        assert await turns.call(server.account(headers=BEARER)) == told


@pytest.mark.parametrize("before", ["", "a", "ab"])
async def test_a_text_that_is_sent_as_bytes_is_left_out_if_it_repeats_a_secret(turns, before):
    async def act(exchange: Exchange) -> None:
        blob = encoded(f"{before}{KEY} and more")
        await exchange.result(content=[resource(blob=blob, mimeType="text/plain")])

    async with ScriptedServer(act) as server:
        told = await turns.call(server.account(headers=BEARER))
        assert "was left out" in told


async def test_a_tool_that_fails_says_why_without_secrets(turns):
    async def act(exchange: Exchange) -> None:
        await exchange.result(content=[text(f"401: invalid key {KEY}")], isError=True)

    async with ScriptedServer(act) as server:
        with pytest.raises(ToolError, match=r"^401: invalid key \*\*\*$"):
            await turns.call(server.account(headers=BEARER))


async def test_progress_is_told_without_secrets(turns):
    async def act(exchange: Exchange) -> None:
        token = exchange.message["params"]["_meta"]["progressToken"]
        params = {"progressToken": token, "progress": 1, "message": QUOTED}
        await exchange.stream()
        await exchange.event({"method": "notifications/progress", "params": params})
        result = {"content": [text("done")]}
        await exchange.event({"id": exchange.message["id"], "result": result})
        exchange.close()

    async with ScriptedServer(act) as server:
        assert await turns.call(server.account(headers=BEARER)) == "done"
        assert turns.progress == [PLAIN]


async def test_tools_and_instructions_are_offered_without_secrets(turns):
    async def initialize(exchange: Exchange) -> None:
        result = {
            "protocolVersion": SESSIONS,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "scripted", "version": KEY},
            "instructions": QUOTED,
        }
        await exchange.result(**result)

    properties = {"title": {"type": "string", "title": QUOTED, "description": QUOTED}}
    schema = {"type": "object", "properties": properties}
    listed = {"name": "act", "title": QUOTED, "description": QUOTED, "inputSchema": schema}
    async with ScriptedServer(tools=[listed]) as server:
        server.behaviours["initialize"] = initialize
        server._needs_session = lambda _method: False
        prepared = await turns.prepare(server.account(headers=BEARER))
    (found,) = prepared.tools
    assert found.definition.description == found.definition.display_name == PLAIN
    shown = {"type": "string", "title": PLAIN, "description": PLAIN}
    assert found.definition.parameters["properties"] == {"title": shown}
    assert PLAIN in prepared.prompt
    assert KEY not in prepared.model_dump_json()


@pytest.mark.parametrize(
    "listed",
    [
        tool(f"act-{KEY}"),
        {"name": "bad", "inputSchema": {"type": "object", "properties": {KEY: {}}}},
        {"name": "bad", "inputSchema": {"type": "object", "properties": {"x": {"enum": [KEY]}}}},
    ],
    ids=["name", "argument", "value"],
)
async def test_a_tool_that_would_have_to_be_called_with_a_secret_is_left_out(turns, listed):
    async with ScriptedServer(tools=[listed, tool("good")]) as server:
        prepared = await turns.prepare(server.account(headers=BEARER))
    assert [found.reference["tool"] for found in prepared.tools] == ["good"]
    assert "repeats a secret" in prepared.notes[0]
    assert KEY not in prepared.model_dump_json()


def asking(message: str = "Sure?", state: str = "opaque", **fields: Any) -> Any:
    schema = {"type": "object", "properties": {"x": {"type": "string", **fields}}}
    params = {"mode": "form", "message": message, "requestedSchema": schema}
    form = {"method": "elicitation/create", "params": params}

    async def act(exchange: Exchange) -> None:
        await exchange.result(
            resultType="input_required", inputRequests={"q": form}, requestState=state
        )

    return act


async def call(turns: Any, server: ScriptedServer) -> Any:
    return await turns.connections.call(
        server.account(headers=BEARER), Call("act", {}), repeatable=False, allow_private=True
    )


async def test_a_question_is_asked_without_secrets_and_its_state_stays_as_it_is(turns):
    act = asking(QUOTED, title=QUOTED, enum=["a"], enumNames=[QUOTED])
    async with ScriptedServer(act, revision=MODERN) as server:
        with pytest.raises(InputRequired) as asked:
            await call(turns, server)
    assert asked.value.state == "opaque"
    params = asked.value.requests["q"]["params"]
    value = {"type": "string", "title": PLAIN, "enum": ["a"], "enumNames": [PLAIN]}
    assert params["message"] == PLAIN
    assert params["requestedSchema"]["properties"] == {"x": value}


@pytest.mark.parametrize(
    "act",
    [asking(state=QUOTED), asking(state=encoded(QUOTED)), asking(enum=[KEY]), asking(default=KEY)],
    ids=["state", "encoded state", "choice", "default"],
)
async def test_a_question_whose_answer_would_carry_a_secret_costs_its_call(turns, act):
    async with ScriptedServer(act, revision=MODERN) as server:
        with pytest.raises(McpFailure, match="a question that repeats a secret") as failed:
            await call(turns, server)
    assert KEY not in str(failed.value)


async def test_an_address_to_open_that_repeats_a_secret_costs_its_call(turns):
    page = {"mode": "url", "message": "Go.", "url": f"https://x.test/{KEY}", "elicitationId": "1"}
    error = {"code": -32042, "message": QUOTED, "data": {"elicitations": [page]}}

    async def act(exchange: Exchange) -> None:
        await exchange.json({"jsonrpc": "2.0", "id": exchange.message["id"], "error": error})

    async with ScriptedServer(act) as server:
        with pytest.raises(McpFailure, match="a question that repeats a secret"):
            await call(turns, server)


@pytest.mark.parametrize("value", ["object", "STRING", "application/json", MODERN, SESSIONS])
async def test_a_header_that_is_a_word_of_the_protocol_is_no_secret(turns, value):
    schema = {"type": "object", "properties": {"x": {"type": "string"}}}
    async with ScriptedServer(tools=[{"name": "act", "inputSchema": schema}]) as server:
        assert await turns.call(server.account(headers={"X-Kind": value})) == "done"


def test_a_secret_that_json_writes_in_another_way_is_found():
    key = 'quo"te\\d-ü'
    secrets = Secrets(McpAccount.model_validate({"name": "shop", "environment": {"KEY": key}}))
    assert secrets.are_in({"a": [f"x{key}"]})
    assert secrets.masked_data([f"x{key}"]) == ["x***"]


@pytest.mark.parametrize("before", [b"", b"a", b"ab"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, bytes.hex])
def test_a_secret_is_masked_within_what_encodes_it(encode, before):
    key = "kö?~>12345/6789"
    echo = encode(before + key.encode() + b" and more")
    text = echo if isinstance(echo, str) else echo.decode()
    secrets = Secrets(McpAccount.model_validate({"name": "shop", "environment": {"KEY": key}}))
    for written in (text, text.upper() if encode is bytes.hex else text):
        assert "***" in secrets.masked(written)
        assert secrets.are_in([written])


@pytest.mark.parametrize("echo", [KEY.upper(), f"Bearer {KEY}", f"bearer {KEY.lower()}"])
def test_a_secret_is_masked_whole_in_any_case(echo):
    account = McpAccount.model_validate({"name": "shop", "headers": BEARER})
    assert Secrets(account).masked(f"İ says {echo}!") == "İ says ***!"


def test_secrets_that_share_characters_are_masked_together():
    shared = {"A": "abcdef-123456", "B": "123456-uvwxyz"}
    account = McpAccount.model_validate({"name": "shop", "environment": shared})
    assert Secrets(account).masked("<abcdef-123456-uvwxyz>") == "<***>"
