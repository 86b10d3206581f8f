"""Choosing one of many agents: the server searches them, and no page reads all."""

import pytest
from playwright.async_api import Page, expect

from tests.console.conftest import Visiting
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")

# More than a picker shows before anything is typed.
AGENTS = 21


async def choose(page: Page, label: str, name: str) -> None:
    await page.get_by_role("combobox", name=label).fill(name)
    await page.get_by_role("option", name=name).click()


async def test_a_budget_and_an_api_key_are_for_an_agent_that_is_searched(
    seeds: Seeds, visit: Visiting
):
    model = await seeds.model("plain")
    oldest = await seeds.agent("oldest", model)
    for number in range(AGENTS):
        await seeds.agent(f"agent {number}", model)
    visited = await visit(seeds)
    page = await visited.open("/usage")

    await page.get_by_role("button", name="New budget").click()
    await choose(page, "Agent", "oldest")
    await page.get_by_label("Limit").fill("5")
    await page.get_by_role("button", name="Create budget").click()
    await expect(page.get_by_role("region", name="Budgets")).to_contain_text("oldest")

    await page.goto("/settings")
    await page.get_by_role("button", name="New API key").click()
    await page.get_by_label("Name").fill("reports")
    await choose(page, "Add an agent", "oldest")
    await page.get_by_role("button", name="Create API key").click()
    await expect(page.get_by_text("Copy it now")).to_be_visible()

    assert [key["agent_ids"] for key in (await seeds.get("/v1/api-keys"))["data"]] == [[oldest]]
    lists = [url for url in visited.requests if "/v1/agents?" in url and "id=agent_" not in url]
    assert not [url for url in lists if "limit=100" in url]


async def test_the_list_of_agents_has_their_numbers_of_sessions_from_one_request(
    seeds: Seeds, visit: Visiting
):
    model = await seeds.model("plain")
    await seeds.session(await seeds.agent("clerk", model))
    await seeds.agent("writer", model)
    visited = await visit(seeds)

    page = await visited.open("/agents")

    rows = page.get_by_role("region", name="Agents").get_by_role("row")
    await expect(rows.filter(has_text="clerk").get_by_role("link", name="1")).to_be_visible()
    await expect(rows.filter(has_text="writer").get_by_role("link", name="0")).to_be_visible()
    assert not [url for url in visited.requests if "agent_id=" in url]


async def test_the_agents_of_sessions_and_of_budgets_are_named_by_one_request_each_archived_or_not(
    seeds: Seeds, visit: Visiting
):
    model = await seeds.model("plain")
    agents = {name: await seeds.agent(name, model) for name in ("clerk", "writer", "retired")}
    for name, agent_id in agents.items():
        await seeds.session(agent_id, f"Talk with the {name}")
        budget = {"subject_type": "agent", "subject_id": agent_id}
        await seeds.post("/v1/budgets", {**budget, "currency": "tokens", "limit": 1000})
    await seeds.api.delete(f"/v1/agents/{agents['retired']}")

    for path in ("/sessions", "/usage"):
        visited = await visit(seeds)
        page = await visited.open(path)
        for name in agents:
            await expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
        asked = [url for url in visited.requests if "id=agent_" in url or "/v1/agents/" in url]
        assert len(asked) == 1
