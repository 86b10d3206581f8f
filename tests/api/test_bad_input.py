"""Whatever is wrong is a 400 or 413 that names the field and the reason, and stores nothing."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from everruns.settings import Settings

AGENTS, SESSIONS, PROVIDERS = "/v1/agents", "/v1/sessions", "/v1/llm-providers"
MIB = 1024 * 1024


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def refused(response: httpx.Response, status: int, code: str, words: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"message", "code"}
    assert error["code"] == code
    assert words in error["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"name": "a"', "EOF"),
        (b'{"name": "a"} x', "trailing characters"),
        (b"{'name': 'a'}", "not valid JSON"),
        (b'{"name": "a", "max_iterations": NaN}', "not valid JSON"),
        (b'{"name": "a", "max_iterations": Infinity}', "not valid JSON"),
        (b'{"name": "\xff"}', "unicode"),
        (b'{"name": "\\ud800"}', "not valid JSON"),
        (b'{"name": "a\x00b"}', "not valid JSON"),
        (b'{"name": "a\\u0000b"}', "NUL"),
        (b'{"na\\u0000me": "a"}', "NUL"),
        (b'{"name": "a", "x": {"y": ["\\u0000"]}}', "NUL"),
        (b'{"name": "a", "x": 9223372036854775808}', "64 bits"),
        (b'{"name": "a", "x": -99999999999999999999999}', "64 bits"),
        (b'{"name": "a", "x": 1e999}', "64 bits"),
        (b'{"name": "a", "x": ' + nested(64).encode() + b"}", "64 levels"),
        (b'{"name": "a", "x": ' + nested(5000).encode() + b"}", "not valid JSON"),
        (b'{"name": "a", "x": [' + b"1," * 100_000 + b"1]}", "values"),
    ],
)
@pytest.mark.parametrize("path", [AGENTS, PROVIDERS])
async def test_a_body_must_be_strict_json(
    client: httpx.AsyncClient, path: str, body: bytes, words: str
):
    refused(await client.post(path, content=body), 400, "INVALID_JSON", words)
    assert (await client.get(AGENTS)).json()["total"] == 0


async def test_nesting_within_the_limit_is_taken(client: httpx.AsyncClient):
    parameters = '{"x": ' + nested(60) + "}"
    body = '{"name": "a", "tools": [{"name": "t", "description": "", "parameters": %s}]}'
    body %= parameters

    assert (await client.post(AGENTS, content=body)).status_code == 201


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", None]
)
@pytest.mark.parametrize(
    ("path", "body"),
    [(AGENTS, b'{"name": "a"}'), (PROVIDERS, b'{"name": "a", "provider_type": "simulated"}')],
)
async def test_a_json_body_is_taken_whatever_it_is_called(
    client: httpx.AsyncClient, path: str, body: bytes, content_type: str | None
):
    headers = {"Content-Type": content_type} if content_type else {}

    assert (await client.post(path, content=body, headers=headers)).status_code == 201


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"null", b"1"])
@pytest.mark.parametrize("path", [AGENTS, PROVIDERS])
async def test_a_body_must_be_an_object(client: httpx.AsyncClient, path: str, body: bytes):
    refused(await client.post(path, content=body), 400, "INVALID_REQUEST", "body: ")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": 7}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 2049}, "name"),
        ({"name": "é" * 1025}, "name"),
        ({"name": "a", "id": "agent_1"}, "id"),
        ({"name": "a", "description": "x" * 10_241}, "description"),
        ({"name": "a", "system_prompt": "x" * (MIB + 1)}, "system_prompt"),
        ({"name": "a", "capabilities": ["noop"] * 251}, "capabilities"),
        ({"name": "a", "capabilities": [{"ref": ""}]}, "capabilities.0.ref"),
        ({"name": "a", "capabilities": "noop"}, "capabilities"),
        ({"name": "a", "tags": ["x"] * 101}, "tags"),
        ({"name": "a", "max_iterations": 0}, "max_iterations"),
        ({"name": "a", "max_iterations": "many"}, "max_iterations"),
        ({"name": "a", "tools": [{"name": "no spaces", "description": ""}]}, "tools.0.name"),
        ({"name": "a", "initial_files": [{"path": ""}]}, "initial_files.0.path"),
    ],
)
async def test_a_wrong_field_of_an_agent_is_named(
    client: httpx.AsyncClient, body: dict, field: str
):
    refused(await client.post(AGENTS, json=body), 400, "INVALID_REQUEST", f"{field}: ")
    assert (await client.get(AGENTS)).json()["total"] == 0


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"capabilities": ["noop", "nothing"]}, "UNKNOWN_CAPABILITY", "nothing"),
        ({"capabilities": ["research"]}, "UNKNOWN_CAPABILITY", "research"),
        ({"model_id": "nobody/nothing"}, "UNKNOWN_MODEL", "nobody/nothing"),
        ({"model_id": ""}, "INVALID_REQUEST", "model_id: "),
        ({"agent_id": "agent_1"}, "INVALID_REQUEST", "agent_id: "),
        ({"locale": "x" * 65}, "INVALID_REQUEST", "locale: "),
    ],
)
async def test_what_a_session_names_must_exist(
    client: httpx.AsyncClient, body: dict, code: str, words: str
):
    refused(await client.post(SESSIONS, json=body), 400, code, words)
    assert (await client.get(SESSIONS)).json()["total"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"provider_type": "openai"}, "name"),
        ({"name": "a", "provider_type": "bard"}, "provider_type"),
        ({"name": "a/b", "provider_type": "openai"}, "name"),
        ({"name": "a", "provider_type": "openai", "base_url": "ftp://x"}, "base_url"),
        ({"name": "a", "provider_type": "openai", "base_url": "http://x?y"}, "base_url"),
        ({"name": "a", "provider_type": "openai", "api_key": ""}, "api_key"),
        ({"name": "a", "provider_type": "openai", "models": [{}]}, "models.0.model_id"),
        ({"name": "a", "provider_type": "simulated", "settings": {"tokens": 0}}, "settings.tokens"),
    ],
)
async def test_a_wrong_field_of_a_provider_is_named(
    client: httpx.AsyncClient, body: dict, field: str
):
    before = (await client.get(PROVIDERS)).json()["total"]
    refused(await client.post(PROVIDERS, json=body), 400, "INVALID_REQUEST", f"{field}: ")
    assert (await client.get(PROVIDERS)).json()["total"] == before


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "message.content: "),
        ({"content": []}, "message.content: "),
        ({"content": 7}, "message.content: "),
        ({"message": {"role": "system", "content": "x"}}, "message.role: "),
        ({"message": {"content": [{"type": "video"}]}}, "message.content.0: "),
        ({"message": {"content": [{"text": "x"}]}}, "message.content.0: "),
        ({"message": {"content": [{"type": "tool_call"}]}}, "message.content.0: "),
        ({"message": {"content": [{"type": "text", "text": "x" * (MIB + 1)}]}}, "text: must be"),
        ({"message": {"content": [{"type": "image"}]}}, "either url, base64 or path"),
        ({"message": {"content": [{"type": "image", "base64": "AA=="}]}}, "media_type"),
        ({"content": "x", "controls": {"reasoning": {"effort": "huge"}}}, "effort: "),
        ({"content": "x", "metadata": []}, "metadata: "),
    ],
)
async def test_a_wrong_message_is_refused(client: httpx.AsyncClient, body: dict, words: str):
    session = (await client.post(SESSIONS)).json()
    path = f"{SESSIONS}/{session['id']}/messages"

    refused(await client.post(path, json=body), 400, "INVALID_REQUEST", words)
    assert (await client.get(path)).json()["total"] == 0


@pytest.mark.parametrize(
    "path",
    [
        "/v1/agents/agent_1",
        "/v1/agents/session_" + "0" * 32,
        "/v1/agents/agent_" + "A" * 32,
        "/v1/agents/agent_" + "0" * 33,
        "/v1/agents/x/sessions",
        "/v1/sessions/x",
        "/v1/sessions/x/messages",
        "/v1/sessions/x/events",
        "/v1/llm-providers/x",
        "/v1/harnesses/generic",
        "/api/v1/sessions/x/sse",
    ],
)
async def test_an_id_of_the_wrong_form_is_told_the_right_one(client: httpx.AsyncClient, path: str):
    refused(await client.get(path), 400, "INVALID_ID", "_ and 32 hexadecimal digits")


async def test_an_id_of_the_wrong_form_is_refused_before_the_body(client: httpx.AsyncClient):
    refused(await client.post("/v1/sessions/x/messages", json={}), 400, "INVALID_ID", "session_")


@pytest.mark.parametrize(
    "path", ["/v1/agents?search=a%00b", "/v1/agents/a%00b", "/v1/models/a%00b/c"]
)
async def test_a_nul_in_the_url_is_refused(client: httpx.AsyncClient, path: str):
    refused(await client.get(path), 400, "INVALID_REQUEST", "NUL")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("offset=1000000001", "offset"),
        ("offset=1.5", "offset"),
        ("search=" + "x" * 257, "search"),
    ],
)
@pytest.mark.parametrize("path", [AGENTS, SESSIONS, PROVIDERS, "/v1/models", "/v1/capabilities"])
async def test_a_page_has_bounds(client: httpx.AsyncClient, path: str, query: str, field: str):
    refused(await client.get(f"{path}?{query}"), 400, "INVALID_REQUEST", f"{field}: ")


def big_body(size_bytes: int) -> bytes:
    return json.dumps({"name": "a", "x": "y" * size_bytes}).encode()


@pytest.mark.parametrize("path", [AGENTS, SESSIONS, PROVIDERS])
async def test_a_body_of_10_mb_is_too_large(server: httpx.AsyncClient, path: str):
    response = await server.post(path, content=big_body(10_000_000))

    refused(response, 413, "PAYLOAD_TOO_LARGE", "bytes")
    assert (await server.get(AGENTS)).json()["total"] == 0


async def test_a_body_of_unknown_length_is_bounded_too(server: httpx.AsyncClient):
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"name": "a", "x": "'
        for _ in range(160):
            yield b"y" * 65_536

    refused(await server.post(AGENTS, content=chunks()), 413, "PAYLOAD_TOO_LARGE", "bytes")


class TestSmallLimit:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"max_body_bytes": 1024})

    async def test_a_body_of_exactly_the_limit_is_taken(self, client: httpx.AsyncClient):
        body = b'{"name": "a"}'.ljust(1024)

        assert (await client.post(AGENTS, content=body)).status_code == 201
        assert (await client.post(AGENTS, content=body + b" ")).status_code == 413
