"""HEAD: the headers of what GET answers, wherever there is a GET."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

PATIENCE_S = 10


@pytest.fixture
async def session_path(server: httpx.AsyncClient) -> str:
    return f"/sessions/{(await server.post('/v1/sessions')).json()['id']}"


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/ready",
        "/",
        "/v1/agents",
        "/api/v1/models",
        "/swagger-ui/",
        "/swagger-ui/swagger-ui.css",
        "/api-doc/openapi.json",
        "/v1/agents/agent_" + "0" * 32,
        "/v1/agents/nonsense",
        "/nothing",
    ],
)
async def test_head_has_the_headers_of_get_and_no_body(server: httpx.AsyncClient, path: str):
    got = await server.get(path)

    response = await server.head(path)

    assert response.status_code == got.status_code
    assert response.content == b""
    for name in ("content-type", "content-length", "x-content-type-options"):
        assert response.headers[name] == got.headers[name]


@pytest.mark.parametrize("path", ["/v1{}/events", "/api/v1{}/sse"])
async def test_head_of_a_stream_opens_none(
    server: httpx.AsyncClient, app: FastAPI, session_path: str, path: str
):
    async with asyncio.timeout(PATIENCE_S):
        response = await server.head(path.format(session_path))

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-cache"
    assert "content-length" not in response.headers
    assert len(app.state.open_streams) == 0
    # The connection serves on.
    assert (await server.get("/health")).status_code == 200


async def test_head_of_a_stream_finds_out_whether_there_is_a_session(server: httpx.AsyncClient):
    response = await server.head(f"/v1/sessions/session_{'0' * 32}/events")

    assert response.status_code == 404


async def test_head_is_not_allowed_where_get_is_not(server: httpx.AsyncClient, session_path: str):
    response = await server.head(f"/v1{session_path}/cancel")

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
