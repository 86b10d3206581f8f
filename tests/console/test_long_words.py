"""Words that are longer than the window is wide are broken; the page does not scroll sideways."""

import pytest
from playwright.async_api import expect

from tests.console.conftest import Visiting
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORD = "W" * 300
NARROW = {"width": 320, "height": 800}
QUESTION = {"id": "q", "question": WORD, "options": [{"label": WORD}, {"label": "No"}]}


async def test_of_an_agent_that_asks(seeds: Seeds, visit: Visiting):
    call = {"name": "ask_user", "arguments": {"questions": [QUESTION]}}
    model = await seeds.model("asking", script=[{"tool_calls": [call]}, {"text": "Thanks."}])
    agent = await seeds.agent("asker", model, "ask_user", display_name=WORD)
    session_id = await seeds.session(agent, WORD)
    await seeds.say(session_id, "Hello")
    visited = await visit(seeds, viewport=NARROW)

    page = await visited.open(f"/sessions/{session_id}")

    await expect(page.get_by_role("link", name=WORD)).to_be_visible()
    await expect(page.get_by_role("radio").first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0


async def test_of_a_server_that_an_agent_can_use(seeds: Seeds, visit: Visiting):
    server = {"name": "tools", "url": "https://mcp.example/mcp", "description": WORD}
    await seeds.post("/v1/mcp-servers", server)
    visited = await visit(seeds, viewport=NARROW)

    page = await visited.open("/agents/new")

    await expect(page.get_by_text(WORD).first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
