"""What the page does when its server cannot be reached, and when it can again."""

import pytest
from playwright.async_api import expect

from tests.console.conftest import Visiting
from tests.console.screens import answers, say
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOST = ("net::ERR_INTERNET_DISCONNECTED", "ERR_NETWORK_CHANGED", "Failed to load resource")


async def test_a_message_of_a_lost_connection_is_sent_once_and_its_answer_arrives(
    seeds: Seeds, visit: Visiting
):
    session_id = await seeds.session(await seeds.agent("clerk", await seeds.model("plain")))
    visited = await visit(seeds)
    visited.expect(*LOST)
    page = await visited.open(f"/sessions/{session_id}")
    await say(page, "Before")
    await expect(answers(page)).to_have_count(1)

    await visited.context.set_offline(True)
    await seeds.say(session_id, "Said elsewhere meanwhile")
    await seeds.until(session_id, "idle")
    await visited.context.set_offline(False)

    await expect(answers(page)).to_have_count(2)
    await expect(answers(page).last).to_contain_text("You said: Said elsewhere meanwhile")
    await say(page, "After")
    await expect(answers(page).last).to_contain_text("You said: After")
    assert len(await seeds.answers(session_id)) == 3


async def test_a_session_that_is_deleted_elsewhere_says_so(seeds: Seeds, visit: Visiting):
    session_id = await seeds.session(await seeds.agent("clerk", await seeds.model("plain")))
    visited = await visit(seeds)
    visited.expect("404 (Not Found)")
    page = await visited.open(f"/sessions/{session_id}")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()

    await seeds.api.delete(f"/v1/sessions/{session_id}")

    await expect(page.get_by_role("main")).to_contain_text("ended")
