"""A real browser that opens a page of ours and brings back what the page has found out."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# A debugging port keeps it running when the page has been loaded.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
# Starting a browser takes its time on a busy machine.
PATIENCE_S = 60.0


def find_chromium() -> str:
    """Return the browser to run; the test fails where there is none."""
    named = os.environ.get("EVERRUNS_CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail(
            f"There is no {named or 'Chromium'} on this machine. Install one (Debian and Ubuntu: "
            "apt-get install chromium-headless-shell, or chromium), or name yours in the variable "
            "EVERRUNS_CHROMIUM."
        )
    return found


PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<body></body>
<script type="module">
const report = (value) => fetch("/report", {method: "POST", body: JSON.stringify(value)});
try { SCRIPT } catch (error) { report({failed: String(error)}); }
</script>
"""


class Site(Starlette):
    """A web site of one page.

    Attributes:
        script: What the page does. It ends with ``report(…)``, which brings a value to the test.
        report: That value.
    """

    def __init__(self) -> None:
        super().__init__(
            routes=[Route("/", self._show), Route("/report", self._take, methods=["POST"])]
        )
        self.script = ""
        self.report: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def _show(self, _request: Request) -> Response:
        return HTMLResponse(PAGE.replace("SCRIPT", self.script))

    async def _take(self, request: Request) -> Response:
        if not self.report.done():
            self.report.set_result(await request.json())
        return Response(status_code=204)

    async def visited(self, url: str, profile: Path, *flags: str) -> Any:
        """Open the page in a browser and return what it reports."""
        async with browsing(url, profile, *flags), asyncio.timeout(PATIENCE_S):
            return await self.report


@asynccontextmanager
async def browsing(url: str, profile: Path, *flags: str) -> AsyncIterator[None]:
    """Open a page in a browser of its own."""
    process = await asyncio.create_subprocess_exec(
        find_chromium(),
        *FLAGS,
        f"--user-data-dir={profile}",
        *flags,
        url,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


class Page:
    """A page that is open in a browser, over the Chrome DevTools Protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)

    async def evaluate(self, expression: str) -> Any:
        """Evaluate JavaScript in the page, awaiting promises; return its value as JSON.

        Raises:
            RuntimeError: The page raised an error.
        """
        wanted = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        async with asyncio.timeout(PATIENCE_S):
            # While the page is being loaded, what was asked before it is lost.
            while "result" not in (answer := await self._call("Runtime.evaluate", wanted)):
                await asyncio.sleep(0.05)
        if failed := answer["result"].get("exceptionDetails"):
            raise RuntimeError(failed["exception"].get("description", failed["text"]))
        return answer["result"]["result"].get("value")

    async def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == number:
                return answer


@asynccontextmanager
async def open_page(url: str, profile: Path, *flags: str) -> AsyncIterator[Page]:
    """Open a page in a browser of its own, to be driven."""
    async with browsing(url, profile, *flags), aiohttp.ClientSession() as client:
        async with asyncio.timeout(PATIENCE_S):
            address = await _page_address(client, profile)
        async with client.ws_connect(address, max_msg_size=0) as socket:
            page = Page(socket)
            async with asyncio.timeout(PATIENCE_S):
                # A new page is blank, and complete, until it has been navigated.
                while not await page.evaluate(
                    "location.href !== 'about:blank' && document.readyState === 'complete'"
                ):
                    await asyncio.sleep(0.05)
            yield page


async def _page_address(client: aiohttp.ClientSession, profile: Path) -> str:
    """Return where the first page of a browser takes commands, once it is open."""
    port_file = profile / "DevToolsActivePort"
    while True:
        # The browser writes the port into its profile when it listens.
        if port_file.exists() and (lines := port_file.read_text().splitlines()):
            async with client.get(f"http://127.0.0.1:{lines[0]}/json/list") as listed:
                pages = [page for page in await listed.json() if page["type"] == "page"]
            if pages and pages[0]["url"] != "about:blank":
                return pages[0]["webSocketDebuggerUrl"]
        await asyncio.sleep(0.05)
