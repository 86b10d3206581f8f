"""Every screen, as axe sees it: WCAG 2.2 at AA, in both themes, also on a narrow window."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.console.conftest import SOURCE, Visiting
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = SOURCE / "console" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const found = await axe.run(document, { runOnly: { type: "tag", values: tags } });
  const words = ({ target, failureSummary }) => `${target} ${failureSummary}`;
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(words).join("; ")}`);
}"""
SCREENS = (
    "/",
    "/sessions",
    "/sessions/SESSION",
    "/sessions/SESSION?view=timeline",
    "/sessions/SESSION?view=events",
    "/sessions/SESSION?view=files",
    "/sessions/SESSION?view=context",
    "/sessions/WAITING",
    "/agents",
    "/agents/new",
    "/agents/AGENT",
    "/providers",
    "/capabilities",
    "/usage",
    "/cluster",
    "/sql",
    "/settings",
)
REPLY = (
    "# A plan\n\n1. Read `notes.md`\n\n```python\nprint(1)\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |"
)


@pytest.fixture(scope="module")
def axe() -> str:
    """The checks, as they are run in the page."""
    assert Path(AXE).is_file(), "axe-core is not installed. Run: make test"
    return AXE.read_text()


async def fill(seeds: Seeds) -> dict[str, str]:
    """Put something on every screen; return what stands for what in their addresses."""
    held = {"tool_calls": [{"name": "delete_file", "arguments": {"path": "/old.md"}}]}
    sums = {"tool_calls": [{"name": "add", "arguments": {"a": 19, "b": 23}}]}
    acting = await seeds.model("acting", script=[held, {"text": "Done."}])
    counting = await seeds.model("counting", script=[sums, {"text": REPLY}])
    agent = await seeds.agent("clerk", counting, "test_math", "session_file_system")
    guarded = await seeds.agent("janitor", acting, "session_file_system", "tool_approval")
    session = await seeds.session(agent, "The invoices", "What is open?")
    waiting = await seeds.session(guarded, "Tidying up")
    await seeds.say(waiting, "Tidy up.")
    await seeds.until(waiting, "waitingfortoolresults")
    return {"SESSION": session, "AGENT": agent, "WAITING": waiting}


@pytest.mark.parametrize(
    ("theme", "width"),
    [
        ("light", 1280),
        ("dark", 320),
        pytest.param("light", 320, marks=pytest.mark.long),
        pytest.param("dark", 1280, marks=pytest.mark.long),
    ],
)
async def test_no_screen_has_barriers(
    seeds: Seeds, visit: Visiting, axe: str, theme: str, width: int
):
    names = await fill(seeds)
    visited = await visit(seeds, color_scheme=theme, viewport={"width": width, "height": 800})
    page = await visited.open("/")
    violations: list[str] = []
    for screen in SCREENS:
        path = screen
        for name, found in names.items():
            path = path.replace(name, found)
        await page.goto(path)
        await expect(page.get_by_role("heading", level=1), screen).to_be_visible()
        await expect(page.get_by_role("status", name="Loading"), screen).to_have_count(0)
        await page.evaluate(axe)
        violations += [f"{screen} {words}" for words in await page.evaluate(RUN)]
        wider = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wider > 0:
            violations.append(f"{screen} is {wider} pixels wider than the window")
    assert not violations, "\n".join(violations)
