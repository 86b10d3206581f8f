"""What every store does with authorizations at MCP servers."""

from dataclasses import replace

from everruns.storage.store import Store
from tests.stored import mcp_authorization, mcp_server


def test_an_authorization_is_found_as_it_was_stored(store: Store) -> None:
    one, two = mcp_authorization(1), mcp_authorization(2, sealed="v1:" + "ä" * 10_000)
    store.mcp_authorizations.put(one)
    store.mcp_authorizations.put(two)
    assert store.mcp_authorizations.find(one.id) == one
    assert store.mcp_authorizations.list(one.server_id, "authorization") == [one, two]
    assert store.mcp_authorizations.list(one.server_id, "consent") == []
    assert store.mcp_authorizations.find("mcpauthorization_9") is None


def test_of_two_that_exchange_one_version_the_first_succeeds(store: Store) -> None:
    before = mcp_authorization(1)
    store.mcp_authorizations.put(before)
    first, second = replace(before, version="first"), replace(before, version="second")
    assert store.mcp_authorizations.exchange(first, before.version)
    assert not store.mcp_authorizations.exchange(second, before.version)
    assert store.mcp_authorizations.find(before.id) == first
    assert store.mcp_authorizations.delete(before.id)
    assert not store.mcp_authorizations.exchange(second, "first")
    assert store.mcp_authorizations.find(before.id) is None


def test_what_has_expired_is_deleted_with_what_one_subject_may_consent_to(store: Store) -> None:
    kept = mcp_authorization(1)
    old, new, other = (
        mcp_authorization(2, kind="consent", subject_id=kept.id, expires_ms=10),
        mcp_authorization(3, kind="consent", subject_id=kept.id, expires_ms=20),
        mcp_authorization(4, kind="consent", expires_ms=20),
    )
    for stored in (kept, old, new, other):
        store.mcp_authorizations.put(stored)
    assert store.mcp_authorizations.prune(10) == 1
    assert store.mcp_authorizations.delete_consents(kept.id) == 1
    assert store.mcp_authorizations.list(kept.server_id, "consent") == [other]
    assert store.mcp_authorizations.find(kept.id) == kept


def test_authorizations_are_deleted_with_their_server_or_when_it_becomes_another(
    store: Store,
) -> None:
    others = mcp_authorization(9, server_id=mcp_server(2).id)
    store.mcp_authorizations.put(others)
    store.mcp_servers.put(mcp_server(1))
    store.mcp_authorizations.put(mcp_authorization(1))
    store.mcp_servers.put(mcp_server(1, name="renamed"))
    assert store.mcp_authorizations.find(mcp_authorization(1).id)
    store.mcp_servers.put(mcp_server(1), forget_authorizations=True)
    assert store.mcp_authorizations.find(mcp_authorization(1).id) is None
    store.mcp_authorizations.put(mcp_authorization(1))
    store.mcp_servers.delete(mcp_server(1).id)
    assert store.mcp_authorizations.find(mcp_authorization(1).id) is None
    assert store.mcp_authorizations.find(others.id) == others
