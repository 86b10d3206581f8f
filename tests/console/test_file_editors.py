"""Two people edit one file."""

import pytest
from playwright.async_api import Page, expect

from tests.console.conftest import Visiting
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The browser notes in its console that a request was refused.
REFUSED = "412 (Precondition Failed)"


async def edit(page: Page, text: str) -> None:
    await page.get_by_role("button", name="Edit", exact=True).click()
    await page.get_by_label("Text of /plan.md").fill(text)


async def test_the_second_who_saves_sees_what_the_first_has_saved(seeds: Seeds, visit: Visiting):
    session_id = await seeds.session(await seeds.agent("clerk", await seeds.model("plain")))
    workspace = (await seeds.get(f"/v1/sessions/{session_id}"))["workspace_id"]
    plan = f"/v1/workspaces/{workspace}/fs/plan.md"
    await seeds.post(plan, {"content": "rest"})
    visited = await visit(seeds)
    visited.expect(REFUSED)
    address = f"/sessions/{session_id}?view=files&file=/plan.md"
    first, second = await visited.open(address), await visited.open(address)
    await edit(first, "walk")
    await edit(second, "swim")

    await first.get_by_role("button", name="Save", exact=True).click()
    await expect(first.get_by_role("main")).to_contain_text("walk")
    await second.get_by_role("button", name="Save", exact=True).click()

    await expect(second.get_by_role("alert")).to_contain_text("was changed since you opened it")
    # Only the words are read out: not the text of the other one, nor what its buttons become.
    await expect(second.get_by_role("alert").get_by_role("button")).to_have_count(0)
    await second.get_by_text("Its current content").click()
    await expect(second.get_by_role("main")).to_contain_text("walk")
    assert (await seeds.get(plan))["content"] == "walk"
    await second.get_by_role("button", name="Replace it with mine").click()
    await expect(second.get_by_role("button", name="Edit", exact=True)).to_be_visible()
    assert (await seeds.get(plan))["content"] == "swim"
