"""Texts of megabytes: the page stays usable, and all of them can be had."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import CDPSession, Locator, Page, expect

from tests.console.conftest import Visiting
from tests.console.screens import answers, say
from tests.console.seeds import Seeds
from tests.console.visits import Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")

MIB = 1024 * 1024
SIZE = 5 * MIB
END = "\nthe end of it all"
TEXTS = {
    "one line without a space": "x" * SIZE,
    "one line of words": "word " * (SIZE // 5),
    "many lines": "a line of a log\n" * (SIZE // 16),
    "as many lines as can be": "a\n" * (SIZE // 2),
}
# What the page's main thread may compute for one step, whatever else the machine does.
STEP_CPU_S = 5.0
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
# How the row of the answer begins.
ANSWER = re.compile("^agent")
LINE_PX = 24
# Whether the line at the mark of a file is this one; where there is no text yet, it is not.
IS_MARKED = """([text, wanted]) => {
  const { top, bottom } = text.parentElement.lastElementChild.getBoundingClientRect();
  const { left } = text.getBoundingClientRect();
  const range = document.caretRangeFromPoint(left + 20, (top + bottom) / 2);
  const { data } = range?.startContainer ?? {};
  if (data === undefined) return false;
  const begin = data.lastIndexOf("\\n", range.startOffset - 1) + 1;
  return data.slice(begin).startsWith(wanted + "\\n");
}"""
# Whether the first line of a text that scrolls ends with these words, at the right of what is seen.
ENDS_AT_RIGHT = """([text, wanted]) => {
  const { right, top } = text.getBoundingClientRect();
  const range = document.caretRangeFromPoint(right - 12, top + 18);
  const { data } = range?.startContainer ?? {};
  if (data === undefined) return false;
  const end = data.indexOf("\\n");
  return data.slice(0, end).endsWith(wanted) && range.startOffset >= end - 2;
}"""
PX_ABOVE = """(name) =>
  name.getBoundingClientRect().top - name.parentElement.getBoundingClientRect().top"""
# Whether these words are seen at the bottom of the text of an answer.
TEXT_AT_BOTTOM = """(wanted) => {
  const text = document.querySelector("article[aria-label=Answer] pre");
  const { left, bottom } = text.getBoundingClientRect();
  const { data } = document.caretRangeFromPoint(left + 20, bottom - 20)?.startContainer ?? {};
  return data?.endsWith(wanted) ?? false;
}"""
EXTREMES = ("one line without a space", "as many lines as can be")
of_each_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
of_extreme_texts = pytest.mark.parametrize("text", [TEXTS[name] for name in EXTREMES], ids=EXTREMES)


class MainThread:
    """The main thread of a page, and the CPU time that it has used."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        self._page = page
        self._session = session

    @classmethod
    async def of(cls, page: Page) -> "MainThread":
        """Watch a page; what it did before is not counted."""
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable", {"timeDomain": "threadTicks"})
        return cls(page, session)

    async def used_s(self) -> float:
        """Return what it has used since the page was loaded, when all is drawn."""
        await self._page.evaluate(DRAWN)
        found = await self._session.send("Performance.getMetrics")
        return {one["name"]: one["value"] for one in found["metrics"]}["TaskDuration"]


async def opened(visited: Visit, path: str) -> tuple[Page, MainThread]:
    """Open a page at an address; return it with its main thread, watched from the beginning."""
    page = await visited.open("/settings")
    main_thread = await MainThread.of(page)
    await page.goto(path)
    return page, main_thread


async def imported(seeds: Seeds, *content: dict[str, Any]) -> str:
    """Import a session whose model said something; return its id."""
    await seeds.model("plain")
    lines = (
        {"role": "user", "content": [{"type": "text", "text": "Show me the log."}]},
        {"role": "agent", "content": content},
    )
    answer = await seeds.api.post(
        "/v1/sessions/import",
        params={"title": "A long log", "model_id": "plain/simulated-1"},
        content="\n".join(map(json.dumps, lines)),
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def uploaded(seeds: Seeds, text: str) -> str:
    """Put a text into the workspace of a new session as `/big.log`; return the session's id."""
    session = await seeds.post("/v1/sessions", {"title": "A long file"})
    await seeds.post(
        f"/v1/workspaces/{session['workspace_id']}/fs/big.log",
        {"content": text, "encoding": "text"},
    )
    return session["id"]


async def saved(page: Page, button: Locator) -> str:
    """Return the text that a button saves."""
    async with page.expect_download() as begun:
        await button.click()
    return text_of(await (await begun.value).path())


def text_of(path: Path) -> str:
    """Return the text of a file."""
    return path.read_text()


async def allowed_to_copy(visited: Visit) -> None:
    """Let pages read what they have copied."""
    await visited.context.grant_permissions(["clipboard-read", "clipboard-write"])


@of_each_text
async def test_a_conversation_with_a_text_of_5_mb_stays_usable(
    seeds: Seeds, visit: Visiting, text: str
):
    session_id = await imported(seeds, {"type": "text", "text": text + END})
    page, main_thread = await opened(await visit(seeds), f"/sessions/{session_id}")
    answer = answers(page).first
    await expect(answer.get_by_role("button", name="Show all")).to_be_visible()
    opened_s = await main_thread.used_s()
    assert opened_s < STEP_CPU_S

    await answer.get_by_role("button", name="Show all").click()
    await expect(answer.get_by_role("button", name="Show all")).to_have_count(0)
    assert await main_thread.used_s() - opened_s < STEP_CPU_S

    shown = await answer.locator("pre").evaluate("(all) => all.textContent")
    assert shown == text + END
    await say(page, "Still there?")
    await expect(answers(page)).to_have_count(2)


@of_extreme_texts
async def test_all_of_a_text_of_5_mb_can_be_copied_and_saved(
    seeds: Seeds, visit: Visiting, text: str
):
    session_id = await imported(seeds, {"type": "text", "text": text + END})
    visited = await visit(seeds)
    await allowed_to_copy(visited)
    page = await visited.open(f"/sessions/{session_id}")
    answer = answers(page).first

    await answer.get_by_role("button", name="Copy all").click()
    await expect(answer.get_by_role("button", name="Copied")).to_be_visible()

    assert await page.evaluate("() => navigator.clipboard.readText()") == text + END
    assert await saved(page, answer.get_by_role("button", name="Save as a file")) == text + END


async def test_the_end_key_leads_to_the_end_of_a_text_of_many_lines(seeds: Seeds, visit: Visiting):
    session_id = await imported(seeds, {"type": "text", "text": "a\n" * 200_000 + END})
    page = await (await visit(seeds)).open(f"/sessions/{session_id}")
    answer = answers(page).first
    await answer.get_by_role("button", name="Show all").click()
    await expect(answer.get_by_role("button", name="Show all")).to_have_count(0)

    await answer.locator("pre").press("End")

    await page.wait_for_function(TEXT_AT_BOTTOM, arg=END.strip())


@pytest.mark.parametrize(
    ("view", "row"), [("timeline", "Show me the log."), ("events", ANSWER), ("context", ANSWER)]
)
async def test_the_other_views_of_a_text_of_5_mb_stay_usable(
    seeds: Seeds, visit: Visiting, view: str, row: str | re.Pattern[str]
):
    session_id = await imported(seeds, {"type": "text", "text": TEXTS["as many lines as can be"]})

    address = f"/sessions/{session_id}?view={view}"
    page, main_thread = await opened(await visit(seeds), address)

    await expect(page.get_by_role("main").get_by_text(row).first).to_be_visible()
    assert await main_thread.used_s() < STEP_CPU_S


@of_extreme_texts
async def test_the_event_with_a_text_of_5_mb_can_be_read_and_copied(
    seeds: Seeds, visit: Visiting, text: str
):
    session_id = await imported(seeds, {"type": "text", "text": text})
    visited = await visit(seeds)
    await allowed_to_copy(visited)
    address = f"/sessions/{session_id}?view=events&type=message.created"
    page, main_thread = await opened(visited, address)
    await page.get_by_role("main").get_by_text("agent: ").click()
    event = page.get_by_role("region", name="Event", exact=False)
    while await event.get_by_role("button", name="Show all").count() == 0:
        await event.locator("[role=treeitem][aria-expanded=false] > *").first.click()
    opened_s = await main_thread.used_s()
    assert opened_s < STEP_CPU_S

    await event.get_by_role("button", name="Show all").click()
    await expect(event.get_by_role("button", name="Show all")).to_have_count(0)
    assert await main_thread.used_s() - opened_s < STEP_CPU_S

    await event.get_by_role("button", name="Copy JSON").click()
    await expect(event.get_by_role("button", name="Copied")).to_be_visible()
    copied = json.loads(await page.evaluate("() => navigator.clipboard.readText()"))
    assert copied["data"]["message"]["content"][0]["text"] == text


async def test_the_name_of_a_long_text_in_an_event_stays_at_its_beginning(
    seeds: Seeds, visit: Visiting
):
    session_id = await imported(seeds, {"type": "text", "text": "word " * 20_000})
    address = f"/sessions/{session_id}?view=events&type=message.created"
    page = await (await visit(seeds)).open(address)
    await page.get_by_role("main").get_by_text("agent: ").click()
    event = page.get_by_role("region", name="Event", exact=False)
    show_all = event.get_by_role("button", name="Show all")
    while await show_all.count() == 0:
        await event.locator("[role=treeitem][aria-expanded=false] > *").first.click()
    item = event.get_by_role("treeitem").filter(has=page.get_by_text("Show all")).last
    name = await item.get_by_text("text", exact=True).element_handle()

    await show_all.click()
    await expect(show_all).to_have_count(0)

    assert await name.evaluate(PX_ABOVE) < LINE_PX


@of_each_text
async def test_the_longest_file_that_a_workspace_takes_can_be_read_and_downloaded(
    seeds: Seeds, visit: Visiting, text: str
):
    content = text[:MIB]
    session_id = await uploaded(seeds, content)
    address = f"/sessions/{session_id}?view=files&file=/big.log"
    page, main_thread = await opened(await visit(seeds), address)
    file = page.get_by_role("article").filter(has_text="big.log")
    # The numbers of the lines and the lines.
    await expect(file.locator("pre")).to_have_count(2)

    assert await main_thread.used_s() < STEP_CPU_S
    assert await file.locator("pre").last.evaluate("(all) => all.textContent") == content
    assert await saved(page, file.get_by_role("button", name="Download")) == content


async def test_a_line_far_down_in_a_long_file_is_marked_where_it_is(seeds: Seeds, visit: Visiting):
    session_id = await uploaded(seeds, "".join(f"line {n}\n" for n in range(1, 50_001)))
    path = f"/sessions/{session_id}?view=files&file=/big.log&line=40000"
    page = await (await visit(seeds)).open(path)
    text = page.get_by_role("article").filter(has_text="big.log").locator("pre").last
    await expect(text).to_contain_text("line 40000")

    # It is scrolled to when the text has been drawn.
    pre = await text.element_handle()
    await page.wait_for_function(IS_MARKED, arg=[pre, "line 40000"])


@pytest.mark.parametrize("others", ["", "short\n" * 30_000], ids=["alone", "among many"])
async def test_a_long_line_of_a_file_can_be_scrolled_to_its_end(
    seeds: Seeds, visit: Visiting, others: str
):
    session_id = await uploaded(seeds, f"{'x' * 2_000}!\n{others}")
    page = await (await visit(seeds)).open(f"/sessions/{session_id}?view=files&file=/big.log")
    text = page.get_by_role("article").filter(has_text="big.log").locator("pre").last
    await expect(text).to_contain_text("x!")
    pre = await text.element_handle()

    await page.wait_for_function("(text) => text.scrollWidth > text.clientWidth", arg=pre)
    await text.evaluate("(text) => text.scrollTo({ left: text.scrollWidth })")

    await page.wait_for_function(ENDS_AT_RIGHT, arg=[pre, "!"])


async def test_a_file_of_too_many_lines_is_not_put_into_a_field(seeds: Seeds, visit: Visiting):
    session_id = await uploaded(seeds, TEXTS["as many lines as can be"][:MIB])

    page = await (await visit(seeds)).open(f"/sessions/{session_id}?view=files&file=/big.log")

    await expect(page.get_by_role("main")).to_contain_text("too many lines to edit here")
    await expect(page.get_by_role("button", name="Edit")).to_be_disabled()
