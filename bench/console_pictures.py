"""Takes the pictures of the console for the documentation.

``python -m bench.console_pictures FOLDER`` starts a server, puts sessions into it as an office
would have them, and photographs the screens in both themes.
"""

import asyncio
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from PIL import Image
from playwright.async_api import Browser, expect

from bench.agents import make_agent, post
from bench.browser import browsing
from bench.server import running_server

SIZE = {"width": 1280, "height": 800}
THEMES = ("light", "dark")
# Few colours make small files, and the screens have few.
COLOURS = 128
SETTLED_MS = 1_500
PATIENCE_MS = 60_000
PRICE = {"input": 2.5, "output": 10.0}
SCREENS = {
    "sessions": "/sessions",
    "session": "/sessions/{refund}",
    "timeline": "/sessions/{refund}?view=timeline",
    "agent": "/agents/{support}",
    "usage": "/usage",
    "cluster": "/cluster",
}
FOUND = """The parcel was **returned to us** on 24 November, so the customer is right.

| Order | Paid | Sent | Returned |
|---|---|---|---|
| 4711 | €89.00 | 17 Nov | 24 Nov |

I will write a note for the accounts and ask for the refund:

```python
refund = min(order.paid, order.goods)  # shipping is not refunded
```"""
SCRIPTS: Mapping[str, Mapping[str, Any]] = {
    "support": {
        "tokens_per_s": 90,
        "first_token_ms": 350,
        "script": [
            {
                "reasoning": "The customer says that it came back. The order will tell.",
                "tool_calls": [{"name": "add", "arguments": {"a": 84, "b": 5}}],
            },
            {
                "text": FOUND,
                "tool_calls": [
                    {
                        "name": "write_file",
                        "arguments": {"path": "/notes/4711.md", "content": "Refund EUR 84.00"},
                    }
                ],
            },
            {
                "tool_calls": [
                    {"name": "delete_file", "arguments": {"path": "/holds/order-4711.json"}}
                ]
            },
            {"text": "The refund is on its way."},
        ],
    },
    "writer": {"tokens_per_s": 120, "first_token_ms": 250, "tokens": 180},
    "analyst": {
        "tokens_per_s": 150,
        "first_token_ms": 400,
        "script": [
            {"tool_calls": [{"name": "multiply", "arguments": {"a": 1284, "b": 12}}]},
            {"text": "At this rate, 15,408 orders a year."},
        ],
    },
    "hesitant": {"fail": {"code": "PROVIDER_REJECTED"}},
}
CAPABILITIES: Mapping[str, list[object]] = {
    "support": ["session_file_system", "tool_approval", "test_math", "ask_user"],
    "writer": ["current_time"],
    "analyst": ["test_math"],
    "hesitant": [],
}
TALKS = (
    ("analyst", "Orders in a year", "How many orders will we have at 1,284 a month?"),
    ("writer", "Release notes", "Draft the notes for Thursday's release."),
    ("writer", "Reply to the printer's offer", "Say politely that we have chosen another."),
    ("analyst", "Returns by month", "Are returns growing?"),
    ("hesitant", "Translation of the terms", "Translate the terms into Danish."),
    ("writer", "Agenda for Monday", "Write an agenda from last week's notes."),
    ("analyst", "Shipping costs", "What did we pay for shipping?"),
)


async def main(folder: Path) -> None:
    """Take the pictures."""
    with (
        # The default data directory, so that commands need no flag for it.
        TemporaryDirectory() as home,
        running_server(HOME=home, EVERRUNS_DATA_DIR=f"{home}/.everruns") as server,
    ):
        async with (
            httpx.AsyncClient(base_url=server.address, timeout=60) as client,
            browsing() as browser,
        ):
            ids = await _furnish(client)
            for theme in THEMES:
                await _photograph(browser, server.address, ids, theme, folder)


async def _furnish(client: httpx.AsyncClient) -> Mapping[str, str]:
    """Fill the server; return the ids that stand in addresses."""
    ids: dict[str, str] = {}
    for name, settings in SCRIPTS.items():
        ids[name] = await make_agent(
            client,
            f"house-{name}",
            settings,
            PRICE,
            name=name,
            description=f"The {name} of the office.",
            system_prompt="You work for a shop that sells lamps.\n\nBe brief and exact.",
            capabilities=CAPABILITIES[name],
        )
    for name, title, words in TALKS:
        await _talk(client, ids[name], title, words)
    ids["refund"] = await _talk(
        client, ids["support"], "Refund of order 4711", "The lamp came back. Refund order 4711."
    )
    return ids


async def _talk(client: httpx.AsyncClient, agent_id: str, title: str, words: str) -> str:
    path = f"/v1/agents/{agent_id}/sessions"
    session_id = (await post(client, path, {"title": title}))["id"]
    await post(client, f"/v1/sessions/{session_id}/messages", {"content": words})
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while (await client.get(f"/v1/sessions/{session_id}")).json()["status"] == "active":
            await asyncio.sleep(0.1)
    return session_id


async def _photograph(
    browser: Browser, address: str, ids: Mapping[str, str], theme: str, folder: Path
) -> None:
    context = await browser.new_context(
        base_url=address,
        viewport={"width": SIZE["width"], "height": SIZE["height"]},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
        locale="en-GB",
    )
    page = await context.new_page()
    for name, path in SCREENS.items():
        await page.goto(path.format_map(ids))
        await expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=PATIENCE_MS)
        loading = page.get_by_role("status", name="Loading")
        await expect(loading).to_have_count(0, timeout=PATIENCE_MS)
        # What a process uses is known at the second look.
        unknown = page.get_by_title("Of one CPU").filter(has_not_text="%")
        await expect(unknown).to_have_count(0, timeout=PATIENCE_MS)
        # Charts and lists draw themselves after their data has come.
        await page.wait_for_timeout(SETTLED_MS)
        suffix = "" if theme == "light" else f"-{theme}"
        _save(await page.screenshot(), folder / f"console-{name}{suffix}.png")
    await context.close()


def _save(picture: bytes, file: Path) -> None:
    quantized = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS)
    quantized.save(file, optimize=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path()))
