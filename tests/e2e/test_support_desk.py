"""The example of a whole application, through restarts and a crash, in a real browser."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from actors.clusters.ports import free_port
from bench.server import Server
from tests.chromium import Page, open_page
from tests.e2e.command_line import create_key
from tests.faults.processes import Role, in_role, kill
from tests.servers import small_server
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
PASSWORD = "let-me-in"
PATIENCE_S = 60.0
COMPLAINT = "My lamp of order 1042 arrived broken."
SAID = [
    COMPLAINT,
    "I am sorry to hear that. Let me look at your order.",
    "A colleague has to allow the refund. I will tell you as soon as it is done.",
]
HELD = [*SAID, "Waiting for a colleague"]
DONE = [
    *SAID,
    "A colleague said yes",
    "It is done: you get 49.00 back for the lamp. Is there anything else?",
]
LINES = "[...document.querySelectorAll('#chat p')].map((line) => line.textContent)"


class Desk:
    """The desk's backend, in a process of its own, and the shop that it keeps."""

    def __init__(self, folder: Path, server: str, api_key: str, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._shop = folder / "shop.sqlite"
        self._environment = {
            **os.environ,
            "EVERRUNS_API_URL": server,
            "EVERRUNS_API_KEY": api_key,
            "DESK_DATA": str(folder / "desk"),
            "DESK_SHOP": str(self._shop),
            "DESK_PORT": str(port),
            "DESK_OPERATOR_PASSWORD": PASSWORD,
        }

    @contextmanager
    def running(self) -> Iterator[psutil.Process]:
        """Run it as its command does, until the block ends or it is killed."""
        command = [sys.executable, "-m", "examples.support_desk"]
        with subprocess.Popen(command, cwd=ROOT, env=self._environment) as child:
            try:
                yield psutil.Process(child.pid)
            finally:
                child.kill()

    async def asked(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send an operator's request, again until the backend is up."""
        async with httpx.AsyncClient(base_url=self.address, auth=("grace", PASSWORD)) as client:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    try:
                        return await client.request(method, path, **request)
                    except httpx.TransportError:
                        await asyncio.sleep(0.1)

    async def held(self) -> list[dict[str, Any]]:
        """Return the calls that wait for an operator, once there are any."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := (await self.asked("GET", "/operator/approvals")).json()):
                await asyncio.sleep(0.1)
        return found

    def refunds(self) -> list[tuple[str, int]]:
        """Return the refunds that were made, by order and cents."""
        with closing(sqlite3.connect(self._shop)) as database:
            return database.execute("select number, cents from refunds").fetchall()


async def shows(page: Page, lines: list[str]) -> None:
    """Wait until the customer sees exactly these lines."""
    seen: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (seen := await page.evaluate(LINES)) != lines:
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"The page shows {seen}, not {lines}")


async def refund(desk: Desk, folder: Path, disaster: Callable[[], None]) -> None:
    """Check that a refund is made once, through a disaster that the backend does not outlive."""
    with ExitStack() as lives:
        backend = lives.enter_context(desk.running())
        assert await desk.asked("GET", "/operator/approvals")
        async with open_page(f"{desk.address}/?customer=ada", folder / "profile") as page:
            await page.evaluate(
                f"document.getElementById('text').value = {json.dumps(COMPLAINT)};"
                "document.getElementById('form').requestSubmit()"
            )
            await shows(page, HELD)

            kill(backend)
            disaster()
            backend = lives.enter_context(desk.running())
            (call,) = await desk.held()
            decision = {key: call[key] for key in ("session_id", "tool_call_id")}
            for _ in range(2):  # An operator clicks twice.
                decided = await desk.asked(
                    "POST", "/operator/decisions", json={**decision, "allowed": True}
                )
                assert decided.is_success, decided.text
            await eventually(desk.refunds, PATIENCE_S)
            kill(backend)
            lives.enter_context(desk.running())

            await shows(page, DONE)
            assert call["customer"] == "ada"
            assert desk.refunds() == [("1042", 4900)]
            # What the page has shown came from the server; the page itself comes from the backend.
            assert await desk.asked("GET", "/operator/approvals")
            await page.evaluate("location.reload()")
            await shows(page, DONE)


async def test_a_refund_is_made_once_and_the_chat_goes_on_when_session_actors_die(
    replicated: Server, desk_port: int, tmp_path: Path
) -> None:
    api_key = create_key(replicated.data_dir, "desk")
    desk = Desk(tmp_path, replicated.address, api_key, desk_port)

    def disaster() -> None:
        processes = replicated.process.children(recursive=True)
        kill(*in_role(Role.SESSION_ACTOR, processes))

    await refund(desk, tmp_path, disaster)


# Two starts of a server.
@pytest.mark.long
async def test_a_refund_is_made_once_and_the_chat_goes_on_when_everything_dies(
    tmp_path: Path,
) -> None:
    server_port, desk_port = free_port(), free_port()
    environment = {
        "EVERRUNS_DATA_DIR": str(tmp_path / "data"),
        "EVERRUNS_AUTH": "api_keys",
        "EVERRUNS_ALLOWED_ORIGINS": f"http://127.0.0.1:{desk_port}",
    }
    api_key = create_key(environment["EVERRUNS_DATA_DIR"], "desk")
    desk = Desk(tmp_path, f"http://127.0.0.1:{server_port}", api_key, desk_port)
    with ExitStack() as lives:
        server = lives.enter_context(small_server(server_port, **environment))

        def disaster() -> None:
            everything = [server.process, *server.process.children(recursive=True)]
            kill(*everything)
            psutil.wait_procs(everything, PATIENCE_S)
            lives.enter_context(small_server(server_port, **environment))

        await refund(desk, tmp_path, disaster)
