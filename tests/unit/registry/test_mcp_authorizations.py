"""Authorizations at MCP servers in the registry: renewal, clients, and what entries may say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from pydantic import SecretStr, ValidationError

from everruns.capabilities.registry import load_capabilities
from everruns.domain.headers import MASK
from everruns.domain.mcp_authorizations import Access, Subject
from everruns.domain.mcp_servers import McpServer, McpServerInput, McpServerPatch
from everruns.errors import (
    Conflict,
    CredentialsRequired,
    InvalidRequest,
    McpServerUnavailable,
    StoreUnavailable,
)
from everruns.ids import now_ms
from everruns.mcp.oauth.client import OAuthClient
from everruns.registry import mcp_tokens
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.storage.memory.store import MemoryStore
from tests.oauth_server import SERVICE, SERVICE_SECRET, OAuthServer
from tests.waiting import PATIENCE_S

ADA = Subject("agent_1", "ada")
PUBLIC_URL = "http://localhost:9300"


@asynccontextmanager
async def registry_over(
    store: MemoryStore, *, allow_private: bool = True, public_url: str | None = PUBLIC_URL
) -> AsyncIterator[Registry]:
    oauth = OAuthClient.at(public_url, allow_private=allow_private)
    placement = Placement(1, warm_hosts=1, max_hosts=1)
    registry = Registry(store, load_capabilities(), placement, mcp_oauth=oauth)
    yield registry
    await registry.close()


@pytest.fixture
async def oauth() -> AsyncIterator[OAuthServer]:
    async with OAuthServer() as server:
        yield server


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def registry(store: MemoryStore) -> AsyncIterator[Registry]:
    async with registry_over(store) as registry:
        yield registry


async def added(registry: Registry, oauth: OAuthServer, **auth: Any) -> McpServer:
    entry = {"name": "desk", "url": oauth.url, "auth": auth}
    return await registry.mcp_servers.create(McpServerInput.model_validate(entry))


def service(oauth: OAuthServer, **fields: Any) -> dict[str, Any]:
    known = {"client_id": SERVICE, "client_secret": SERVICE_SECRET, "issuer": oauth.issuer}
    return {"acts_as": "service", **known, **fields}


async def connected(registry: Registry, server: McpServer, subject: Subject = ADA) -> Access:
    consent = await registry.mcp_authorizations.begin(server.id, subject)
    async with httpx2.AsyncClient() as browser:
        location = (await browser.get(consent.authorization_url)).headers["location"]
    query = dict(parse_qsl(urlsplit(location).query))
    finished = await registry.mcp_authorizations.finish_consent(
        query["state"], SecretStr(query["code"]), query["iss"], None
    )
    assert finished.outcome == "connected", finished.reason
    access = await registry.mcp_authorizations.access(server.id, subject)
    assert access is not None
    return access


def renewals(oauth: OAuthServer) -> int:
    return sum(x.form["grant_type"] == "refresh_token" for x in oauth.requests("/token"))


# Renewal


async def test_several_hosts_that_lost_one_token_get_one_new_one(
    registry: Registry, oauth: OAuthServer
):
    server = await added(registry, oauth)
    old = await connected(registry, server)
    access = registry.mcp_authorizations.access
    found = await asyncio.gather(*(access(server.id, ADA, old.token) for _ in range(5)))
    assert len({one and one.token.get_secret_value() for one in found}) == 1
    assert found[0] != old
    assert renewals(oauth) == 1


async def test_two_processes_do_not_spend_one_refresh_token_twice(
    store: MemoryStore, registry: Registry, oauth: OAuthServer
):
    server = await added(registry, oauth)
    old = await connected(registry, server)
    async with registry_over(store) as other:
        for _ in range(3):
            one, two = await asyncio.gather(
                registry.mcp_authorizations.access(server.id, ADA, old.token),
                other.mcp_authorizations.access(server.id, ADA, old.token),
            )
            assert one is not None
            assert one == two != old
            old = one
    assert renewals(oauth) == 3


async def test_what_a_lost_process_was_renewing_is_renewed_after_its_time(
    store: MemoryStore, registry: Registry, oauth: OAuthServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mcp_tokens, "LEASE_S", 0.3)
    server = await added(registry, oauth)
    old = await connected(registry, server)
    vault = registry.mcp_authorizations._vault
    kept = await vault.find(server, ADA)
    assert kept is not None
    claimed = vault.changed(server, kept, kept.granted, now_ms() + 300)
    assert await vault.exchange(kept, claimed)
    async with registry_over(store) as other:
        began = now_ms()
        new = await other.mcp_authorizations.access(server.id, ADA, old.token)
    assert new not in (None, old)
    assert now_ms() - began >= 200


async def test_a_token_is_renewed_shortly_before_it_expires(registry: Registry):
    async with OAuthServer(life_s=1) as oauth:
        server = await added(registry, oauth)
        old = await connected(registry, server)
        assert old.renew_ms is not None
        async with asyncio.timeout(PATIENCE_S):
            while (new := await registry.mcp_authorizations.access(server.id, ADA)) == old:
                await asyncio.sleep(0.05)
    assert new is not None
    assert new.grant_id == old.grant_id


async def test_an_authorization_that_ended_during_its_renewal_stays_ended(
    registry: Registry, oauth: OAuthServer, monkeypatch: pytest.MonkeyPatch
):
    server = await added(registry, oauth)
    old = await connected(registry, server)
    authorizations = registry.mcp_authorizations
    renew = authorizations._client.renew

    async def renew_late(*args: Any):
        granted = await renew(*args)
        await authorizations.delete(server.id, ADA.id_at(server.id))
        return granted

    monkeypatch.setattr(authorizations._client, "renew", renew_late)
    assert await authorizations.access(server.id, ADA, old.token) is None
    assert await authorizations.list(server.id) == []


async def test_renewed_tokens_survive_a_store_that_is_away_for_a_moment(
    store: MemoryStore, registry: Registry, oauth: OAuthServer, monkeypatch: pytest.MonkeyPatch
):
    server = await added(registry, oauth)
    old = await connected(registry, server)
    exchange = store.mcp_authorizations.exchange
    outcomes = iter([True, False, False, True])

    def unsteady(*args: Any) -> bool:
        if not next(outcomes, True):
            # The second time it is done, and only the answer is lost.
            exchange(*args)
            raise StoreUnavailable("away")
        return exchange(*args)

    monkeypatch.setattr(store.mcp_authorizations, "exchange", unsteady)
    new = await registry.mcp_authorizations.access(server.id, ADA, old.token)
    assert new not in (None, old)
    assert await registry.mcp_authorizations.access(server.id, ADA) == new
    assert renewals(oauth) == 1


async def test_a_caller_that_gives_up_does_not_interrupt_a_renewal(
    registry: Registry, oauth: OAuthServer
):
    server = await added(registry, oauth)
    old = await connected(registry, server)
    waiting = asyncio.create_task(registry.mcp_authorizations.access(server.id, ADA, old.token))
    async with asyncio.timeout(PATIENCE_S):
        while not registry.mcp_authorizations._tokens._renewals:
            await asyncio.sleep(0)
    waiting.cancel()
    new = await registry.mcp_authorizations.access(server.id, ADA, old.token)
    assert new not in (None, old)
    assert renewals(oauth) == 1


async def test_a_refresh_token_that_is_taken_no_more_asks_for_consent_once(
    registry: Registry, oauth: OAuthServer
):
    server = await added(registry, oauth)
    old = await connected(registry, server)
    oauth.revoke()
    for _ in range(2):
        assert await registry.mcp_authorizations.access(server.id, ADA, old.token) is None
    assert renewals(oauth) == 1
    assert [one.status for one in await registry.mcp_authorizations.list(server.id)] == ["expired"]


# Clients


async def test_the_users_of_a_server_share_one_registered_client(
    registry: Registry, oauth: OAuthServer
):
    server = await added(registry, oauth)
    await connected(registry, server)
    await connected(registry, server, Subject("agent_1", "bob"))
    assert len(oauth.requests("/register")) == 1


async def test_a_server_that_registers_nobody_needs_a_client_id(
    registry: Registry, oauth: OAuthServer
):
    oauth.registers = False
    server = await added(registry, oauth)
    with pytest.raises(McpServerUnavailable, match="give its client_id in auth"):
        await registry.mcp_authorizations.begin(server.id, ADA)
    patch = McpServerPatch.model_validate({"auth": {"client_id": SERVICE}})
    await registry.mcp_servers.update(server.id, patch)
    await connected(registry, await registry.mcp_servers.get(server.id))


async def test_a_client_secret_goes_to_its_issuer_alone(registry: Registry, oauth: OAuthServer):
    elsewhere = service(oauth, issuer="https://login.example.com")
    server = await added(registry, oauth, **elsewhere)
    with pytest.raises(McpServerUnavailable, match="another authorization server than the issuer"):
        await registry.mcp_authorizations.access(server.id, Subject())
    assert oauth.requests("/token") == []


async def test_a_service_that_is_refused_says_what_to_check(
    registry: Registry, oauth: OAuthServer, monkeypatch: pytest.MonkeyPatch
):
    server = await added(registry, oauth, **service(oauth))
    first = await registry.mcp_authorizations.access(server.id, ADA)
    assert first == await registry.mcp_authorizations.access(server.id, Subject("agent_2", "bob"))
    with pytest.raises(Conflict, match="nobody consents"):
        await registry.mcp_authorizations.begin(server.id, ADA)
    monkeypatch.setattr(oauth, "_issued", lambda _request: (401, {"error": "invalid_client"}))
    assert first is not None
    with pytest.raises(McpServerUnavailable, match=r"invalid_client.*Check its client_id"):
        await registry.mcp_authorizations.access(server.id, ADA, first.token)


async def test_private_networks_are_not_asked_unless_they_are_allowed(
    store: MemoryStore, oauth: OAuthServer
):
    async with registry_over(store, allow_private=False) as registry:
        server = await added(registry, oauth)
        with pytest.raises(McpServerUnavailable, match="is not https"):
            await registry.mcp_authorizations.begin(server.id, ADA)
        secure = McpServerPatch(url=oauth.url.replace("http:", "https:"))
        await registry.mcp_servers.update(server.id, secure)
        with pytest.raises(McpServerUnavailable, match=r"127\.0\.0\.1"):
            await registry.mcp_authorizations.begin(server.id, ADA)
    assert oauth.asked_for == []
    assert oauth.seen == []


async def test_without_an_address_of_its_own_nobody_is_sent_away(
    store: MemoryStore, oauth: OAuthServer
):
    async with registry_over(store, public_url=None) as registry:
        server = await added(registry, oauth)
        with pytest.raises(Conflict, match="EVERRUNS_PUBLIC_URL"):
            await registry.mcp_authorizations.begin(server.id, ADA)


async def test_what_a_user_may_still_consent_to_is_bounded(
    registry: Registry, store: MemoryStore, oauth: OAuthServer
):
    server = await added(registry, oauth)
    for _ in range(25):
        await registry.mcp_authorizations.begin(server.id, ADA)
    assert len(store.mcp_authorizations.list(server.id, "consent")) == 5


# Entries


@pytest.mark.parametrize(
    "auth",
    [
        {"acts_as": "service"},
        {"client_secret": "s", "client_id": "c"},
        {"client_secret": "s", "issuer": "https://login.example.com"},
        {"acts_as": "nobody"},
        {"scopes": ["two words"]},
        {"type": "basic"},
        {"client_id": "c", "client_secret": "a b", "issuer": "https://login.example.com"},
    ],
)
def test_an_entry_says_all_that_is_needed(auth: dict[str, Any]):
    with pytest.raises(ValidationError):
        McpServerInput.model_validate(
            {"name": "desk", "url": "https://d.example.com", "auth": auth}
        )


async def test_a_client_secret_is_never_shown_and_can_be_kept(
    registry: Registry, store: MemoryStore, oauth: OAuthServer
):
    server = await added(registry, oauth, **service(oauth))
    shown = server.wire()
    assert shown["auth"]["client_secret"] == MASK
    (stored,) = store.mcp_servers.list()
    assert SERVICE_SECRET not in stored.stored() + repr(stored) + str(shown)
    kept = McpServerPatch.model_validate({"auth": {**shown["auth"], "scopes": ["act"]}})
    await registry.mcp_servers.update(server.id, kept)
    assert await registry.mcp_authorizations.access(server.id, Subject())
    moved = {**shown["auth"], "issuer": "https://other.example.com"}
    other = McpServerPatch.model_validate({"auth": moved})
    with pytest.raises(CredentialsRequired, match="client_secret for https://other"):
        await registry.mcp_servers.update(server.id, other)


async def test_a_server_is_authorized_in_one_way(registry: Registry, oauth: OAuthServer):
    headers = {"Authorization": "Bearer t"}
    entry = {"name": "desk", "url": oauth.url, "auth": {}, "headers": headers}
    with pytest.raises(InvalidRequest, match="leave one of them out"):
        await registry.mcp_servers.create(McpServerInput.model_validate(entry))
    server = await added(registry, oauth)
    patch = McpServerPatch.model_validate({"headers": headers})
    with pytest.raises(InvalidRequest, match="leave one of them out"):
        await registry.mcp_servers.update(server.id, patch)


async def test_a_removed_server_takes_everything_with_it(
    registry: Registry, store: MemoryStore, oauth: OAuthServer
):
    server = await added(registry, oauth)
    await connected(registry, server)
    await registry.mcp_authorizations.begin(server.id, ADA)
    await registry.mcp_servers.delete(server.id)
    assert store.contents.mcp_authorizations == {}
