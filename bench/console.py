"""Measures the console in a real browser: ``python -m bench.console``.

How large the built files are and how soon the start screen is seen; how long a long session takes
to open, and what the page's main thread does for each delta of an answer, in conversations of
different length. The model is simulated, and its server runs on
the same machine as the browser, so the cost of a delta is given as CPU time of the page's main
thread.
"""

import asyncio
import gzip
import json
import re
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from playwright.async_api import Browser, Locator, Page, expect

from bench.browser import browsing
from bench.server import running_server

BUILT = Path(__file__).parents[1] / "everruns" / "console"
STARTS = 5
# Without a value until the browser has noted it.
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
OFFERS = ("Start a session", "Start the demonstration")
LENGTHS = (10, 100, 1_000, 10_000)
ANSWER_WORDS = 400
WORDS_PER_S = 40
PATIENCE_MS = 120_000
# A session as imported has an event for each message, and one for the import.
LINES = (
    {"role": "user", "content": [{"type": "text", "text": "What is still open?"}]},
    {
        "role": "agent",
        "content": [{"type": "text", "text": "Three invoices: `A-7`, `A-9` and **B-2**.\n\n- x\n"}],
    },
)


async def main() -> None:
    """Measure, and print a line for the start and a row for each length."""
    with running_server(EVERRUNS_DASHBOARD="false") as server:
        async with (
            httpx.AsyncClient(base_url=server.address, timeout=60) as client,
            browsing() as browser,
        ):
            model = {"reply": "word " * ANSWER_WORDS, "tokens_per_s": WORDS_PER_S}
            provider = {"name": "talker", "provider_type": "simulated", "settings": model}
            (await client.post("/v1/llm-providers", json=provider)).raise_for_status()
            await _print_start(browser, server.address)
            print("| Messages | Opened | Main thread a delta | of it script | Heap |")
            print("|---|---|---|---|---|")
            for length in LENGTHS:
                session_id = await _import(client, length)
                opened_ms = await _opening_ms(browser, server.address, session_id)
                cost = await _cost(browser, server.address, session_id)
                print(
                    f"| {length:,} | {opened_ms:.0f} ms | {cost['task']:.2f} ms "
                    f"| {cost['script']:.2f} ms | {cost['heap']:.0f} MB |",
                    flush=True,
                )


def _built_sizes() -> tuple[int, int]:
    """Return the bytes that the page loads first, compressed, and those of all files."""
    page = (BUILT / "index.html").read_text()
    named = [BUILT / path for path in re.findall(r'(?:src|href)="/([^"]+)"', page)]
    first = [BUILT / "index.html", *(file for file in named if file.suffix in {".js", ".css"})]
    every = [file for file in BUILT.rglob("*") if file.is_file()]
    return (
        sum(len(gzip.compress(file.read_bytes(), mtime=0)) for file in first),
        sum(file.stat().st_size for file in every),
    )


async def _print_start(browser: Browser, address: str) -> None:
    """Print what is loaded first, and the medians of when the start screen is seen."""
    first, every = _built_sizes()
    print(f"Loaded first: {first / 1000:.0f} kB compressed; all files: {every / 1e6:.2f} MB")
    visits = [await _start_ms(browser, address) for _ in range(STARTS)]
    for place, files in enumerate(("nothing", "the page's files")):
        painted = median(visit[place][0] for visit in visits)
        filled = median(visit[place][1] for visit in visits)
        print(f"Start with {files} cached: {painted:.0f} ms to paint, {filled:.0f} ms to fill")


async def _start_ms(browser: Browser, address: str) -> list[tuple[float, float]]:
    """Return when the start screen is painted and filled, at a first visit and at the next."""
    found: list[tuple[float, float]] = []
    async with _page(browser, address) as page:
        for _ in range(2):
            began = time.perf_counter()
            await page.goto("/")
            # What a new server offers: its sessions, model and agents have been read by then.
            for offer in OFFERS:
                await expect(page.get_by_role("button", name=offer)).to_be_visible()
            filled_ms = (time.perf_counter() - began) * 1000
            painted = await page.wait_for_function(FIRST_PAINT)
            found.append((await painted.json_value(), filled_ms))
    return found


async def _import(client: httpx.AsyncClient, length: int) -> str:
    lines = "\n".join(json.dumps(LINES[number % 2]) for number in range(length))
    query = {"title": f"{length} messages", "model_id": "talker/simulated-1"}
    answer = await client.post("/v1/sessions/import", params=query, content=lines)
    answer.raise_for_status()
    return answer.json()["id"]


async def _opening_ms(browser: Browser, address: str, session_id: str) -> float:
    """Return after how long the end of a session is seen, once the page's files are cached."""
    async with _page(browser, address) as page:
        await page.goto("/agents")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        began = time.perf_counter()
        await page.goto(f"/sessions/{session_id}")
        await expect(_answers(page).last).to_be_visible()
        return (time.perf_counter() - began) * 1000


async def _cost(browser: Browser, address: str, session_id: str) -> Mapping[str, float]:
    """Return what the main thread does for each delta of an answer, and the heap afterwards."""
    async with _page(browser, address) as page:
        await page.goto(f"/sessions/{session_id}")
        shown = _answers(page)
        await expect(shown.last).to_be_visible()
        count = await shown.count()
        session = await page.context.new_cdp_session(page)
        # The thread's own time, whatever else the machine does.
        await session.send("Performance.enable", {"timeDomain": "threadTicks"})
        field = page.get_by_role("form", name="Message").get_by_role("textbox", name="Message")
        await field.fill("Speak.")
        before = _metrics(await session.send("Performance.getMetrics"))
        await field.press("Enter")
        await expect(shown).to_have_count(count + 1)
        await expect(shown.last).to_have_attribute("aria-busy", "false")
        after = _metrics(await session.send("Performance.getMetrics"))
        return {
            "task": (after["TaskDuration"] - before["TaskDuration"]) * 1000 / ANSWER_WORDS,
            "script": (after["ScriptDuration"] - before["ScriptDuration"]) * 1000 / ANSWER_WORDS,
            "heap": after["JSHeapUsedSize"] / 1e6,
        }


def _answers(page: Page) -> Locator:
    return page.get_by_role("region", name="Conversation").get_by_role("article", name="Answer")


def _metrics(found: Mapping[str, Any]) -> Mapping[str, float]:
    return {metric["name"]: metric["value"] for metric in found["metrics"]}


@asynccontextmanager
async def _page(browser: Browser, address: str) -> AsyncGenerator[Page]:
    context = await browser.new_context(base_url=address, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    yield await context.new_page()
    await context.close()


if __name__ == "__main__":
    expect.set_options(timeout=PATIENCE_MS)
    asyncio.run(main())
