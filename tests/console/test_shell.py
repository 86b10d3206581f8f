"""The frame of every screen: its addresses, its navigation, and what it keeps of an API key."""

import re

import pytest
from playwright.async_api import expect

from tests.console.conftest import Visiting
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLACES = {
    "Sessions": "/sessions",
    "Agents": "/agents",
    "Providers": "/providers",
    "Capabilities": "/capabilities",
    "Usage": "/usage",
    "Cluster": "/cluster",
    "SQL": "/sql",
    "Settings": "/settings",
}


async def test_every_screen_is_reached_by_its_link_and_can_be_reloaded(
    seeds: Seeds, visit: Visiting
):
    page = await (await visit(seeds)).open()
    places = page.get_by_role("navigation", name="Console")

    for name, path in PLACES.items():
        await places.get_by_role("link", name=name).first.click()
        await expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
        await expect(page).to_have_url(f"{seeds.url}{path}")
        await page.reload()
        await expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
        await expect(page).to_have_title(re.compile(f"{name}.*Everruns"))


async def test_going_back_leads_to_the_screen_before(seeds: Seeds, visit: Visiting):
    page = await (await visit(seeds)).open("/agents")
    await expect(page.get_by_role("heading", level=1, name="Agents")).to_be_visible()
    places = page.get_by_role("navigation", name="Console")
    await places.get_by_role("link", name="Sessions").first.click()
    await expect(page.get_by_role("heading", level=1, name="Sessions")).to_be_visible()

    await page.go_back()

    await expect(page.get_by_role("heading", level=1, name="Agents")).to_be_visible()


async def test_an_address_that_leads_nowhere_says_so(seeds: Seeds, visit: Visiting):
    visited = await visit(seeds)
    visited.expect("404 (Not Found)")

    page = await visited.open(f"/sessions/session_{'0' * 32}")

    await expect(page.get_by_role("main")).to_contain_text(re.compile("not found", re.IGNORECASE))


async def test_the_page_works_where_the_browser_forbids_its_storage(seeds: Seeds, visit: Visiting):
    await seeds.agent("talker", await seeds.model("plain"))
    visited = await visit(seeds)
    await visited.context.add_init_script(
        """for (const name of ["localStorage", "sessionStorage"])
          Object.defineProperty(window, name, {
            get() { throw new DOMException("denied", "SecurityError"); },
          });"""
    )

    page = await visited.open("/agents")

    await expect(page.get_by_role("main").get_by_text("talker").first).to_be_visible()
