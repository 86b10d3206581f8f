"""Keys that work everywhere, and the field in which one types where to go."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.console.conftest import Visiting
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def opened(page: Page, name: str) -> None:
    await expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


async def look_for(page: Page, words: str) -> None:
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox", name="Search and commands")).to_be_focused()
    await page.keyboard.type(words)


async def test_two_keys_lead_to_a_screen_unless_somebody_types(seeds: Seeds, visit: Visiting):
    page = await (await visit(seeds)).open("/agents")
    await opened(page, "Agents")

    await page.keyboard.press("g")
    await page.keyboard.press("s")
    await opened(page, "Sessions")
    await page.keyboard.press("/")
    await page.keyboard.type("ga")

    await expect(page.get_by_role("searchbox")).to_have_value("ga")
    await opened(page, "Sessions")


async def test_the_palette_finds_screens_and_sessions(seeds: Seeds, visit: Visiting):
    agent = await seeds.agent("clerk", await seeds.model("plain"))
    session_id = await seeds.session(agent, "The invoices of May", "Hello")
    page = await (await visit(seeds)).open("/")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()

    await look_for(page, "usa")
    await page.keyboard.press("Enter")
    await opened(page, "Usage")
    await look_for(page, "invoices of")
    await page.get_by_role("option", name="The invoices of May").click()

    await expect(page).to_have_url(re.compile(session_id))


async def test_a_question_mark_shows_all_keys_and_escape_closes_them(seeds: Seeds, visit: Visiting):
    page = await (await visit(seeds)).open("/agents")
    await opened(page, "Agents")

    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Allow or reject")
    await page.keyboard.press("Escape")

    await expect(page.get_by_role("dialog")).to_have_count(0)
