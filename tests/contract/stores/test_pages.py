"""Whoever goes through a list by offsets gets each item once, however large the items are."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from everruns.storage import pages
from everruns.storage.store import Store
from tests.waiting import PATIENCE_S, POLL_S

COUNT = 5
Page = dict[str, Any]

# The two ways in which docs/contract.md lets a client tell where the next page begins.
NEXT: list[Callable[[Page], int]] = [
    lambda page: page["offset"] + page["limit"],
    lambda page: page["offset"] + len(page["data"]),
]


@pytest.fixture
async def client(store: Store, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(data_dir=tmp_path / "archive")
    runtime = LocalRuntime(store, settings, load_capabilities())
    await runtime.start()
    transport = httpx.ASGITransport(create_app(runtime, settings, load_capabilities()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
    await runtime.close()


async def post(client: httpx.AsyncClient, path: str, **body: object) -> Page:
    response = await client.post(path, json=body)
    assert response.status_code == 201, response.text
    return response.json()


async def agents(client: httpx.AsyncClient) -> str:
    for number in range(COUNT):
        await post(client, "/v1/agents", name=f"Agent {number}", system_prompt="x" * number)
    return "/v1/agents"


async def sessions(client: httpx.AsyncClient) -> str:
    for number in range(COUNT):
        await post(client, "/v1/sessions", title="x" * (number + 1))
    return "/v1/sessions"


async def providers(client: httpx.AsyncClient) -> str:
    for number in range(COUNT):
        await post(client, "/v1/llm-providers", name=f"p{number}", provider_type="simulated")
    return "/v1/llm-providers"


async def budgets(client: httpx.AsyncClient) -> str:
    for number in range(COUNT):
        agent = await post(client, "/v1/agents", name=f"Agent {number}")
        subject = {"subject_type": "agent", "subject_id": agent["id"]}
        await post(client, "/v1/budgets", **subject, currency="tokens", limit=number)
    return "/v1/budgets"


async def ledger(client: httpx.AsyncClient) -> str:
    await budgets(client)
    [budget, *_] = (await client.get("/v1/budgets")).json()["data"]
    path = f"/v1/budgets/{budget['id']}"
    for number in range(COUNT):
        await client.post(f"{path}/top-up", json={"amount": number + 1})
    return f"{path}/ledger"


async def messages(client: httpx.AsyncClient) -> str:
    session = await post(client, "/v1/sessions", model_id="simulated/simulated-1")
    path = f"/v1/sessions/{session['id']}"

    for number in range(COUNT):
        await post(client, f"{path}/messages", content="x" * (number + 1))
        async with asyncio.timeout(PATIENCE_S):
            while (await client.get(path)).json()["status"] != "idle":
                await asyncio.sleep(POLL_S)
    return f"{path}/messages"


async def context(client: httpx.AsyncClient) -> str:
    return (await messages(client)).replace("/messages", "/context")


LISTS = [agents, sessions, providers, budgets, ledger, messages, context]


async def read(client: httpx.AsyncClient, path: str, offset: int) -> Page:
    response = await client.get(path, params={"offset": offset, "limit": 100})
    assert response.status_code == 200, response.text
    found = response.json()
    return found.get("messages", found)


@pytest.mark.parametrize("fill", LISTS, ids=lambda fill: fill.__name__)
async def test_pages_that_end_early_have_each_item_once(
    client: httpx.AsyncClient,
    fill: Callable[[httpx.AsyncClient], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = await fill(client)
    whole = await read(client, path, 0)
    assert COUNT <= whole["total"] == len(whole["data"])
    assert whole["limit"] == 100
    # Of these items, each page has one or so.
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", 1 + len(str(whole["data"][0])) // 2)

    for next_offset in NEXT:
        page = await read(client, path, 0)
        assert len(page["data"]) < whole["total"]
        seen = page["data"]
        while (offset := next_offset(page)) < page["total"]:
            page = await read(client, path, offset)
            seen += page["data"]

        assert seen == whole["data"]
