"""A body that does not come holds nothing: neither an answer nor a connection."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest
from fastapi import FastAPI

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings

Serve = Callable[[FastAPI], AbstractAsyncContextManager[str]]
BODY_TIMEOUT_S = 0.3
DRIP_S = 0.05
PATIENCE_S = 20


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"body_timeout_s": BODY_TIMEOUT_S})


@asynccontextmanager
async def dripping(url: str, head: str) -> AsyncIterator[asyncio.StreamReader]:
    """Send the head of a request, and its body a byte at a time for as long as it is taken."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")

    async def drip() -> None:
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(DRIP_S)

    task = asyncio.create_task(drip())
    try:
        yield reader
    finally:
        task.cancel()
        writer.close()


async def answer_to_the_end(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Read an answer and wait until its connection is closed; return its status and code."""
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readuntil(b"}}")
        # A client that still sends may learn of the end by an error.
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    return int(head.split()[1]), json.loads(body)["error"]["code"]


async def test_a_body_that_drips_is_given_up_when_its_time_is_over(app: FastAPI, serve: Serve):
    async with (
        serve(app) as url,
        dripping(url, "POST /v1/agents HTTP/1.1\nHost: localhost\nContent-Length: 9000") as reader,
    ):
        assert await answer_to_the_end(reader) == (408, "REQUEST_TIMEOUT")


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        ("POST /nowhere HTTP/1.1\nHost: localhost\nContent-Length: 9000", (404, "ROUTE_NOT_FOUND")),
        (
            "POST /v1/agents HTTP/1.1\nHost: localhost\nContent-Length: 9999999999",
            (413, "PAYLOAD_TOO_LARGE"),
        ),
        (
            "POST /nowhere HTTP/1.1\nHost: localhost\nExpect: 100-continue\nContent-Length: 9000",
            (404, "ROUTE_NOT_FOUND"),
        ),
    ],
)
async def test_an_answer_that_needs_no_body_closes_the_connection_of_one_that_drips(
    app: FastAPI, serve: Serve, head: str, answer: tuple[int, str]
):
    async with serve(app) as url, dripping(url, head) as reader:
        assert await answer_to_the_end(reader) == answer


async def test_the_body_of_a_request_without_a_key_is_not_waited_for(
    runtime: LocalRuntime, settings: Settings, serve: Serve
):
    patient = settings.model_copy(update={"body_timeout_s": 3600.0, "auth": "api_keys"})
    app = create_app(runtime, patient, load_capabilities())
    head = "POST /v1/agents HTTP/1.1\nHost: localhost\nContent-Length: 9000"

    async with serve(app) as url, dripping(url, head) as reader:
        assert await answer_to_the_end(reader) == (401, "UNAUTHORIZED")


async def test_a_connection_stays_open_when_a_body_that_nobody_read_has_come(
    app: FastAPI, serve: Serve
):
    async with serve(app) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        request = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
        for _ in range(2):
            writer.write(request)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
            assert b" 404 " in head
            assert b"connection: close" not in head
            await reader.readuntil(b"}}")
        writer.close()


@pytest.mark.parametrize("path", ["/health", "/v1/agents"])
async def test_a_body_where_none_is_taken_is_refused_without_waiting_for_it(
    app: FastAPI, serve: Serve, path: str
):
    """Anybody can send one, also without a key, so nothing of it may be kept."""
    async with (
        serve(app) as url,
        dripping(url, f"GET {path} HTTP/1.1\nHost: localhost\nContent-Length: 9000000") as reader,
    ):
        assert await answer_to_the_end(reader) == (400, "INVALID_REQUEST")
