"""The main journey with a keyboard alone."""

import pytest
from playwright.async_api import Page, expect

from tests.console.conftest import Visiting
from tests.console.screens import answers, message_field, request, tool_call
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAX_STOPS = 60
FOCUSED = "document.activeElement?.matches(':focus-visible') ?? false"


async def go_to(page: Page, role: str, name: str) -> None:
    """Press Tab until something has the focus, which must be seen to have it."""
    wanted = page.get_by_role(role, name=name).first
    await expect(wanted).to_be_visible()
    for _ in range(MAX_STOPS):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("element => element === document.activeElement"):
            assert await page.evaluate(FOCUSED)
            return
    raise AssertionError(f"Tab does not lead to the {role} {name}")


async def test_a_session_is_begun_and_a_held_call_allowed_without_a_mouse(
    seeds: Seeds, visit: Visiting
):
    held = {"tool_calls": [{"name": "delete_file", "arguments": {"path": "/old.md"}}]}
    model = await seeds.model("acting", script=[held, {"text": "That is done."}])
    agent = await seeds.agent("janitor", model, "session_file_system", "tool_approval")
    session_id = await seeds.session(agent, "Tidying up")
    page = await (await visit(seeds)).open("/")

    await go_to(page, "link", "Sessions")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1, name="Sessions")).to_be_visible()
    await go_to(page, "link", "Tidying up")
    await page.keyboard.press("Enter")
    await expect(message_field(page)).to_be_visible()
    await go_to(page, "textbox", "Message")
    await page.keyboard.type("Tidy up.")
    await page.keyboard.press("Enter")
    await expect(request(page, "delete_file")).to_be_visible()
    # Backwards: the conversation stands before the field.
    for _ in range(MAX_STOPS):
        await page.keyboard.press("Shift+Tab")
        if await request(page, "delete_file").evaluate("one => one === document.activeElement"):
            break
    await page.keyboard.press("a")

    await expect(answers(page).filter(has_text="That is done.")).to_be_visible()
    await expect(tool_call(page, "delete_file")).to_contain_text("Allowed")
    assert page.url.endswith(session_id)


async def test_a_newcomer_needs_no_mouse(seeds: Seeds, visit: Visiting):
    page = await (await visit(seeds)).open("/")

    await go_to(page, "button", "Start a session")
    await page.keyboard.press("Enter")
    await expect(message_field(page)).to_be_visible()
    await go_to(page, "textbox", "Message")
    await page.keyboard.type("Hello")
    await page.keyboard.press("Enter")

    await expect(answers(page)).to_contain_text("You said: Hello")


async def test_a_screen_begins_at_its_content(seeds: Seeds, visit: Visiting):
    page = await (await visit(seeds)).open("/agents")
    await expect(page.get_by_role("heading", level=1, name="Agents")).to_be_visible()
    await expect(page.get_by_role("main")).to_be_focused()

    places = page.get_by_role("navigation", name="Console")
    await places.get_by_role("link", name="Sessions").first.press("Enter")

    await expect(page.get_by_role("heading", level=1, name="Sessions")).to_be_visible()
    await expect(page.get_by_role("main")).to_be_focused()
    # The way around the places is there for who comes from above.
    await page.get_by_role("link", name="Skip to content").press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()
