"""Where things are on the console's screens, by what they are called."""

from playwright.async_api import Locator, Page


def conversation(page: Page) -> Locator:
    """What was said in the open session."""
    return page.get_by_role("region", name="Conversation")


def answers(page: Page) -> Locator:
    """The answers of the open session."""
    return conversation(page).get_by_role("article", name="Answer")


def message_field(page: Page) -> Locator:
    """Where messages are written."""
    return page.get_by_role("form", name="Message").get_by_role("textbox", name="Message")


def tool_call(page: Page, tool: str) -> Locator:
    """The cards of the calls of a tool."""
    return conversation(page).get_by_role("article", name=f"Tool call {tool}")


def request(page: Page, tool: str) -> Locator:
    """Where a held call of a tool is decided about."""
    return conversation(page).get_by_role("region", name=f"May {tool} run")


async def say(page: Page, words: str) -> None:
    """Write a message and send it."""
    await message_field(page).fill(words)
    await message_field(page).press("Enter")
