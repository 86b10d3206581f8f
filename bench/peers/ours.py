"""How this server is spoken to: a message is posted, its turn comes on the session's stream."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import aiohttp
import orjson

from bench.peers.wires import (
    SYSTEM_PROMPT,
    BrokenServer,
    Conversation,
    Heard,
    check,
    frames,
    parts_of,
    post,
)


class Everruns:
    """This server, with one event stream held open for each session, as a chat page does."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self.client = client

    async def prepare(self, model_url: str, models: Sequence[str]) -> None:
        """See ``Wire``."""
        provider = {
            "name": "bench",
            "provider_type": "openai",
            "base_url": f"{model_url}/v1",
            "models": [{"model_id": model} for model in models],
        }
        await post(self.client, "/v1/llm-providers", provider)
        for model in models:
            agent = {
                "name": model,
                "system_prompt": SYSTEM_PROMPT,
                "default_model_id": f"bench/{model}",
            }
            await post(self.client, "/v1/agents", agent)

    async def open(self, model: str) -> Conversation:
        """See ``Wire``."""
        path = await self.create(model)
        stream = await self.client.get(f"{path}/events")
        await check(stream)
        return _HeldStream(self.client, path, stream)

    async def create(self, model: str) -> str:
        """Create a session; return its path."""
        created = await post(self.client, "/v1/sessions", {"agent_name": model})
        return f"/v1/sessions/{created['id']}"


class _HeldStream:
    """A session with its event stream."""

    def __init__(
        self, client: aiohttp.ClientSession, path: str, stream: aiohttp.ClientResponse
    ) -> None:
        self._client = client
        self._path = path
        self._stream = stream
        self._frames = frames(stream)

    async def turn(self, question: str, heard: Heard) -> None:
        async with asyncio.TaskGroup() as both:
            both.create_task(post(self._client, f"{self._path}/messages", {"content": question}))
            await hear_turn(self._frames, heard)

    async def close(self) -> None:
        self._stream.close()


class EverrunsStreamPerTurn(Everruns):
    """This server, with a stream that is opened after each message and closed after its turn."""

    async def open(self, model: str) -> Conversation:
        """See ``Wire``."""
        return _StreamPerTurn(self.client, await self.create(model))


class _StreamPerTurn:
    def __init__(self, client: aiohttp.ClientSession, path: str) -> None:
        self._client = client
        self._path = path

    async def turn(self, question: str, heard: Heard) -> None:
        await post(self._client, f"{self._path}/messages", {"content": question})
        async with self._client.get(f"{self._path}/events") as stream:
            await check(stream)
            await hear_turn(frames(stream), heard)
            stream.close()

    async def close(self) -> None:
        """Nothing is open between turns."""


async def hear_turn(batches: AsyncGenerator[list[bytes], None], heard: Heard) -> None:
    """Hear events until one says that the turn is over."""
    shown = 0
    async for batch in batches:
        text, events, over = "", 0, False
        for frame in batch:
            kind, data = parts_of(frame)
            if not data or kind == b"connected":
                continue
            events += 1
            if kind == b"message.delta":
                event = orjson.loads(data)["data"]
                # The rule of the contract: an offset may point into what was shown already.
                text += event["delta"][shown + len(text) - event["offset"] :]
            elif kind == b"message.created":
                message = orjson.loads(data)["data"]["message"]
                if message["role"] == "agent":
                    text += message["content"][0]["text"][shown + len(text) :]
            elif kind in {b"session.failed", b"session.cancelled"}:
                raise BrokenServer(data.decode())
            over = over or kind == b"session.completed"
        shown += len(text)
        if events:
            heard(text)
        if over:
            return
    raise BrokenServer("The stream ended before the turn.")
