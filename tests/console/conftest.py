"""The built console in a real browser, over the API in this process.

One browser serves all tests of a process; each test has a context of its own and, unless it says
what it expects, must leave no error in the browser's console, break no rule of the page's policy
and send no request anywhere but to its server.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from everruns.storage.memory.store import MemoryStore
from tests.api.conftest import serving
from tests.chromium import FLAGS, find_chromium
from tests.console.seeds import Seeds
from tests.console.visits import PATIENCE_MS, Visit

SOURCE = Path(__file__).parents[2]
BUILT = SOURCE / "everruns" / "console"
# Playwright gives these itself.
OWN_FLAGS = ("--headless", "--remote-debugging-port=0")

# Nothing leaves the machine even if a page tries; that it tried is a fault. Intercepting requests
# would switch off the browser's cache and cost this process time for each.
NOWHERE_ELSE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"

expect.set_options(timeout=PATIENCE_MS)


class Visiting(Protocol):
    """Opens a context of the browser at a server, with options of Playwright's contexts."""

    async def __call__(self, seeds: Seeds, **options: Any) -> Visit: ...


class Serving(Protocol):
    """Starts a server with settings of its own."""

    async def __call__(self, **changes: Any) -> Seeds: ...


@pytest.fixture(scope="session", autouse=True)
def console_is_built() -> None:
    """The tests see what users see: what was built from the source as it is."""
    page = BUILT / "index.html"
    console = SOURCE / "console"
    files = [*console.glob("src/**/*.*"), *console.glob("*.ts"), *console.glob("*.html")]
    newest = max(file.stat().st_mtime for file in files if file.name != "schema.ts")
    if not page.is_file() or page.stat().st_mtime < newest:
        pytest.fail("The console is not built, or it is older than its source. Run: make console")


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A browser for all tests of a process, which resolves no host but this machine."""
    async with async_playwright() as playwright:
        flags = [NOWHERE_ELSE, *(flag for flag in FLAGS if flag not in OWN_FLAGS)]
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def serve(tmp_path: Path) -> AsyncIterator[Serving]:
    """Starts servers."""
    async with AsyncExitStack() as opened:

        async def start(**changes: Any) -> Seeds:
            settings = Settings(data_dir=tmp_path, log_requests=False, **changes)
            runtime = LocalRuntime(MemoryStore(), settings, load_capabilities())
            await runtime.start()
            opened.push_async_callback(runtime.close)
            # As the registry of a new server does.
            await runtime.registry.seed_demonstration()
            app = create_app(runtime, settings, load_capabilities())
            url = await opened.enter_async_context(serving(app))
            return await opened.enter_async_context(Seeds(url, runtime))

        yield start


@pytest_asyncio.fixture(loop_scope="session")
async def seeds(serve: Serving) -> Seeds:
    """A server that holds nothing yet, and how to put things into it."""
    return await serve()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser) -> AsyncIterator[Visiting]:
    """Opens browser contexts, whose visits are checked when the test has passed."""
    visits: list[Visit] = []

    async def open_context(seeds: Seeds, **options: Any) -> Visit:
        found = await Visit.begin(browser, seeds.url, **options)
        visits.append(found)
        return found

    yield open_context
    faults = [fault for one in visits for fault in one.faults]
    for one in visits:
        await one.end()
    assert faults == []
