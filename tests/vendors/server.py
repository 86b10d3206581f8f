"""The vendors' strict fakes, on the loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from tests.vendors.table import ANSWERS, VENDORS, problem

PATHS = {"chat": "/chat/completions", "messages": "/messages", "responses": "/responses"}


@dataclass
class Vendors:
    """The fakes that run, and what they were asked.

    Attributes:
        bodies: The requests, with the vendor that each was for.
        problems: Why requests were refused.
    """

    root: str
    bodies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def base_url(self, vendor: str) -> str:
        """Return a vendor's address."""
        return f"{self.root}/{vendor}/v1"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        name, path = request.path.removeprefix("/").split("/v1", 1)
        vendor = VENDORS[name]
        body = orjson.loads(await request.read())
        self.bodies.append((name, body))
        wrong = problem(name, body) if path == PATHS[vendor.wire] else f"no such path: {path}"
        if wrong:
            self.problems.append(f"{name}: {wrong}")
            return web.json_response(vendor.refusal(wrong), status=vendor.refusal_status)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        # Behind a gateway, the model's own vendor makes the ids.
        behind = VENDORS.get(body["model"].split("/")[0])
        speech = replace(vendor.speech, call_id=behind.speech.call_id) if behind else vendor.speech
        for event in ANSWERS[vendor.wire](name, speech, body):
            await response.write(event)
        await response.write_eof()
        return response


@asynccontextmanager
async def running_vendors() -> AsyncIterator[Vendors]:
    """Run all vendors on one port."""
    vendors = Vendors("")
    async with RawTestServer(vendors.answer) as server:
        vendors.root = str(server.make_url("")).rstrip("/")
        yield vendors
