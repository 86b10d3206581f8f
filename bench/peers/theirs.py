"""How the others are spoken to: the answer to a posted message is the stream of its turn."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import orjson

from bench.peers.wires import BrokenServer, Conversation, Heard, check, frames, parts_of, post


class Answering:
    """A server that answers a POST with the events of its turn."""

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
            await check(answer)
            async for batch in frames(answer):
                events = [event for frame in batch if (event := parts_of(frame))[1]]
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
    return model.replace("-", "_")
