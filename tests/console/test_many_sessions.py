"""Sessions side by side: nothing of one is seen in another, and many tabs stay alive."""

import pytest
from playwright.async_api import Page, expect

from tests.console.conftest import Visiting
from tests.console.screens import answers, conversation, say
from tests.console.seeds import Seeds
from tests.console.visits import hide, show

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A browser opens no more connections to one server than six.
TABS = 8
WORDS = 60
# Longer than the time after which a hidden page lets its connection go.
HIDDEN_FOR_MS = 60_000


async def test_sessions_that_both_stream_do_not_mix(seeds: Seeds, visit: Visiting):
    titles = ("alpha", "beta")
    ids: dict[str, str] = {}
    for title in titles:
        model = await seeds.model(title, reply=f"{title} " * WORDS, tokens_per_s=30)
        ids[title] = await seeds.session(await seeds.agent(title, model), title)
        await seeds.say(ids[title], f"Speak, {title}.")
    page = await (await visit(seeds)).open("/sessions")

    for title in (*titles, *titles):
        await (
            page.get_by_role("navigation", name="Console")
            .get_by_role("link", name="Sessions")
            .first.click()
        )
        await page.get_by_role("main").get_by_role("link", name=title).first.click()
        other = next(name for name in titles if name != title)
        await expect(answers(page)).to_contain_text(title)
        assert other not in await conversation(page).inner_text()

    for title in titles:
        await page.goto(f"/sessions/{ids[title]}")
        await expect(answers(page)).to_have_attribute("aria-busy", "false")
        shown = (await answers(page).inner_text()).split()
        assert shown.count(title) == WORDS
        assert len(await seeds.answers(ids[title])) == 1


async def test_eight_tabs_stay_alive(seeds: Seeds, visit: Visiting):
    agent = await seeds.agent("clerk", await seeds.model("plain"))
    visited = await visit(seeds)
    pages: list[Page] = []
    for number in range(TABS):
        session_id = await seeds.session(agent, f"Talk {number}")
        page = await visited.context.new_page()
        await page.clock.install()
        await page.goto(f"/sessions/{session_id}")
        await say(page, "Hello")
        await expect(answers(page)).to_have_count(1)
        await hide(page)
        await page.clock.fast_forward(HIDDEN_FOR_MS)
        await expect(page.get_by_role("main")).to_contain_text("paused")
        pages.append(page)

    for number, page in enumerate(pages):
        await show(page)
        await say(page, f"Message {number}")
        await expect(answers(page).last).to_contain_text(f"You said: Message {number}")
        await hide(page)
        await page.clock.fast_forward(HIDDEN_FOR_MS)
