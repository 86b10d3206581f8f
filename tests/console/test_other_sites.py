"""What pages of other sites can do with the console: lead to it, and nothing else."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.api.conftest import listening
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def show(_request: Request) -> HTMLResponse:
    return HTMLResponse("<!doctype html><title>Elsewhere</title>")


@pytest_asyncio.fixture(loop_scope="session")
async def elsewhere(browser: Browser) -> AsyncIterator[Page]:
    """A page of another site."""
    async with listening(Starlette(routes=[Route("/", show)])) as url:
        # Another name of this machine is another site.
        page = await browser.new_page()
        await page.goto(url.replace("127.0.0.1", "localhost"))
        yield page
        await page.context.close()


async def test_a_link_leads_to_the_console(seeds: Seeds, elsewhere: Page):
    await elsewhere.evaluate(
        "to => { document.body.innerHTML = `<a href='${to}'>there</a>` }", f"{seeds.url}/sessions"
    )

    await elsewhere.get_by_role("link").click()

    await expect(elsewhere.get_by_role("heading", level=1, name="Sessions")).to_be_visible()


async def test_the_console_is_not_framed(seeds: Seeds, elsewhere: Page):
    refused = await elsewhere.evaluate(
        """to => new Promise((resolve) => {
          const frame = document.createElement("iframe");
          frame.onload = () => resolve(frame.contentDocument === null);
          frame.src = to;
          document.body.append(frame);
        })""",
        f"{seeds.url}/sessions",
    )

    assert refused
    frame = elsewhere.frames[-1]
    assert await frame.locator("main").count() == 0


@pytest.mark.parametrize("path", ["/", "/v1/agents", "/assets/"])
async def test_nothing_of_it_is_read(seeds: Seeds, elsewhere: Page, path: str):
    read = await elsewhere.evaluate(
        "from => fetch(from).then((answer) => answer.text(), () => 'refused')", f"{seeds.url}{path}"
    )

    assert read == "refused"


async def test_nothing_is_changed_from_there(seeds: Seeds, elsewhere: Page):
    body = '{"name": "stolen", "provider_type": "simulated"}'
    await elsewhere.evaluate(
        """async ([to, body]) => {
          await fetch(to, { method: "POST", mode: "no-cors", body }).catch(() => null);
        }""",
        [f"{seeds.url}/v1/llm-providers", body],
    )

    names = [each["name"] for each in (await seeds.get("/v1/llm-providers"))["data"]]
    assert "stolen" not in names


async def test_a_window_that_was_opened_cannot_be_reached(seeds: Seeds, elsewhere: Page):
    async with elsewhere.context.expect_page() as opened:
        await elsewhere.evaluate("to => { window.there = window.open(to) }", f"{seeds.url}/")
    console = await opened.value
    await expect(console.get_by_role("heading", level=1)).to_be_visible()

    assert await console.evaluate("window.opener") is None
    assert await elsewhere.evaluate("window.there.closed")
