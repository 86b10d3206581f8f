"""What every store does with the catalogue of MCP servers, and with servers of agents."""

from everruns.domain.mcp_servers import InlineMcpServer
from everruns.domain.secret_forms import MASK
from everruns.storage.receipts import Receipt
from everruns.storage.sessions import SessionQuery
from everruns.storage.store import Store
from tests.stored import agent, mcp_server, session

INLINE = InlineMcpServer(
    url="https://example.com/mcp", headers={"x-key": "v1:sealed"}, allowed_tools=["ä", "b"]
)


def test_a_server_is_listed_as_it_was_stored(store: Store) -> None:
    first = mcp_server(1, headers={"authorization": "v1:sealed"}, description="ä" * 20_000)
    second = mcp_server(2, require_approval=["close"], status="disabled")
    store.mcp_servers.put(first)
    store.mcp_servers.put(second)
    assert store.mcp_servers.list() == [second, first]


def test_a_server_put_again_is_replaced_and_a_deleted_one_can_come_again(store: Store) -> None:
    for version in range(3):
        store.mcp_servers.put(mcp_server(1, name=f"v{version}"))
        assert store.mcp_servers.list() == [mcp_server(1, name=f"v{version}")]
    for _ in range(2):
        assert store.mcp_servers.delete(mcp_server(1).id)
        assert not store.mcp_servers.delete(mcp_server(1).id)
        assert store.mcp_servers.list() == []
        store.mcp_servers.put(mcp_server(1))


def test_a_server_is_stored_with_its_receipt(store: Store) -> None:
    receipt = Receipt("key", "request", b"{}", mcp_server(1).id)
    store.mcp_servers.put(mcp_server(1), receipt)
    assert store.receipts.find("key") == receipt


def test_servers_of_agents_and_sessions_keep_their_encrypted_headers(store: Store) -> None:
    stored = agent(1, mcp_servers={"tickets": INLINE})
    store.agents.put(stored)
    assert store.agents.find(stored.id) == stored

    inserted = session(1, mcp_servers={"tickets": INLINE})
    store.sessions.insert(inserted)
    assert store.sessions.find(inserted.id) == inserted
    assert store.sessions.list(SessionQuery()) == ([inserted], 1)
    changed = session(1, mcp_servers={"other": INLINE})
    assert store.sessions.update(changed)
    assert store.sessions.find(inserted.id) == changed


def test_whoever_is_shown_a_header_sees_a_mask() -> None:
    shown = agent(1, mcp_servers={"tickets": INLINE}).wire()
    assert shown["mcp_servers"]["tickets"]["headers"] == {"x-key": MASK}
    assert "sealed" not in mcp_server(1, headers={"x": "v1:sealed"}).model_dump_json()
