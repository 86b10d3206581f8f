"""How each server is spoken to: a small client for each wire, all alike from outside."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Protocol

import aiohttp
import orjson

from bench.reply import parse_model_name

SYSTEM_PROMPT = "Be brief."

# Called whenever events of a turn arrive, with the text that they hold, if any.
Heard = Callable[[str], None]


class BrokenServer(Exception):
    """A server answered something other than what it was asked for."""


class Conversation(Protocol):
    """One session of a server."""

    async def turn(self, question: str, heard: Heard) -> None:
        """Send a message and hear the turn to its end."""
        ...

    async def close(self) -> None:
        """Let go of what it holds open."""
        ...


class Wire(Protocol):
    """A server, as its clients speak to it."""

    async def prepare(self, model_url: str, models: Sequence[str]) -> None:
        """Define what a client needs before its first session: an agent for each model."""
        ...

    async def open(self, model: str) -> Conversation:
        """Begin a session with the agent of a model."""
        ...


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
        await _check(stream)
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
            await _hear_turn(self._frames, heard)

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
            await _check(stream)
            await _hear_turn(frames(stream), heard)
            stream.close()

    async def close(self) -> None:
        """Nothing is open between turns."""


async def _hear_turn(batches: AsyncGenerator[list[bytes], None], heard: Heard) -> None:
    """Hear events until one says that the turn is over."""
    shown = 0
    async for batch in batches:
        text, events, over = "", 0, False
        for frame in batch:
            kind, data = _parts(frame)
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


class Answering:
    """A server that answers a POST with the events of its turn, which is how all others do it."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self.client = client

    async def prepare(self, model_url: str, models: Sequence[str]) -> None:
        """See ``Wire``. Its program defines the agents."""

    async def open(self, model: str) -> Conversation:
        """See ``Wire``."""
        session_id = await self.create(model)

        def request(question: str) -> dict[str, Any]:
            return self.request(model, session_id, question)

        return _Answered(self.client, request, self.text_of)

    async def create(self, model: str) -> str:
        """Create a session; return its id."""
        raise NotImplementedError

    def request(self, model: str, session_id: str, question: str) -> dict[str, Any]:
        """Return the request that sends a message, as arguments of ``ClientSession.post``."""
        raise NotImplementedError

    def text_of(self, kind: bytes, data: bytes) -> str:
        """Return the new text that an event holds, or nothing."""
        raise NotImplementedError


class _Answered:
    def __init__(
        self,
        client: aiohttp.ClientSession,
        request: Callable[[str], dict[str, Any]],
        text_of: Callable[[bytes, bytes], str],
    ) -> None:
        self._client = client
        self._request = request
        self._text_of = text_of

    async def turn(self, question: str, heard: Heard) -> None:
        async with self._client.post(**self._request(question)) as answer:
            await _check(answer)
            async for batch in frames(answer):
                events = [event for frame in batch if (event := _parts(frame))[1]]
                if events:
                    heard("".join(self._text_of(*event) for event in events))

    async def close(self) -> None:
        """Nothing is open between turns."""


class Bare(Answering):
    """FastAPI by hand."""

    async def create(self, model: str) -> str:  # noqa: ARG002
        """See ``Answering``."""
        return (await post(self.client, "/sessions", {}))["id"]

    def request(self, model: str, session_id: str, question: str) -> dict[str, Any]:
        """See ``Answering``."""
        body = {"content": question, "model": model}
        return {"url": f"/sessions/{session_id}/messages", "json": body}

    def text_of(self, kind: bytes, data: bytes) -> str:  # noqa: ARG002
        """See ``Answering``."""
        return orjson.loads(data).get("delta", "")


class Agno(Answering):
    """Agno's AgentOS. Its sessions begin with their first message."""

    async def create(self, model: str) -> str:  # noqa: ARG002
        """See ``Answering``."""
        return str(uuid.uuid4())

    def request(self, model: str, session_id: str, question: str) -> dict[str, Any]:
        """See ``Answering``."""
        form = {"message": question, "stream": "true", "session_id": session_id, "user_id": "u"}
        return {"url": f"/agents/{model}/runs", "data": form}

    def text_of(self, kind: bytes, data: bytes) -> str:
        """See ``Answering``."""
        if kind == b"RunError":
            raise BrokenServer(data.decode())
        return orjson.loads(data)["content"] if kind == b"RunContent" else ""


class Adk(Answering):
    """Google's ADK."""

    async def create(self, model: str) -> str:
        """See ``Answering``."""
        path = f"/apps/{python_name(model)}/users/u/sessions"
        return (await post(self.client, path, {}))["id"]

    def request(self, model: str, session_id: str, question: str) -> dict[str, Any]:
        """See ``Answering``."""
        body = {
            "appName": python_name(model),
            "userId": "u",
            "sessionId": session_id,
            "newMessage": {"role": "user", "parts": [{"text": question}]},
            "streaming": True,
        }
        return {"url": "/run_sse", "json": body}

    def text_of(self, kind: bytes, data: bytes) -> str:  # noqa: ARG002
        """See ``Answering``."""
        event = orjson.loads(data)
        if "content" not in event:
            raise BrokenServer(data.decode())
        # The last event repeats the whole text.
        return event["content"]["parts"][0]["text"] if event.get("partial") else ""


class LangGraph(Answering):
    """LangGraph's server."""

    async def create(self, model: str) -> str:  # noqa: ARG002
        """See ``Answering``."""
        return (await post(self.client, "/threads", {}))["thread_id"]

    def request(self, model: str, session_id: str, question: str) -> dict[str, Any]:
        """See ``Answering``."""
        body = {
            "assistant_id": model,
            "input": {"messages": [{"role": "user", "content": question}]},
            "stream_mode": ["messages-tuple"],
        }
        return {"url": f"/threads/{session_id}/runs/stream", "json": body}

    def text_of(self, kind: bytes, data: bytes) -> str:
        """See ``Answering``."""
        if kind == b"error":
            raise BrokenServer(data.decode())
        if kind != b"messages":
            return ""
        message = orjson.loads(data)[0]
        return message["content"] if message["type"] == "AIMessageChunk" else ""


def python_name(model: str) -> str:
    """Return a model's name as an identifier."""
    parse_model_name(model)
    return model.replace("-", "_")


async def frames(answer: aiohttp.ClientResponse) -> AsyncGenerator[list[bytes], None]:
    """Yield the frames of an event stream, as many at a time as have arrived."""
    rest = b""
    async for received in answer.content.iter_any():
        rest = (rest + received).replace(b"\r\n", b"\n")
        *whole, rest = rest.split(b"\n\n")
        if whole:
            yield whole


def _parts(frame: bytes) -> tuple[bytes, bytes]:
    """Return the type and the data of a frame; a comment has neither."""
    kind = data = b""
    for line in frame.split(b"\n"):
        if line.startswith(b"data:"):
            data = line[5:].strip()
        elif line.startswith(b"event:"):
            kind = line[6:].strip()
    return kind, data


async def post(client: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Post JSON; return the JSON that comes back.

    Raises:
        BrokenServer: It was refused.
    """
    async with client.post(path, json=body) as answer:
        await _check(answer)
        return orjson.loads(await answer.read())


async def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status >= 400:
        raise BrokenServer(
            f"{answer.method} {answer.url.path}: {answer.status} {await answer.text()}"
        )
