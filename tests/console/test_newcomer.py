"""Somebody who opens the console of a new server."""

import pytest
from playwright.async_api import expect

from tests.console.conftest import Visiting
from tests.console.screens import answers, message_field, request, say, tool_call
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_newcomer_has_an_answer_after_a_click_and_a_message(seeds: Seeds, visit: Visiting):
    page = await (await visit(seeds)).open("/")

    await page.get_by_role("button", name="Start a session").click()
    await say(page, "Is anybody there?")

    await expect(answers(page)).to_contain_text("You said: Is anybody there?")
    # The page is that of the session, which can be opened again.
    await page.reload()
    await expect(answers(page)).to_contain_text("You said: Is anybody there?")
    await expect(message_field(page)).to_be_visible()


async def test_who_comes_back_finds_the_session(seeds: Seeds, visit: Visiting):
    agent = await seeds.agent("clerk", await seeds.model("plain"))
    await seeds.session(agent, "The invoices", "What is open?")
    page = await (await visit(seeds)).open("/")

    await page.get_by_role("main").get_by_role("link", name="The invoices").first.click()

    await expect(answers(page)).to_contain_text("You said: What is open?")


async def test_the_demonstration_shows_a_tool_a_question_and_an_approval(
    seeds: Seeds, visit: Visiting
):
    page = await (await visit(seeds)).open("/")

    await page.get_by_role("button", name="Start the demonstration").click()
    await say(page, "Show me.")
    await expect(tool_call(page, "get_weather")).to_contain_text("done")
    questions = page.get_by_role("form", name="Questions to you")
    await questions.get_by_role("radio", name="An approval recommended").check()
    await questions.get_by_role("button", name="Answer", exact=True).click()
    await request(page, "delete_file").get_by_role("button", name="Reject").click()

    await expect(answers(page).last).to_contain_text("That was a whole turn")
    await expect(tool_call(page, "delete_file")).to_contain_text("Rejected")
