"""A key that is revoked while the page is open: another is asked for at once, nothing is lost."""

import re
from dataclasses import dataclass

import pytest
from playwright.async_api import Locator, Page, expect

from tests.console.admission import REFUSED, add_key, enter, offer
from tests.console.conftest import Serving, Visiting
from tests.console.screens import answers, message_field
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass(frozen=True)
class Guarded:
    """A server that needs a key, a key that it admits, and how to add and revoke keys."""

    seeds: Seeds
    key_id: str
    secret: str

    async def revoke(self) -> str:
        """Revoke the key; return the secret of another one."""
        _, secret = await add_key(self.seeds)
        self.seeds.api.headers["authorization"] = f"Bearer {secret}"
        response = await self.seeds.api.delete(f"/v1/api-keys/{self.key_id}")
        assert response.status_code == 204, response.text
        return secret


async def guarded(serve: Serving) -> Guarded:
    seeds = await serve(auth="api_keys")
    key_id, secret = await add_key(seeds)
    seeds.api.headers["authorization"] = f"Bearer {secret}"
    return Guarded(seeds, key_id, secret)


def form(page: Page) -> Locator:
    return page.get_by_role("dialog", name="An API key is needed")


async def test_a_stream_that_is_refused_asks_for_a_key_and_then_goes_on(
    serve: Serving, visit: Visiting
):
    server = await guarded(serve)
    agent = await server.seeds.agent("clerk", await server.seeds.model("plain", reply="Hello."))
    session_id = await server.seeds.session(agent, "A talk", "Good morning")
    visited = await visit(server.seeds)
    visited.expect(REFUSED)
    page = await visited.open(f"/sessions/{session_id}")
    await enter(page, server.secret)
    await expect(answers(page)).to_have_count(1)
    await message_field(page).fill("Half a sentence")

    secret = await server.revoke()

    await expect(form(page)).to_be_visible()
    await offer(page, "evr_wrong")
    await expect(form(page).get_by_role("alert")).to_contain_text("refused")
    await enter(page, secret)
    await expect(message_field(page)).to_have_value("Half a sentence")
    await message_field(page).press("Enter")
    await expect(answers(page)).to_have_count(2)


async def test_a_request_that_is_refused_asks_for_a_key_where_the_page_is(
    serve: Serving, visit: Visiting
):
    server = await guarded(serve)
    visited = await visit(server.seeds)
    visited.expect(REFUSED)
    page = await visited.open("/agents/new")
    await enter(page, server.secret)
    await page.get_by_label("Name", exact=True).fill("clerk")
    await page.get_by_label("System prompt").fill("You are a careful clerk.")
    secret = await server.revoke()

    await page.get_by_role("button", name="Create agent").click()

    await expect(form(page)).to_be_visible()
    await enter(page, secret)
    await expect(page).to_have_url(re.compile("/agents/new"))
    await expect(page.get_by_label("Name", exact=True)).to_have_value("clerk")
