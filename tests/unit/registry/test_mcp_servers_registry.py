"""MCP servers: the catalogue, those of agents and sessions, and what becomes of their headers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from everruns.capabilities.registry import load_capabilities
from everruns.domain.agents import AgentInput, AgentPatch
from everruns.domain.idempotency import Idempotency
from everruns.domain.mcp_servers import McpAccount, McpProgram, McpServerInput, McpServerPatch
from everruns.domain.secret_forms import MASK
from everruns.domain.sessions import SessionInput, SessionPatch
from everruns.errors import (
    Conflict,
    CredentialsRequired,
    IdempotencyKeyReused,
    InvalidRequest,
    McpServerNameTaken,
    McpServerNotFound,
    StoreUnavailable,
    UnknownCapability,
)
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.settings import Settings
from everruns.storage.memory.store import MemoryStore

URL = "https://tickets.example.com/mcp"
KEY = "tickets-secret-0001"
HEADERS = {"X-Key": KEY}
PROGRAM = McpProgram(command="files-server", env={"TOKEN": SecretStr("t")}).account("files")


def wanted(name: str = "tickets", **fields: Any) -> McpServerInput:
    return McpServerInput.model_validate({"name": name, "url": URL, **fields})


def patch(**fields: Any) -> McpServerPatch:
    return McpServerPatch.model_validate(fields)


def agent_with(*capabilities: Any, **servers: Any) -> AgentInput:
    given = {"name": "a", "capabilities": capabilities, "mcp_servers": servers}
    return AgentInput.model_validate(given)


async def headers_of(registry: Registry) -> list[dict[str, str]]:
    accounts = await registry.mcp_servers.accounts()
    return [
        {name: value.get_secret_value() for name, value in account.headers.items()}
        for account in accounts
    ]


async def own_accounts(registry: Registry, agent_id: str) -> list[McpAccount]:
    return (await registry.configuration(agent_id)).agent_mcp_accounts


@pytest.fixture
async def with_program(placement: Placement) -> AsyncIterator[Registry]:
    registry = Registry(MemoryStore(), load_capabilities(), placement, mcp_programs=[PROGRAM])
    yield registry
    await registry.close()


async def test_headers_reach_hosts_and_nobody_else(registry: Registry):
    created = await registry.mcp_servers.create(wanted(headers=HEADERS))
    assert created.wire()["headers"] == {"x-key": MASK}
    assert await headers_of(registry) == [{"x-key": KEY}]
    (account,) = (await registry.configuration(None)).mcp_accounts
    assert (account.name, account.type, account.url) == ("tickets", "http", URL)
    (stored,) = registry.mcp_servers._store.mcp_servers.list()
    assert KEY not in stored.stored()


async def test_a_change_is_seen_by_hosts(registry: Registry):
    seen = [(await registry.configuration(None)).revision]
    created = await registry.mcp_servers.create(wanted())
    seen.append((await registry.configuration(None)).revision)
    await registry.mcp_servers.update(created.id, patch(status="disabled"))
    configuration = await registry.configuration(None)
    seen.append(configuration.revision)
    assert configuration.mcp_accounts == []
    await registry.mcp_servers.delete(created.id)
    seen.append((await registry.configuration(None)).revision)
    assert seen == sorted(set(seen))
    with pytest.raises(McpServerNotFound):
        await registry.mcp_servers.get(created.id)


async def test_a_name_is_taken_once(with_program: Registry):
    servers = with_program.mcp_servers
    await servers.create(wanted("a"))
    second = await servers.create(wanted("b"))
    for name in ("a", "files"):
        with pytest.raises(McpServerNameTaken, match=name):
            await servers.create(wanted(name))
        with pytest.raises(McpServerNameTaken, match=name):
            await servers.update(second.id, patch(name=name))
    assert (await servers.update(second.id, patch(name="b", description="B."))).name == "b"


async def test_a_key_gives_a_retry_the_first_answer(registry: Registry):
    key = Idempotency.of("POST /v1/mcp-servers", "key", b"body")
    created = await registry.mcp_servers.create(wanted(headers=HEADERS), key)
    again = await registry.mcp_servers.create(wanted(headers=HEADERS), key)
    assert again.wire() == created.wire()
    other = Idempotency.of("POST /v1/mcp-servers", "key", b"other")
    with pytest.raises(IdempotencyKeyReused):
        await registry.mcp_servers.create(wanted("other"), other)
    assert len(await registry.mcp_servers.list()) == 1


async def test_absent_fields_stay_and_null_removes(registry: Registry):
    servers = registry.mcp_servers
    given = {"description": "Tickets.", "headers": HEADERS, "allowed_tools": ["open"]}
    created = await servers.create(wanted(**given))
    renamed = await servers.update(created.id, patch(name="desk"))
    assert (renamed.description, renamed.allowed_tools) == ("Tickets.", ["open"])
    assert await headers_of(registry) == [{"x-key": KEY}]

    emptied = await servers.update(created.id, patch(**dict.fromkeys(given)))
    assert (emptied.description, emptied.allowed_tools, emptied.headers) == (None, None, {})
    assert await headers_of(registry) == [{}]


async def test_a_mask_keeps_a_stored_value_beside_new_ones(registry: Registry):
    created = await registry.mcp_servers.create(wanted(headers=HEADERS))
    headers = {"X-Key": MASK, "X-New": "new"}
    await registry.mcp_servers.update(created.id, patch(headers=headers))
    assert await headers_of(registry) == [{"x-key": KEY, "x-new": "new"}]


@pytest.mark.parametrize("change", [{}, {"headers": {"X-Key": MASK}}])
async def test_stored_headers_are_not_sent_to_a_new_address(registry: Registry, change: dict):
    created = await registry.mcp_servers.create(wanted(headers=HEADERS))
    moved = {"url": "https://evil.example.com/mcp", **change}
    with pytest.raises(CredentialsRequired, match="x-key"):
        await registry.mcp_servers.update(created.id, patch(**moved))
    moved["headers"] = {"X-Key": "for the new address"}
    await registry.mcp_servers.update(created.id, patch(**moved))
    assert await headers_of(registry) == [{"x-key": "for the new address"}]


async def test_a_mask_without_a_stored_value_is_refused(registry: Registry):
    masked = {"X-Key": MASK}
    with pytest.raises(CredentialsRequired, match="x-key"):
        await registry.mcp_servers.create(wanted(headers=masked))
    with pytest.raises(CredentialsRequired, match="x-key"):
        await registry.agents.create(agent_with(tickets={"url": URL, "headers": masked}))
    session = {"mcp_servers": {"tickets": {"url": URL, "headers": masked}}}
    with pytest.raises(CredentialsRequired, match="x-key"):
        await registry.sessions.create(SessionInput.model_validate(session))


async def test_an_encrypted_value_cannot_be_moved_to_another_address(registry: Registry):
    created = await registry.mcp_servers.create(wanted(headers=HEADERS))
    store = registry.mcp_servers._store.mcp_servers
    store.put(created.model_copy(update={"url": "https://evil.example.com/mcp"}))
    with pytest.raises(StoreUnavailable):
        await registry.mcp_servers.accounts()


async def test_headers_of_another_encryption_key_are_told_at_the_start(
    placement: Placement, settings_of_test: Settings
):
    store = MemoryStore()
    before = Registry(store, load_capabilities(), placement)
    await before.mcp_servers.create(wanted(headers=HEADERS))
    store.cipher = MemoryStore().cipher
    after = Registry(store, load_capabilities(), placement)
    with pytest.raises(StoreUnavailable, match="EVERRUNS_ENCRYPTION_KEY"):
        await after.seed(settings_of_test, has_local_model=False)


@pytest.fixture
def settings_of_test(tmp_path: Any) -> Settings:
    return Settings(data_dir=tmp_path)


async def test_configured_programs_are_listed_last_and_cannot_be_changed(with_program: Registry):
    servers = with_program.mcp_servers
    await servers.create(wanted())
    assert [server.name for server in await servers.list()] == ["tickets", "files"]
    assert [account.name for account in await servers.accounts()] == ["tickets", "files"]
    program = (await servers.list())[-1]
    assert await servers.get(program.id) == program
    with pytest.raises(Conflict, match=r"mcp_servers\.files"):
        await servers.update(program.id, patch(status="disabled"))
    with pytest.raises(Conflict, match=r"mcp_servers\.files"):
        await servers.delete(program.id)


async def test_an_agent_takes_a_server_of_the_catalogue_as_a_capability(with_program: Registry):
    await with_program.mcp_servers.create(wanted())
    config = {"allowed_tools": ["open"], "require_approval": "always"}
    agent, _ = await with_program.agents.create(
        agent_with("mcp:files", {"ref": "mcp:tickets", "config": config})
    )
    assert [used.ref for used in agent.capabilities] == ["mcp:files", "mcp:tickets"]
    used = {"capabilities": ["mcp:tickets"]}
    await with_program.sessions.create(SessionInput.model_validate(used))


@pytest.mark.parametrize("ref", ["mcp:ticket", "mcp:off", "mcp:"])
async def test_a_server_that_is_not_offered_is_an_unknown_capability(registry: Registry, ref: str):
    await registry.mcp_servers.create(wanted())
    await registry.mcp_servers.create(wanted("off", status="disabled"))
    with pytest.raises(UnknownCapability, match=ref) as refused:
        await registry.agents.create(agent_with(ref))
    if ref == "mcp:ticket":
        assert "Did you mean 'mcp:tickets'?" in refused.value.message


@pytest.mark.parametrize(
    "config", [{"allowed_tools": "open"}, {"require_approval": "sometimes"}, {"url": URL}]
)
async def test_the_config_of_a_server_is_checked(registry: Registry, config: dict):
    await registry.mcp_servers.create(wanted())
    with pytest.raises(InvalidRequest, match="mcp:tickets"):
        await registry.agents.create(agent_with({"ref": "mcp:tickets", "config": config}))


async def test_an_agent_keeps_a_capability_whose_server_was_deleted(registry: Registry):
    server = await registry.mcp_servers.create(wanted())
    agent, _ = await registry.agents.create(agent_with("mcp:tickets"))
    await registry.mcp_servers.delete(server.id)
    renamed = await registry.agents.update(agent.id, AgentPatch(name="b"))
    assert [used.ref for used in renamed.capabilities] == ["mcp:tickets"]


async def test_servers_of_an_agent_reach_hosts_with_their_headers(registry: Registry):
    agent, _ = await registry.agents.create(agent_with(tickets={"url": URL, "headers": HEADERS}))
    assert KEY not in agent.stored()
    (account,) = await own_accounts(registry, agent.id)
    assert account.headers == {"x-key": SecretStr(KEY)}

    copy = await registry.agents.copy(agent.id)
    (account,) = await own_accounts(registry, copy.id)
    assert account.headers == {"x-key": SecretStr(KEY)}


@pytest.mark.parametrize("by", ["patch", "replace"])
async def test_what_an_agent_shows_can_be_sent_back(registry: Registry, by: str):
    agent, _ = await registry.agents.create(agent_with(tickets={"url": URL, "headers": HEADERS}))
    shown = {**agent.wire()["mcp_servers"], "more": {"url": "https://more.example.com/"}}
    if by == "patch":
        await registry.agents.update(agent.id, AgentPatch.model_validate({"mcp_servers": shown}))
    else:
        again = {"id": agent.id, "name": "a", "mcp_servers": shown}
        await registry.agents.create(AgentInput.model_validate(again))
    tickets, more = await own_accounts(registry, agent.id)
    assert (tickets.headers, more.headers) == ({"x-key": SecretStr(KEY)}, {})


async def test_a_session_brings_along_servers_of_its_own(registry: Registry):
    given = {"mcp_servers": {"tickets": {"url": URL, "headers": HEADERS}}}
    session = await registry.sessions.create(SessionInput.model_validate(given))
    stored = await registry.sessions.get(session.id)
    assert KEY not in stored.stored()
    assert stored.wire()["mcp_servers"]["tickets"]["headers"] == {"x-key": MASK}
    (account,) = await registry.mcp_servers.opened(stored.mcp_servers)
    assert account.headers == {"x-key": SecretStr(KEY)}

    shown = {"mcp_servers": stored.wire()["mcp_servers"]}
    kept = await registry.sessions.update(session.id, SessionPatch.model_validate(shown))
    assert kept.mcp_servers == stored.mcp_servers
    none = await registry.sessions.update(session.id, SessionPatch(mcp_servers=None))
    assert none.mcp_servers == {}
