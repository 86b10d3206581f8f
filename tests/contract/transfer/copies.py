"""What copies report to, and what is stored after them."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from everruns.storage.agents import AgentQuery
from everruns.storage.opening import open_configured_store
from everruns.storage.sessions import SessionQuery
from everruns.storage.store import Store
from everruns.storage.workspaces import WorkspaceQuery
from tests.stored import (
    agent,
    log,
    mcp_server,
    session,
)

SESSIONS = 12


def silent(_line: str) -> None:
    pass


def stopping_at(sign: str) -> Any:
    """Return a report by which a copy ends at a line, as if by Ctrl-C."""

    def report(line: str) -> None:
        if line.startswith(sign):
            raise KeyboardInterrupt

    return report


def what_is_stored(store: Store) -> dict[str, object]:
    """Return what the parts of a store say that they have."""
    sessions, _ = store.sessions.list(SessionQuery(limit=100))
    numbers = range(SESSIONS)
    life = store.registry.newest_life()
    return {
        "agents": (store.agents.list(AgentQuery(limit=100)), store.agents.find(agent(2).id)),
        "providers": store.providers.list(),
        "mcp_servers": store.mcp_servers.list(),
        "mcp_authorizations": store.mcp_authorizations.list(mcp_server(1).id, "authorization"),
        "keys": (store.api_keys.list(), store.api_keys.signing_secret()),
        "workspaces": store.workspaces.list(WorkspaceQuery(limit=100)),
        "sessions": sessions,
        "logs": [store.sessions.take(session(number).id, life) for number in numbers],
        "snapshot": store.sessions.take(session(2).id, life, 1),
        "events": [log(store, number) for number in numbers],
        "tagged": store.sessions.list(SessionQuery(tags=("ü",))),
        "files": [store.files.list(f"workspace_{n}", "/", contents=True) for n in numbers],
        "receipts": [store.receipts.find(f"key {number}") for number in numbers],
        "budgets": store.budgets.find("budget_1"),
        "is_budgeted": store.budgets.is_budgeted(session(1).id),
        "ledger": (store.ledger.list("budget_1", 0, 10), store.ledger.totals(["budget_1"])),
        "life": life,
        "next_life": store.registry.begin_life(),
    }


def stored_in(data_dir: Path, address: SecretStr | None) -> dict[str, object]:
    store = open_configured_store(data_dir, None, address)
    try:
        return what_is_stored(store)
    finally:
        store.close()
