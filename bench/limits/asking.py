"""Asking a server over its API, as clients should: what it cannot take now is sent again."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

REQUEST_TIMEOUT_S = 120.0
TRY_LATER = frozenset({429, 503})
MOST_WAIT_S = 10.0


@dataclass
class Client:
    """A client of one server.

    Attributes:
        http: Its connections.
        refused: How often a request was to be sent again, by status.
        at_once: How many requests it sends at once.
    """

    http: aiohttp.ClientSession
    refused: Counter[int] = field(default_factory=Counter[int])
    at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(64))

    async def post(self, path: str, body: dict[str, Any], within_s: float = 120.0) -> Any:
        """Post, again when told so, and return the answer.

        Raises:
            RuntimeError: It was refused for good, or for too long.
        """
        deadline = time.monotonic() + within_s
        while True:
            async with self.at_once, self.http.post(path, json=body) as answer:
                if answer.status < 400:
                    return await answer.json()
                if answer.status not in TRY_LATER or time.monotonic() > deadline:
                    raise RuntimeError(f"POST {path}: {answer.status} {await answer.text()}")
                self.refused[answer.status] += 1
                wait_s = float(answer.headers.get("Retry-After", 1))
            await asyncio.sleep(min(wait_s, MOST_WAIT_S))

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """Return an answer.

        Raises:
            RuntimeError: It was refused.
        """
        async with self.http.get(path, headers=headers) as answer:
            if answer.status >= 400:
                raise RuntimeError(f"GET {path}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def create(self, agent_id: str) -> str:
        """Create a session of an agent; return its id."""
        return (await self.post(f"/v1/agents/{agent_id}/sessions", {}))["id"]

    async def send(self, session_id: str, text: str = "How are you?") -> None:
        """Send a message."""
        await self.post(f"/v1/sessions/{session_id}/messages", {"content": text})

    async def turn_end(self, session_id: str) -> None:
        """Read the newest turn's events until its end.

        Raises:
            RuntimeError: The turn failed.
        """
        async with self.reading(session_id) as kinds:
            async for kind in kinds:
                if kind == b"session.completed":
                    return
                if kind in {b"session.failed", b"session.cancelled"}:
                    raise RuntimeError(f"The turn of {session_id} ended with {kind.decode()}.")
        raise RuntimeError(f"The stream of {session_id} ended before its turn.")

    async def time_turn(self, session_id: str) -> float:
        """Send a message; return the milliseconds until its turn has ended."""
        sent = time.perf_counter()
        await self.send(session_id)
        await self.turn_end(session_id)
        return (time.perf_counter() - sent) * 1000

    async def take_turn(self, session_id: str) -> float:
        """Send a message; return the milliseconds to its first event, when its turn is over.

        Raises:
            RuntimeError: The turn did not complete.
        """
        sent = time.perf_counter()
        await self.send(session_id)
        first_ms = 0.0
        async with self.reading(session_id) as kinds:
            async for kind in kinds:
                first_ms = first_ms or (time.perf_counter() - sent) * 1000
                if kind == b"session.completed":
                    return first_ms
                if kind in {b"session.failed", b"session.cancelled"}:
                    break
        raise RuntimeError(f"The turn of {session_id} did not complete.")

    @asynccontextmanager
    async def reading(self, session_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the stream of a session's newest turn; give the types of its events."""
        async with self.http.get(f"/v1/sessions/{session_id}/events") as stream:
            stream.raise_for_status()
            yield _kinds(stream)
            stream.close()


async def _kinds(stream: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for line in stream.content:
        kind = line.removeprefix(b"event: ").strip()
        if line.startswith(b"event: ") and kind != b"connected":
            yield kind


@asynccontextmanager
async def asking(address: str) -> AsyncIterator[Client]:
    """Open a client's connections, any number of them."""
    async with aiohttp.ClientSession(
        address,
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
    ) as http:
        yield Client(http)


async def make_agent(
    client: Client, provider: dict[str, Any], capabilities: tuple[str, ...] = ()
) -> str:
    """Add a provider and define an agent that its first model answers for; return its id."""
    named = {"name": f"bench-{time.time_ns()}", **provider}
    model = (await client.post("/v1/llm-providers", named))["models"][0]["id"]
    agent = {
        "name": "bench",
        "system_prompt": "Be brief.",
        "default_model_id": model,
        "capabilities": list(capabilities),
    }
    return (await client.post("/v1/agents", agent))["id"]


def fake_model(model_url: str, name: str) -> dict[str, Any]:
    """Return a provider of one model of the fake model server, see ``bench.reply``."""
    return {
        "provider_type": "openai",
        "base_url": f"{model_url}/v1",
        "api_key": "none",
        "models": [{"model_id": name}],
    }
