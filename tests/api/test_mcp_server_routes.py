"""The catalogue of MCP servers over HTTP, and servers that agents and sessions bring along."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from everruns.capabilities.registry import load_capabilities
from everruns.domain.mcp_servers import McpAccount, McpProbed, McpProgram, McpToolInfo
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from everruns.storage.memory.store import MemoryStore

URL = "https://tickets.example.com/mcp"
KEY = "tickets-secret-0001"
INLINE = {"tickets": {"url": URL, "headers": {"X-Key": KEY}}}
SHOWN = {
    "type": "http",
    "url": URL,
    "headers": {"x-key": "***"},
    "require_approval": "never",
}
FACES = ["/v1", "/api/v1"]


class Probe:
    """Tells which secrets it was given, as a name of a tool."""

    async def probe(self, account: McpAccount) -> McpProbed:
        secrets = [*account.headers.values(), *account.environment.values()]
        tools = [McpToolInfo(name=secret.get_secret_value()) for secret in secrets]
        return McpProbed(server_name=account.name, protocol_version="2025-11-25", tools=tools)


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    files = McpProgram(command="files-server", args=["/data"], env={"TOKEN": SecretStr("t0ken")})
    return Settings(data_dir=tmp_path, mcp_servers={"files": files})


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[LocalRuntime]:
    runtime = LocalRuntime(MemoryStore(), settings, load_capabilities(), mcp_probe=Probe())
    await runtime.start()
    yield runtime
    await runtime.close()


async def added(client: httpx.AsyncClient, face: str = "/v1", **fields: Any) -> dict[str, Any]:
    wanted = {"name": "tickets", "url": URL, **fields}
    response = await client.post(f"{face}/mcp-servers", json=wanted)
    assert response.status_code == 201, response.text
    return response.json()


@pytest.mark.parametrize("face", FACES)
async def test_a_server_is_added_read_changed_and_deleted(client: httpx.AsyncClient, face: str):
    server = await added(client, face, headers={"X-Key": KEY}, description="The desk.")
    assert server.items() >= {**SHOWN, "status": "active", "description": "The desk."}.items()
    path = f"{face}/mcp-servers/{server['id']}"
    assert (await client.get(path)).json() == server

    changed = await client.patch(path, json={"type": "sse", "require_approval": ["close"]})
    assert changed.status_code == 200
    assert changed.json().items() >= {"type": "sse", "require_approval": ["close"]}.items()
    assert (await client.delete(path)).status_code == 204
    gone = await client.get(path)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "MCP_SERVER_NOT_FOUND")


async def test_servers_are_listed_with_those_of_the_configuration_last(client: httpx.AsyncClient):
    for name in ("one", "two"):
        await added(client, name=name)
    page = (await client.get("/v1/mcp-servers?limit=2&offset=1")).json()
    assert (page["total"], [server["name"] for server in page["data"]]) == (3, ["one", "files"])
    program = page["data"][1]
    assert (program["type"], program["command"]) == ("stdio", ["files-server", "/data"])
    assert program["environment"] == {"TOKEN": "***"}
    found = (await client.get("/v1/mcp-servers?search=FILE")).json()
    assert [server["name"] for server in found["data"]] == ["files"]
    refused = await client.delete(f"/v1/mcp-servers/{program['id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")


async def test_a_test_lists_what_a_server_offers(client: httpx.AsyncClient):
    server = await added(client, headers={"X-Key": KEY})
    tested = (await client.post(f"/v1/mcp-servers/{server['id']}/test")).json()
    assert tested.items() >= {"ok": True, "server_name": "tickets"}.items()
    assert tested["tools"] == [{"name": KEY}]
    (program,) = (await client.get("/v1/mcp-servers?search=files")).json()["data"]
    tested = (await client.post(f"/v1/mcp-servers/{program['id']}/test")).json()
    assert tested["tools"] == [{"name": "t0ken"}]
    assert (await client.post(f"/v1/mcp-servers/mcpserver_{'0' * 32}/test")).status_code == 404


async def test_a_key_gives_a_retry_the_first_answer(client: httpx.AsyncClient):
    wanted = {"name": "tickets", "url": URL, "headers": {"X-Key": KEY}}
    key = {"Idempotency-Key": "one"}
    first = await client.post("/v1/mcp-servers", json=wanted, headers=key)
    again = await client.post("/v1/mcp-servers", json=wanted, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    taken = await client.post("/v1/mcp-servers", json=wanted)
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "MCP_SERVER_NAME_TAKEN")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"type": "stdio"}, "configuration, as mcp_servers.NAME"),
        ({"command": "npx"}, "configuration, as mcp_servers.NAME"),
        ({"type": "websocket"}, "type: must be one of http, sse"),
        ({"url": "https://user:pass@example.com"}, "url: must begin with http:// or https://"),
        ({"url": None}, "url: must be a text"),
        ({"name": "two words"}, "name: must be 1 to 64 letters, digits"),
        ({"headers": {"Host": "evil"}}, "headers"),
        ({"headers": {"X-Key": "***"}}, "x-key"),
        ({"colour": "red"}, "colour: unknown field"),
    ],
)
async def test_what_is_wrong_with_a_server_is_told(
    client: httpx.AsyncClient, change: dict[str, Any], says: str
):
    wanted = {"name": "tickets", "url": URL, **change}
    response = await client.post("/v1/mcp-servers", json=wanted)
    assert response.status_code == 400
    assert says in response.json()["error"]["message"]
    assert (await client.get("/v1/mcp-servers")).json()["total"] == 1


async def test_active_servers_are_capabilities(client: httpx.AsyncClient):
    server = await added(client, description="Opens and closes tickets.")
    listed = (await client.get("/v1/capabilities?search=mcp:&limit=100")).json()["data"]
    assert [capability["id"] for capability in listed] == ["mcp:tickets", "mcp:files"]
    assert all(capability["is_mcp"] for capability in listed)
    shown = (await client.get("/v1/capabilities/mcp:tickets")).json()
    assert shown["description"] == "Opens and closes tickets."
    agent = {"name": "a", "capabilities": ["mcp:tickets", "mcp:files"]}
    assert (await client.post("/v1/agents", json=agent)).status_code == 201

    await client.patch(f"/v1/mcp-servers/{server['id']}", json={"status": "disabled"})
    assert (await client.get("/v1/capabilities/mcp:tickets")).status_code == 404
    refused = await client.post("/v1/agents", json=agent)
    assert refused.json()["error"]["code"] == "UNKNOWN_CAPABILITY"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("spelling", ["mcp_servers", "mcpServers"])
async def test_agents_and_sessions_bring_along_servers_and_never_show_their_headers(
    client: httpx.AsyncClient, face: str, spelling: str
):
    agent = await client.post(f"{face}/agents", json={"name": "a", spelling: INLINE})
    session = await client.post(f"{face}/sessions", json={spelling: INLINE})
    for created, path in ((agent, "agents"), (session, "sessions")):
        assert created.status_code == 201, created.text
        assert created.json()["mcp_servers"] == {"tickets": SHOWN}
        one = f"{face}/{path}/{created.json()['id']}"
        changed = await client.patch(one, json={spelling: {"tickets": SHOWN}})
        assert changed.status_code == 200, changed.text
        read, listed = await client.get(one), await client.get(f"{face}/{path}")
        assert read.json()["mcp_servers"] == {"tickets": SHOWN}
        for answer in (created, changed, read, listed):
            assert KEY not in answer.text
            assert "v1:" not in answer.text


async def test_an_exported_agent_imports_where_its_headers_are_stored(client: httpx.AsyncClient):
    """Under /api/v1 a document replaces the agent of its name, whose headers stay."""
    agent = await client.post("/api/v1/agents", json={"name": "clerk", "mcp_servers": INLINE})
    exported = await client.get(f"/api/v1/agents/{agent.json()['id']}/export")
    assert KEY not in exported.text
    assert "v1:" not in exported.text

    again = await client.post("/api/v1/agents/import", content=exported.content)
    assert again.status_code == 200, again.text
    assert again.json()["mcp_servers"] == {"tickets": SHOWN}
    elsewhere = await client.post("/v1/agents/import", content=exported.content)
    assert elsewhere.json()["error"]["code"] == "CREDENTIALS_REQUIRED"


async def test_a_problem_of_an_inline_server_is_told_with_its_place(client: httpx.AsyncClient):
    for spelling in ("mcp_servers", "mcpServers"):
        wanted = {"name": "a", spelling: {"tickets": {"url": 1}}}
        response = await client.post("/v1/agents", json=wanted)
        message = response.json()["error"]["message"]
        assert message.startswith(f"{spelling}.tickets.url: must be a text")
