"""What tests put into a server: scripted models, agents and sessions."""

import asyncio
from typing import Any, Self

import httpx

from everruns.runtime.local import LocalRuntime

PATIENCE_S = 30
POLL_S = 0.02


class Seeds:
    """A server, its API and its runtime.

    Attributes:
        url: Its address.
        api: A client of its API.
        runtime: What runs it, for what the API cannot do quickly.
    """

    def __init__(self, url: str, runtime: LocalRuntime | None = None) -> None:
        self.url = url
        self.runtime = runtime
        self.api = httpx.AsyncClient(base_url=url, timeout=PATIENCE_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.api.aclose()

    async def post(self, path: str, body: object) -> dict[str, Any]:
        """Post something; return the answer."""
        response = await self.api.post(path, json=body)
        assert response.status_code < 300, response.text
        return response.json()

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return an answer."""
        response = await self.api.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    async def model(self, name: str, **settings: Any) -> str:
        """Add a simulated model; return its id."""
        provider = {"name": name, "provider_type": "simulated", "settings": settings}
        await self.post("/v1/llm-providers", provider)
        return f"{name}/simulated-1"

    async def agent(self, name: str, model: str, *capabilities: str, **fields: Any) -> str:
        """Add an agent; return its id."""
        body = {"name": name, "default_model_id": model, "capabilities": capabilities, **fields}
        return (await self.post("/v1/agents", body))["id"]

    async def session(self, agent_id: str, title: str = "A conversation", *said: str) -> str:
        """Add a session, say things in it one after the other, and return its id."""
        path = f"/v1/agents/{agent_id}/sessions"
        session_id = (await self.post(path, {"title": title}))["id"]
        for words in said:
            await self.say(session_id, words)
            await self.until(session_id, "idle")
        return session_id

    async def say(self, session_id: str, words: str) -> None:
        """Send a message."""
        await self.post(f"/v1/sessions/{session_id}/messages", {"content": words})

    async def until(self, session_id: str, *statuses: str) -> dict[str, Any]:
        """Return a session once it has one of these statuses."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                session = await self.get(f"/v1/sessions/{session_id}")
                if session["status"] in statuses:
                    return session
                await asyncio.sleep(POLL_S)

    async def answers(self, session_id: str) -> list[str]:
        """Return the texts of a session's answers, as its log has them."""
        messages = (await self.get(f"/v1/sessions/{session_id}/messages", limit=100))["data"]
        return [
            "".join(part["text"] for part in message["content"] if part["type"] == "text")
            for message in messages
            if message["role"] == "agent"
        ]
