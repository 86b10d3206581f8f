"""A real browser that opens a page of ours and brings back what the page has found out."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

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
