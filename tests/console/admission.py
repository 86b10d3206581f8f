"""API keys for a console whose server requires one."""

from playwright.async_api import Page, expect

from everruns.domain.keys import new_api_key
from tests.console.seeds import Seeds

REFUSED = "401 (Unauthorized)"
"""What the browser notes in its console when a request is refused."""


async def add_key(seeds: Seeds) -> tuple[str, str]:
    """Make an API key without limits; return its id and its secret."""
    key, secret = new_api_key("console")
    assert seeds.runtime is not None
    await seeds.runtime.registry.keys.add(key)
    return key.id, secret


async def offer(page: Page, secret: str) -> None:
    """Give a key to the page that asks for one."""
    await page.get_by_label("API key", exact=True).fill(secret)
    await page.get_by_role("button", name="Continue").click()


async def enter(page: Page, secret: str) -> None:
    """Give the page a key that the server accepts."""
    await offer(page, secret)
    await expect(page.get_by_label("API key", exact=True)).to_have_count(0)
