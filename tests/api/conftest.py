"""The API over the local runtime: in this process, and over real sockets for what lasts."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from everruns.api.app import create_app, end_streams
from everruns.capabilities.registry import load_capabilities
from everruns.registry.keys import ApiKeys
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from everruns.storage.memory.store import MemoryStore
from tests.api.credentials import client_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, heartbeat_s=0.2, delta_pace_ms=5)


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[LocalRuntime]:
    runtime = LocalRuntime(MemoryStore(), settings, load_capabilities())
    await runtime.start()
    yield runtime
    await runtime.close()


@pytest.fixture
def app(runtime: LocalRuntime, settings: Settings) -> FastAPI:
    return create_app(runtime, settings, load_capabilities())


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.fixture
def keys(runtime: LocalRuntime) -> ApiKeys:
    return runtime.registry.keys


@pytest.fixture
async def guarded(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that follows its API keys; the settings say if it needs them."""
    async with client_of(app) as client:
        yield client


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """Serve the API on a free port of loopback; yields its base URL."""
    async with listening(app) as url:
        try:
            yield url
        finally:
            end_streams(app)


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """Serve any application on a free port of loopback; yields its base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await eventually(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def server(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a real server."""
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client


async def eventually(condition: Callable[[], object], within_s: float = 10) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[None]]:
    return eventually


@pytest.fixture
def serve() -> Callable[[FastAPI], object]:
    return serving


@pytest.fixture
def listen() -> Callable[[ASGIApp], object]:
    return listening
