"""A lively server: sessions in which all happens that is measured, again and again."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import httpx

from bench.agents import make_agent, post

TURN_TIMEOUT_S = 60.0
ENDS = ("event: session.completed", "event: session.failed", "event: session.cancelled")
COST = {"input": 2.0, "output": 8.0}

PROVIDERS = {
    # Calls a tool that works and one that does not, then answers.
    "clerk": {
        "first_token_ms": 150,
        "tokens_per_s": 60,
        "script": [
            {"tool_calls": [{"name": "add", "arguments": {"a": 19, "b": 23}}]},
            {"tool_calls": [{"name": "divide", "arguments": {"a": 1, "b": 0}}]},
            {"text": "19 and 23 make 42, and nothing can be divided by zero."},
        ],
    },
    "writer": {"first_token_ms": 300, "tokens_per_s": 40, "tokens": 60},
    # Its conversations soon become too long, and are compacted.
    "forgetful": {"tokens": 120, "context_tokens": 400},
    # Fails once and is asked again.
    "hesitant": {"tokens": 20, "fail": {"code": "PROVIDER_UNAVAILABLE", "times": 1}},
    "broken": {"fail": {"code": "PROVIDER_REJECTED"}},
}


class Lively:
    """Clients of a server.

    Args:
        address: Of the server.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._agents: dict[str, str] = {}

    async def run(self, clients: int, until: Callable[[], bool]) -> None:
        """Let clients talk to agents of all kinds until a condition holds.

        Args:
            clients: How many there are.
            until: The condition.
        """
        async with httpx.AsyncClient(base_url=self._address, timeout=TURN_TIMEOUT_S) as client:
            await self._make_agents(client)
            await self._put_budget(client)
            await asyncio.gather(*(self._visit(client, until) for _ in range(clients)))

    async def _make_agents(self, client: httpx.AsyncClient) -> None:
        mark = time.time_ns()
        for name, settings in PROVIDERS.items():
            unique = f"{name}-{mark}"
            self._agents[name] = await make_agent(
                client,
                unique,
                settings,
                COST,
                name=unique,
                system_prompt="Be brief.",
                capabilities=["test_math"],
            )

    async def _put_budget(self, client: httpx.AsyncClient) -> None:
        budget = {"subject_type": "agent", "subject_id": self._agents["writer"]}
        await post(client, "/v1/budgets", {**budget, "currency": "tokens", "limit": 1_000_000})

    async def _visit(self, client: httpx.AsyncClient, until: Callable[[], bool]) -> None:
        while not until():
            agent = random.choice([*PROVIDERS, "clerk", "writer"])
            path = f"/v1/agents/{self._agents[agent]}/sessions"
            session_id = (await post(client, path, {}))["id"]
            for _ in range(random.randint(1, 4)):
                await _trying_again(lambda: self._turn(client, session_id))  # noqa: B023
            await client.get("/v1/nowhere")

    async def _turn(self, client: httpx.AsyncClient, session_id: str) -> None:
        words = "please " * 40
        await post(client, f"/v1/sessions/{session_id}/messages", {"content": words})
        path, last_id = f"/v1/sessions/{session_id}/events", ""
        async with client.stream("GET", path) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("id: "):
                    last_id = line.removeprefix("id: ")
                    break
        async with client.stream("GET", path, headers={"Last-Event-ID": last_id}) as stream:
            async for line in stream.aiter_lines():
                if line.startswith(ENDS):
                    break


async def _trying_again(turn: Callable[[], Awaitable[None]]) -> None:
    """Have a turn, and another one if the server lost the part that held it."""
    try:
        await turn()
    except httpx.HTTPError:
        await turn()
