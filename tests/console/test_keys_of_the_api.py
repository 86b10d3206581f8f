"""The keys that the page is given: where they are kept, and where they never are."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.console.admission import REFUSED, add_key, enter, offer
from tests.console.conftest import Serving, Visiting
from tests.console.seeds import Seeds
from tests.console.visits import Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def guarded(serve: Serving) -> tuple[Seeds, str]:
    """A server that needs a key, and such a key."""
    seeds = await serve(auth="api_keys")
    _, secret = await add_key(seeds)
    return seeds, secret


async def shown_anywhere(page: Page) -> str:
    """All that a page holds: its document with what stands in fields, its address, its cookies."""
    fields = await page.locator("input, textarea").evaluate_all("all => all.map(one => one.value)")
    return f"{await page.content()} {fields} {page.url} {await page.context.cookies()}"


def addresses(visited: Visit) -> str:
    return "\n".join(visited.requests)


async def test_a_key_stays_in_its_tab(serve: Serving, visit: Visiting):
    seeds, secret = await guarded(serve)
    visited = await visit(seeds)
    visited.expect(REFUSED)
    page = await visited.open("/sessions")

    await enter(page, secret)

    await expect(page.get_by_role("heading", level=1, name="Sessions")).to_be_visible()
    assert secret not in await shown_anywhere(page)
    assert secret not in addresses(visited)
    assert secret in await page.evaluate("JSON.stringify(Object.entries(sessionStorage))")
    assert secret not in await page.evaluate("JSON.stringify(Object.entries(localStorage))")
    await page.reload()
    await expect(page.get_by_role("heading", level=1, name="Sessions")).to_be_visible()
    another = await visited.open("/sessions")
    await expect(another.get_by_label("API key")).to_be_visible()


async def test_a_key_is_remembered_only_if_that_is_asked_for(serve: Serving, visit: Visiting):
    seeds, secret = await guarded(serve)
    visited = await visit(seeds)
    visited.expect(REFUSED)
    page = await visited.open("/sessions")

    await page.get_by_role("checkbox", name="Remember").check()
    await enter(page, secret)

    another = await visited.open("/agents")
    await expect(another.get_by_role("heading", level=1, name="Agents")).to_be_visible()
    assert secret not in await shown_anywhere(another)
    assert secret not in await another.evaluate("JSON.stringify(Object.entries(sessionStorage))")


async def test_a_wrong_key_is_refused_in_words(serve: Serving, visit: Visiting):
    seeds, secret = await guarded(serve)
    visited = await visit(seeds)
    visited.expect(REFUSED)
    page = await visited.open("/")

    await offer(page, "evr_wrong")

    await expect(page.get_by_role("alert")).to_contain_text("refused")
    await enter(page, secret)
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_nothing_of_the_server_is_seen_without_a_key(serve: Serving, visit: Visiting):
    seeds, secret = await guarded(serve)
    seeds.api.headers["authorization"] = f"Bearer {secret}"
    agent = await seeds.agent("secretary", await seeds.model("plain"))
    session_id = await seeds.session(agent, "The secret plan", "Hush")
    visited = await visit(seeds)
    visited.expect(REFUSED)

    page = await visited.open(f"/sessions/{session_id}")

    await expect(page.get_by_label("API key")).to_be_visible()
    assert "secret plan" not in await shown_anywhere(page)
    await enter(page, secret)
    await expect(page.get_by_text("Hush").first).to_be_visible()


async def test_the_key_of_a_provider_is_only_sent(seeds: Seeds, visit: Visiting):
    secret = "sk-of-the-provider-1234567890"
    visited = await visit(seeds)
    page = await visited.open("/providers?add=openai")

    await page.get_by_label("Name", exact=True).fill("work")
    await page.get_by_label("API key", exact=True).fill(secret)
    await page.get_by_role("button", name="Add provider").click()

    await expect(page.get_by_role("main").get_by_text("work").first).to_be_visible()
    await expect(page).to_have_url(re.compile("provider=provider_"))
    assert secret not in await shown_anywhere(page)
    assert secret not in await page.evaluate("JSON.stringify([sessionStorage, localStorage])")
    assert secret not in addresses(visited)
    provider = (await seeds.get("/v1/llm-providers", search="work"))["data"][0]
    assert provider["api_key_set"]
