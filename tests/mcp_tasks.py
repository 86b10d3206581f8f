"""A scripted MCP server whose calls become tasks, as a test tells it."""

import asyncio
from typing import Any

from tests.mcp_server import MODERN, Exchange, ScriptedServer, tool

DONE: dict[str, Any] = {"content": [{"type": "text", "text": "baked"}]}
STAMPS = {"createdAt": "2026-11-30T10:00:00Z", "lastUpdatedAt": "2026-11-30T10:00:00Z"}


class TaskServer(ScriptedServer):
    """A server that makes a task of each call.

    Args:
        states: How the task stands at each look; the last of them from then on.
        tools: What it lists.
        ttl_ms: How long it keeps the task.
        task_id: Its handle.
    """

    def __init__(
        self,
        *states: dict[str, Any],
        tools: list[Any] | None = None,
        ttl_ms: int | None = None,
        task_id: str = "task-1",
    ) -> None:
        super().__init__(self._create, tools or [tool("bake")], MODERN)
        self.states = list(states)
        self.common = {**STAMPS, "taskId": task_id, "ttlMs": ttl_ms, "pollIntervalMs": 1}
        self.answers: list[Any] = []
        self.cancelled = asyncio.Event()
        self.behaviours["server/discover"] = self._discover_tasks
        self.behaviours["tasks/get"] = self._get
        self.behaviours["tasks/update"] = self._update
        self.behaviours["tasks/cancel"] = self._cancel

    async def _discover_tasks(self, exchange: Exchange) -> None:
        await exchange.result(
            supportedVersions=[MODERN],
            capabilities={"tools": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}},
            ttlMs=0,
            cacheScope="private",
        )

    async def _create(self, exchange: Exchange) -> None:
        await exchange.result(**self.common, resultType="task", status="working")

    async def _get(self, exchange: Exchange) -> None:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        await exchange.result(**{**self.common, **state})

    async def _update(self, exchange: Exchange) -> None:
        self.answers.append(exchange.message["params"]["inputResponses"])
        await exchange.result()

    async def _cancel(self, exchange: Exchange) -> None:
        self.cancelled.set()
        await exchange.result()
