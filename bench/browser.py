"""The browser that measurements and pictures use."""

import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_browser() -> str:
    """Return the browser to run.

    Raises:
        RuntimeError: This machine has none.
    """
    named = os.environ.get("EVERRUNS_CHROMIUM")
    found = next(filter(None, map(shutil.which, [named] if named else BROWSERS)), None)
    if found is None:
        raise RuntimeError(
            "No browser was found. Install chromium-headless-shell, or name yours in "
            "EVERRUNS_CHROMIUM."
        )
    return found


@asynccontextmanager
async def browsing() -> AsyncGenerator[Browser]:
    """Start a browser and close it afterwards.

    Raises:
        RuntimeError: This machine has none.
    """
    found = find_browser()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        await browser.close()
