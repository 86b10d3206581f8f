"""A model server on loopback that lists its models, answers, and can be told to refuse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import RawTestServer


class ModelServer:
    """Speaks as much of Chat Completions as a provider is asked for outside of turns.

    Attributes:
        models: What ``GET /v1/models`` answers: a JSON value, or bytes as they are.
        refusal: Status and error of every request, if it refuses.
        unknown: Names for which completions are refused.
        requests: Method, path, headers and body of what was asked.
    """

    def __init__(self) -> None:
        self.models: Any = {"object": "list", "data": []}
        self.refusal: tuple[int, Any] | None = None
        self.unknown: set[str] = set()
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.url = ""

    def has(self, *names: str) -> None:
        """List these models."""
        self.models = {"object": "list", "data": [{"id": name} for name in names]}

    @property
    def asked(self) -> list[str]:
        return [path for _, path, _, _ in self.requests]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = orjson.loads(await request.read() or b"null")
        headers = {name.lower(): text for name, text in request.headers.items()}
        self.requests.append((request.method, request.path, headers, body))
        if self.refusal is not None:
            status, error = self.refusal
            return web.json_response({"error": error}, status=status)
        match request.path:
            case "/v1/models":
                listed = self.models
                content = listed if isinstance(listed, bytes) else orjson.dumps(listed)
                return web.Response(body=content, content_type="application/json")
            case "/v1/chat/completions" if body["model"] not in self.unknown:
                return await self._stream(request)
            case "/v1/chat/completions":
                error = {"message": "The model does not exist", "code": "model_not_found"}
                return web.json_response({"error": error}, status=404)
            case _:
                return web.Response(status=404, text="not found")

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for chunk in (
            {"choices": [{"index": 0, "delta": {"content": "OK"}}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        ):
            await response.write(b"data: " + orjson.dumps(chunk) + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


@asynccontextmanager
async def model_server() -> AsyncIterator[ModelServer]:
    """A started model server."""
    fake = ModelServer()
    server = RawTestServer(fake.answer)
    await server.start_server()
    fake.url = str(server.make_url("/v1"))
    try:
        yield fake
    finally:
        await server.close()
